package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/yagura-hids/yagura/agent/relay/config"
	"github.com/yagura-hids/yagura/agent/uplink"
	"github.com/yagura-hids/yagura/internal/fleet"
	"github.com/yagura-hids/yagura/internal/table/dynamo"
)

// openFleet returns the fleet that the configuration names.
func openFleet(ctx context.Context, c *config.Config) (*fleet.Store, error) {
	conf, err := uplink.Config(ctx)
	if err != nil {
		return nil, fmt.Errorf("fleet: %w", err)
	}
	name := func(string) string { return c.Relay.Fleet }
	return fleet.New(dynamo.New(dynamodb.NewFromConfig(conf), dynamo.Options{Name: name}), fleet.Options{}), nil
}

// parameter returns a parameter of SSM, decrypted, without white space around.
func parameter(ctx context.Context, name string) (string, error) {
	conf, err := uplink.Config(ctx)
	if err != nil {
		return "", err
	}
	out, err := ssm.NewFromConfig(conf).GetParameter(ctx, &ssm.GetParameterInput{Name: &name, WithDecryption: aws.Bool(true)})
	if err != nil {
		return "", fmt.Errorf("parameter %s: %w; see that it is there (aws ssm put-parameter --type SecureString), and that the role may read it", name, err)
	}
	return strings.TrimSpace(aws.ToString(out.Parameter.Value)), nil
}

// lookAtPassword returns enrolment's password, as it is; none is made.
func lookAtPassword(ctx context.Context, c *config.Config) (string, error) {
	kind, where, _ := strings.Cut(c.Auth.Password, ":")
	if kind == "ssm" {
		return parameter(ctx, where)
	}
	text, err := os.ReadFile(where)
	if os.IsNotExist(err) {
		return "", nil // the relay makes one
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	return string(line), err
}
