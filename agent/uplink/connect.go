package uplink

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
)

// Errors of what must be set up before anything can be sent to AWS.
var (
	// ErrNoRegion is returned when nothing names the AWS region.
	ErrNoRegion = errors.New("no AWS region")
	// ErrNoCredentials is returned when nothing gives AWS credentials.
	ErrNoCredentials = errors.New("no AWS credentials")
)

const credentialHint = "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN), or run on an instance with a role"

// metadataWait is how long EC2's metadata service may take to name the region: it is near, or not there.
const metadataWait = 2 * time.Second

// Connect returns Kinesis's client as the environment and the AWS configuration files set it up. Its errors say what to set.
func Connect(ctx context.Context) (*kinesis.Client, error) {
	conf, err := Config(ctx)
	if err != nil {
		return nil, err
	}
	return kinesis.NewFromConfig(conf), nil
}

// Config returns the configuration of the environment and the AWS configuration files, with a region and credentials; where these name no
// region, that of the EC2 instance. Its errors say what to set.
func Config(ctx context.Context) (aws.Config, error) {
	conf, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return conf, failure{error: fmt.Errorf("read the AWS configuration: %w", err), hint: "see ~/.aws/config, AWS_PROFILE and AWS_REGION"}
	}
	if conf.Region == "" {
		conf.Region = instanceRegion(ctx, conf)
	}
	if conf.Region == "" {
		return conf, failure{error: ErrNoRegion, hint: "set AWS_REGION, such as eu-central-1, or AWS_PROFILE to a profile that names one"}
	}
	conf.Credentials = named{conf.Credentials}
	if _, err := conf.Credentials.Retrieve(ctx); err != nil {
		return conf, failure{error: err, hint: credentialHint}
	}
	return conf, nil
}

// instanceRegion returns the region of the EC2 instance that this is, or nothing.
func instanceRegion(ctx context.Context, conf aws.Config) string {
	ctx, cancel := context.WithTimeout(ctx, metadataWait)
	defer cancel()
	out, err := imds.NewFromConfig(conf).GetRegion(ctx, nil)
	if err != nil {
		return ""
	}
	return out.Region
}

// named makes known what its errors are: in the SDK's they are texts.
type named struct{ aws.CredentialsProvider }

// Retrieve returns the credentials, or an error that wraps ErrNoCredentials.
func (n named) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c, err := n.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		return c, fmt.Errorf("%w: %w", ErrNoCredentials, err)
	}
	return c, nil
}
