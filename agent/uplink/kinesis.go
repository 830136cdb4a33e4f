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

	"github.com/yagura-hids/yagura/internal/codec"
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
	_, err := s.putAll(ctx, []codec.Encoded{{Agent: s.agent, Data: data}})
	return err
}

// putAll tries once to store batches, at most one of an agent, and returns those that were not.
func (s *kinesisStream) putAll(ctx context.Context, batches []codec.Encoded) (left []codec.Encoded, err error) {
	if s.client == nil {
		client, err := Connect(ctx)
		if err != nil {
			return batches, err
		}
		s.client = client
	}
	in := &kinesis.PutRecordsInput{StreamName: &s.name}
	for i := range batches {
		in.Records = append(in.Records, types.PutRecordsRequestEntry{Data: batches[i].Data, PartitionKey: &batches[i].Agent})
	}
	out, err := s.client.PutRecords(ctx, in, once)
	switch {
	case err != nil:
		return batches, putFailure(err)
	case len(out.Records) != len(batches):
		return batches, fmt.Errorf("the answer is about %d records, sent were %d", len(out.Records), len(batches))
	}
	for i, r := range out.Records {
		if r.ErrorCode != nil {
			left = append(left, batches[i])
			err = putFailure(&smithy.GenericAPIError{Code: *r.ErrorCode, Message: aws.ToString(r.ErrorMessage)})
		}
	}
	var f failure
	if errors.As(err, &f) && len(left) < len(batches) {
		f.partly = true
		return left, f
	}
	return left, err
}

// The bounds of a request, which are Kinesis's; of its bytes some are left for what is around them.
const (
	requestRecords = 500
	requestBytes   = 4 << 20
)

// oneRequest takes from the batches as many as one request may hold, at most one of an agent: a request is stored in any order.
func oneRequest(batches []codec.Encoded) (request, rest []codec.Encoded) {
	size, has := 0, map[string]bool{}
	for _, b := range batches {
		n := len(b.Data) + len(b.Agent)
		if has[b.Agent] || len(request) == requestRecords || len(request) > 0 && size+n > requestBytes {
			has[b.Agent] = true // what comes after it waits for it
			rest = append(rest, b)
			continue
		}
		has[b.Agent] = true
		request, size = append(request, b), size+n
	}
	return request, rest
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
