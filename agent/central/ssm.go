package central

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/smithy-go"

	"github.com/yagura-hids/yagura/agent/config"
)

// Client is the part of SSM's client that is needed.
type Client interface {
	GetParametersByPath(context.Context, *ssm.GetParametersByPathInput, ...func(*ssm.Options)) (*ssm.GetParametersByPathOutput, error)
}

var _ Client = (*ssm.Client)(nil)

// Connect returns a client that connects when it is first used, and again until that works: a host may have no network yet, or no role.
func Connect(config func(ctx context.Context) (aws.Config, error)) Client {
	return &connecting{config: config}
}

// connecting is used by one goroutine at a time.
type connecting struct {
	config func(ctx context.Context) (aws.Config, error)
	client *ssm.Client
}

// GetParametersByPath is SSM's.
func (c *connecting) GetParametersByPath(ctx context.Context, in *ssm.GetParametersByPathInput, options ...func(*ssm.Options),
) (*ssm.GetParametersByPathOutput, error) {
	if c.client == nil {
		conf, err := c.config(ctx)
		if err != nil {
			return nil, err
		}
		c.client = ssm.NewFromConfig(conf)
	}
	return c.client.GetParametersByPath(ctx, in, options...)
}

// The most that a central configuration may be, and the longest that SSM may take for it.
const (
	maxBytes = 1 << 20
	within   = time.Minute
)

// ErrTooLarge is returned for a central configuration that an agent does not take into its memory.
var ErrTooLarge = errors.New("central configuration of more than 1 MiB")

// Profiles returns those that central configuration is looked for by: "default" where a host has none.
func Profiles(own []string) []string {
	if len(own) == 0 {
		return []string{"default"}
	}
	return own
}

// Fetch returns the parameters below path/PROFILE, profile by profile, each profile's sorted by name. Its error says what to do.
func Fetch(ctx context.Context, client Client, path string, profiles []string) ([]config.Text, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	var texts []config.Text
	size := 0
	for _, profile := range profiles {
		below := strings.TrimSuffix(path, "/") + "/" + profile
		var list []config.Text
		in := ssm.GetParametersByPathInput{Path: &below, Recursive: aws.Bool(true), WithDecryption: aws.Bool(true)}
		for more := true; more; more = aws.ToString(in.NextToken) != "" {
			out, err := client.GetParametersByPath(ctx, &in)
			if err != nil {
				return nil, fmt.Errorf("central configuration below %s of SSM's Parameter Store: %w%s", below, brief(err), hint(err))
			}
			for _, p := range out.Parameters {
				t := config.Text{Name: "ssm:" + aws.ToString(p.Name), Source: []byte(aws.ToString(p.Value)), Central: true}
				if size += len(t.Source) + len(t.Name); size > maxBytes {
					return nil, fmt.Errorf("%w below %s of SSM's Parameter Store: remove what is not needed", ErrTooLarge, path)
				}
				list = append(list, t)
			}
			in.NextToken = out.NextToken
		}
		slices.SortFunc(list, func(a, b config.Text) int { return cmp.Compare(a.Name, b.Name) })
		texts = append(texts, list...)
	}
	return texts, nil
}

// hint says what to do about an answer of SSM's, "" if there is nothing to say.
func hint(err error) string {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return ""
	}
	switch api.ErrorCode() {
	case "AccessDeniedException":
		return "; allow this host's role ssm:GetParametersByPath on it, and kms:Decrypt for SecureStrings; the stack's agent policy does"
	case "UnrecognizedClientException", "InvalidSignatureException", "ExpiredTokenException", "IncompleteSignature":
		return "; see that the credentials are valid, and that the clock is right"
	case "ValidationException":
		return "; see that <central> and <config-profile> make a path as /yagura/agents/web"
	}
	return ""
}

// brief returns the part of an SDK's error that tells a person something.
func brief(err error) error {
	var api smithy.APIError
	if errors.As(err, &api) {
		return fmt.Errorf("%s: %s", api.ErrorCode(), api.ErrorMessage())
	}
	return err
}
