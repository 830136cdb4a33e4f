package uplink

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
)

// Client is what an uplink needs of the SDK's client.
type Client interface {
	PutRecords(ctx context.Context, in *kinesis.PutRecordsInput, options ...func(*kinesis.Options)) (*kinesis.PutRecordsOutput, error)
}

var _ Client = (*kinesis.Client)(nil)

// Kinesis returns the uplink to a stream. With no client it connects at its first try, as Connect does, and where that fails at the next.
func Kinesis(client Client, stream string, o Options) *Uplink {
	return open(&kinesisStream{name: stream, agent: o.Agent, client: client}, o)
}

// kinesisStream is a stream of Kinesis.
type kinesisStream struct {
	name, agent string
	client      Client
}

func (s *kinesisStream) String() string { return "stream " + s.name }

func (s *kinesisStream) prepare(data []byte) (func(ctx context.Context) error, error) {
	return func(ctx context.Context) error { return s.put(ctx, data) }, nil
}

// probe puts what CloudWatch Logs puts to see whether a stream takes anything, which is passed over at the other end: to put is all that an
// agent may do.
func (s *kinesisStream) probe(ctx context.Context) error {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write([]byte(`{"messageType":"CONTROL_MESSAGE","owner":"yagura-agent","logEvents":[]}`))
	if err := errors.Join(err, z.Close()); err != nil {
		return err
	}
	return s.put(ctx, b.Bytes())
}

func (s *kinesisStream) put(ctx context.Context, data []byte) error {
	if s.client == nil {
		client, err := Connect(ctx)
		if err != nil {
			return err
		}
		s.client = client
	}
	out, err := s.client.PutRecords(ctx, &kinesis.PutRecordsInput{
		StreamName: &s.name, Records: []types.PutRecordsRequestEntry{{Data: data, PartitionKey: &s.agent}},
	}, once)
	switch {
	case err != nil:
		return putFailure(err)
	case len(out.Records) != 1:
		return fmt.Errorf("the answer is about %d records, sent was 1", len(out.Records))
	case out.Records[0].ErrorCode != nil:
		return putFailure(&smithy.GenericAPIError{Code: *out.Records[0].ErrorCode, Message: aws.ToString(out.Records[0].ErrorMessage)})
	}
	return nil
}

// once keeps the SDK from trying again by itself.
func once(o *kinesis.Options) { o.Retryer = aws.NopRetryer{} }

// putFailure tells what an error of the SDK means, and keeps the part of it that tells a person something.
func putFailure(err error) error {
	var api smithy.APIError
	var network *url.Error
	switch {
	case errors.As(err, &api):
		return failure{error: fmt.Errorf("%s: %s", api.ErrorCode(), api.ErrorMessage()), hint: hints[api.ErrorCode()], throttled: throttles[api.ErrorCode()]}
	case errors.Is(err, ErrNoCredentials):
		return failure{error: err, hint: credentialHint}
	case errors.As(err, &network):
		return network
	}
	return err
}

// throttles are Kinesis's answers to what comes too fast.
var throttles = map[string]bool{
	"ProvisionedThroughputExceededException": true, "ThrottlingException": true, "LimitExceededException": true, "KMSThrottlingException": true,
}

const (
	clockHint = "see that the credentials (AWS_PROFILE, or AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN) are whole and valid, and that the clock is right"
	keyHint   = "see that the stream's key in KMS exists, is enabled and may be used"
	ourHint   = "this is a fault of the program that made it"
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
