package emulated

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

// builder makes a template's resources in the parts.
type builder struct {
	stack    *Stack
	scope    *scope
	shards   int
	kinesis  *kinesis.Client
	dynamodb *dynamodb.Client
	s3       *s3.Client
	sns      *sns.Client
	sqs      *sqs.Client
	ssm      *ssm.Client
}

func newBuilder(s *Stack, in *scope, shards int) *builder {
	streams, tables, other := s.Clients()
	return &builder{
		stack: s, scope: in, shards: shards, kinesis: kinesis.NewFromConfig(streams), dynamodb: dynamodb.NewFromConfig(tables),
		s3: s3.NewFromConfig(other), sns: sns.NewFromConfig(other), sqs: sqs.NewFromConfig(other), ssm: ssm.NewFromConfig(other),
	}
}

// make makes all resources, and the inbox that hears each topic.
func (b *builder) make(ctx context.Context, resources []*resource) error {
	inbox, err := b.sqs.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String(stackName + "-inbox")})
	if err != nil {
		return fmt.Errorf("make the inbox: %w", err)
	}
	b.stack.Inbox = aws.ToString(inbox.QueueUrl)
	kinds := map[string]func(context.Context, *resource) error{
		"AWS::Kinesis::Stream": b.stream, "AWS::DynamoDB::Table": b.table, "AWS::SNS::Topic": b.topic, "AWS::S3::Bucket": b.bucket,
		"AWS::SQS::Queue": b.queue, "AWS::SSM::Document": b.document,
	}
	for _, r := range resources {
		if make, ok := kinds[r.kind]; ok {
			if err := make(ctx, r); err != nil {
				return fmt.Errorf("make %s: %w", r.logical, err)
			}
		}
	}
	return nil
}

// readyWithin is how long a stream or a table may take to become active.
const readyWithin = 30 * time.Second

func (b *builder) stream(ctx context.Context, r *resource) error {
	if _, err := b.kinesis.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: &r.name, ShardCount: aws.Int32(int32(b.shards))}); err != nil {
		return err
	}
	waiter := kinesis.NewStreamExistsWaiter(b.kinesis, func(o *kinesis.StreamExistsWaiterOptions) { o.MinDelay = 50 * time.Millisecond })
	return waiter.Wait(ctx, &kinesis.DescribeStreamInput{StreamName: &r.name}, readyWithin)
}

func (b *builder) table(ctx context.Context, r *resource) error {
	err := b.scope.properties(r, "KeySchema", "AttributeDefinitions", "GlobalSecondaryIndexes", "BillingMode", "StreamSpecification",
		"TimeToLiveSpecification")
	if err != nil {
		return err
	}
	in := dynamodb.CreateTableInput{TableName: &r.name}
	for name, to := range map[string]any{
		"KeySchema": &in.KeySchema, "AttributeDefinitions": &in.AttributeDefinitions, "GlobalSecondaryIndexes": &in.GlobalSecondaryIndexes,
		"BillingMode": &in.BillingMode, "StreamSpecification": &in.StreamSpecification,
	} {
		if err := r.as(name, to); err != nil {
			return err
		}
	}
	if in.StreamSpecification != nil {
		in.StreamSpecification.StreamEnabled = aws.Bool(true)
	}
	out, err := b.dynamodb.CreateTable(ctx, &in)
	if err != nil {
		return err
	}
	if arn := aws.ToString(out.TableDescription.LatestStreamArn); arn != "" {
		b.scope.attributes[r.logical+".StreamArn"] = arn
	}
	waiter := dynamodb.NewTableExistsWaiter(b.dynamodb, func(o *dynamodb.TableExistsWaiterOptions) { o.MinDelay = 50 * time.Millisecond })
	if err := waiter.Wait(ctx, &dynamodb.DescribeTableInput{TableName: &r.name}, readyWithin); err != nil {
		return err
	}
	var ttl *dynamodbtypes.TimeToLiveSpecification
	if err := r.as("TimeToLiveSpecification", &ttl); err != nil || ttl == nil {
		return err
	}
	_, err = b.dynamodb.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{TableName: &r.name, TimeToLiveSpecification: ttl})
	return err
}

func (b *builder) topic(ctx context.Context, r *resource) error {
	topic, err := b.sns.CreateTopic(ctx, &sns.CreateTopicInput{Name: &r.name})
	if err != nil {
		return err
	}
	_, err = b.sns.Subscribe(ctx, &sns.SubscribeInput{
		TopicArn: topic.TopicArn, Protocol: aws.String("sqs"), Endpoint: aws.String("arn:aws:sqs:" + Region + ":" + Account + ":" + stackName + "-inbox"),
	})
	return err
}

func (b *builder) bucket(ctx context.Context, r *resource) error {
	_, err := b.s3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &r.name})
	return err
}

func (b *builder) queue(ctx context.Context, r *resource) error {
	out, err := b.sqs.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &r.name})
	if err != nil {
		return err
	}
	b.scope.attributes[r.logical] = aws.ToString(out.QueueUrl)
	return nil
}

func (b *builder) document(ctx context.Context, r *resource) error {
	if err := b.scope.properties(r, "Content"); err != nil {
		return err
	}
	content, err := json.Marshal(r.props["Content"])
	if err != nil {
		return err
	}
	_, err = b.ssm.CreateDocument(ctx, &ssm.CreateDocumentInput{
		Name: &r.name, Content: aws.String(string(content)), DocumentType: ssmtypes.DocumentTypeCommand, DocumentFormat: ssmtypes.DocumentFormatJson,
	})
	return err
}

// Message is what was published on a topic.
type Message struct {
	Subject, Message string
}

// Receive takes the messages that were published since, and waits up to a while for one.
func (s *Stack) Receive(ctx context.Context, wait time.Duration) ([]Message, error) {
	_, _, other := s.Clients()
	client := sqs.NewFromConfig(other)
	out, err := client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: &s.Inbox, MaxNumberOfMessages: 10, WaitTimeSeconds: int32(wait / time.Second),
	})
	if err != nil || len(out.Messages) == 0 {
		return nil, err
	}
	var messages []Message
	var done []sqstypes.DeleteMessageBatchRequestEntry
	for i, m := range out.Messages {
		message, err := openEnvelope(aws.ToString(m.Body))
		if err != nil {
			return nil, err
		}
		messages = append(messages, message)
		done = append(done, sqstypes.DeleteMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), ReceiptHandle: m.ReceiptHandle})
	}
	_, err = client.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &s.Inbox, Entries: done})
	return messages, err
}

// openEnvelope reads a message out of what SNS wraps it in for a queue.
func openEnvelope(body string) (m Message, err error) {
	if err := json.Unmarshal([]byte(body), &m); err != nil {
		return m, fmt.Errorf("a message in the inbox is no JSON: %w", err)
	}
	return m, nil
}
