package uplink

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/smithy-go"
)

// Errors of what must be set up before anything can be sent.
var (
	// ErrRefused is returned when a batch will not be stored however often it is sent.
	ErrRefused = errors.New("refused")
	// ErrNoRegion is returned when nothing names the AWS region.
	ErrNoRegion = errors.New("no AWS region")
	// ErrNoCredentials is returned when nothing gives AWS credentials.
	ErrNoCredentials = errors.New("no AWS credentials")
)

const (
	regionHint     = "set AWS_REGION, such as eu-central-1, or AWS_PROFILE to a profile that names one"
	credentialHint = "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN), or run on an instance with a role"
	clockHint      = "see that the credentials (AWS_PROFILE, or AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN) are whole and valid, and that the clock is right"
	keyHint        = "see that the stream's key in KMS exists, is enabled and may be used"
	ourHint        = "this is a fault of the program that made it"
)

// hints say what to do about Kinesis's answers that no waiting changes.
var hints = map[string]string{
	"ResourceNotFoundException":   "see that the stream is deployed, and in this account and region (AWS_REGION, AWS_PROFILE)",
	"AccessDeniedException":       "allow these credentials kinesis:PutRecords on the stream; the stack's agent policy does",
	"AccessDenied":                "allow these credentials kinesis:PutRecords on the stream; the stack's agent policy does",
	"UnrecognizedClientException": clockHint,
	"InvalidClientTokenId":        clockHint,
	"InvalidSignatureException":   clockHint,
	"IncompleteSignature":         clockHint,
	"MissingAuthenticationToken":  clockHint,
	"ExpiredTokenException":       clockHint,
	"RequestExpired":              clockHint,
	"OptInRequired":               "this account is not signed up for Kinesis",
	"KMSAccessDeniedException":    "allow these credentials kms:GenerateDataKey on the stream's key",
	"KMSDisabledException":        keyHint,
	"KMSInvalidStateException":    keyHint,
	"KMSNotFoundException":        keyHint,
	"KMSOptInRequired":            keyHint,
	"InvalidArgumentException":    ourHint,
	"ValidationException":         "see that the stream's name is right; if it is, " + ourHint,
}

// refused tells whether trying again is of no use, and what is.
func refused(err error) (hint string, never bool) {
	var api smithy.APIError
	if errors.As(err, &api) {
		hint, never = hints[api.ErrorCode()]
		return hint, never
	}
	return credentialHint, errors.Is(err, ErrNoCredentials)
}

// Connect returns Kinesis's client as the environment and the AWS configuration files set it up. Its errors say what to set.
func Connect(ctx context.Context) (*kinesis.Client, error) {
	conf, err := Config(ctx)
	if err != nil {
		return nil, err
	}
	return kinesis.NewFromConfig(conf), nil
}

// Config returns the configuration of the environment and the AWS configuration files, with a region and credentials. Its errors say what to set.
func Config(ctx context.Context) (aws.Config, error) {
	conf, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return conf, fmt.Errorf("read the AWS configuration: %w; see ~/.aws/config, AWS_PROFILE and AWS_REGION", err)
	}
	if conf.Region == "" {
		return conf, fmt.Errorf("%w: %s", ErrNoRegion, regionHint)
	}
	conf.Credentials = named{conf.Credentials}
	if _, err := conf.Credentials.Retrieve(ctx); err != nil {
		return conf, fmt.Errorf("%w; %s", err, credentialHint)
	}
	return conf, nil
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
