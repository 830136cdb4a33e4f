// Package ssm has agents on instances of EC2 tell their files again, by Run Command. It may run one document of the stack's own, which does
// nothing else.
package ssm

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/yagura-hids/yagura/internal/baseline"
	"github.com/yagura-hids/yagura/internal/syscheck"
)

// Instances asks agents on instances.
type Instances struct {
	client   *ssm.Client
	document string
}

// New returns one that runs a document, which has the parameter Buckets. Its requests are tried three times.
func New(cfg aws.Config, document string) *Instances {
	return &Instances{client: ssm.NewFromConfig(cfg), document: document}
}

// waits is how many seconds a command waits for an instance that SSM doesn't reach.
const waits = 3600

// Ask has the agent of an instance, which has its id, told; it doesn't wait until it was.
func (i *Instances) Ask(ctx context.Context, a baseline.Ask) error {
	_, err := i.client.SendCommand(ctx, &ssm.SendCommandInput{
		DocumentName: &i.document, InstanceIds: []string{a.AgentID}, TimeoutSeconds: aws.Int32(waits),
		Parameters: map[string][]string{"Buckets": {syscheck.FormatBuckets(a.Buckets)}},
	})
	if err != nil {
		return fmt.Errorf("%w; on that host: yagura-agent syscheck --resend %s", err, syscheck.FormatBuckets(a.Buckets))
	}
	return nil
}
