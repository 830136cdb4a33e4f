package lambda

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// stamp is the form of times in an invocation record.
const stamp = "2006-01-02T15:04:05.000Z"

// invocationRecord is what Lambda tells the on-failure destination of a batch that it gives up. Beside these it has KinesisBatchInfo or
// DDBStreamBatchInfo and, in a bucket, payload.
type invocationRecord struct {
	RequestContext struct {
		RequestID   string `json:"requestId"`
		FunctionARN string `json:"functionArn"`
		Condition   string `json:"condition"`
		InvokeCount int    `json:"approximateInvokeCount"`
	} `json:"requestContext"`
	ResponseContext *responseContext `json:"responseContext,omitempty"` // nil if its records grew too old before it was called
	Version         string           `json:"version"`
	Timestamp       string           `json:"timestamp"`
}

type responseContext struct {
	StatusCode      int    `json:"statusCode"`
	ExecutedVersion string `json:"executedVersion"`
	FunctionError   string `json:"functionError,omitempty"`
}

// batchInfo is its part about the batch.
type batchInfo struct {
	ShardID       string `json:"shardId"`
	StartSequence string `json:"startSequenceNumber"`
	EndSequence   string `json:"endSequenceNumber"`
	FirstArrival  string `json:"approximateArrivalOfFirstRecord"`
	LastArrival   string `json:"approximateArrivalOfLastRecord"`
	BatchSize     int    `json:"batchSize"`
	StreamARN     string `json:"streamArn"`
}

func newBatchInfo(shard, stream, form string, batch []record) batchInfo {
	first, last := batch[0], batch[len(batch)-1]
	return batchInfo{
		ShardID: shard, StreamARN: stream, BatchSize: len(batch),
		StartSequence: first.sequence, EndSequence: last.sequence,
		FirstArrival: first.arrived.UTC().Format(form), LastArrival: last.arrived.UTC().Format(form),
	}
}

// bucket returns the name of the bucket that an on-failure destination is, "" if there is none.
func bucket(arn string) (string, error) {
	if arn == "" {
		return "", nil
	}
	_, name, found := strings.Cut(arn, ":s3:::")
	if !found {
		return "", fmt.Errorf("on-failure destination %s: only buckets are emulated (arn:aws:s3:::NAME)", arn)
	}
	return name, nil
}

// giveUp tells the on-failure destination of a batch, with its records, and goes on without it. result is nil if it was never called.
func (l *lane) giveUp(b batch, condition string, result *Result) {
	p := l.shard.poller
	if !b.repeated { // else it was done before
		p.opts.Log("mapping %s: shard %s: %s: gave up %d records from %s on", p.opts.Mapping.Name, l.shard.id, condition, len(b.records), b.records[0].sequence)
		l.keep(b, condition, result)
	}
	if p.ctx.Err() == nil {
		l.done(b, b.records, &p.counts.GivenUp)
	}
}

// keep puts a batch into the bucket, and tries until it is there: a test bed that loses records could not tell that Yagura doesn't.
func (l *lane) keep(b batch, condition string, result *Result) {
	p := l.shard.poller
	name, _ := bucket(p.opts.Mapping.OnFailure) // prepare has looked at it
	if name == "" {
		return
	}
	now := p.opts.Now().UTC()
	text := l.invocationRecord(b, condition, result, now)
	key := fmt.Sprintf("aws/lambda/%s/%s/%s-%s", p.id, l.shard.id, now.Format("2006/01/02/2006-01-02T15.04.05"), requestID())
	for p.ctx.Err() == nil {
		_, err := p.opts.S3.PutObject(p.ctx, &s3.PutObjectInput{Bucket: aws.String(name), Key: aws.String(key), Body: bytes.NewReader(text)})
		if err == nil {
			return
		}
		p.opts.Log("mapping %s: keep a failed batch: %v", p.opts.Mapping.Name, err)
		p.opts.Pause(p.ctx, time.Second)
	}
}

func (l *lane) invocationRecord(b batch, condition string, result *Result, now time.Time) []byte {
	p := l.shard.poller
	r := invocationRecord{Version: "1.0", Timestamp: now.Format(stamp)}
	r.RequestContext.FunctionARN, r.RequestContext.Condition, r.RequestContext.InvokeCount = p.opts.FunctionARN, condition, b.invoked
	r.RequestContext.RequestID = requestID()
	if result != nil {
		r.RequestContext.RequestID = result.RequestID
		r.ResponseContext = &responseContext{StatusCode: 200, ExecutedVersion: "$LATEST", FunctionError: result.FunctionError}
	}
	name, info := p.source.info(l.shard.id, b.records)
	head, _ := json.Marshal(r)    // strings and numbers can always be
	part, _ := json.Marshal(info) // they, too
	return fmt.Appendf(head[:len(head)-1], `,%q:%s,"payload":%s}`, name, part, event(b.records))
}
