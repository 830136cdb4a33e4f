package emulated_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/google/go-cmp/cmp"

	"github.com/yagura-hids/yagura/internal/emulated"
	"github.com/yagura-hids/yagura/internal/emulated/emulatedtest"
	"github.com/yagura-hids/yagura/internal/emulated/faults"
)

// up returns the template's stack and a configuration that the SDK made from its environment, as a function's would be.
func up(t *testing.T, o emulated.Options) (*emulated.Stack, aws.Config) {
	t.Helper()
	o.Template, o.Parts = filepath.Join(emulatedtest.Root(t), "template.yaml"), emulatedtest.Dir(t)
	stack, err := emulated.Up(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stack.Close)
	for _, e := range stack.Env() {
		name, value, _ := strings.Cut(e, "=")
		t.Setenv(name, value)
	}
	conf, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return stack, conf
}

func TestStackIsWhatTheTemplateSays(t *testing.T) {
	stack, conf := up(t, emulated.Options{Shards: 2, Parameters: map[string]string{"BatchSize": "77", "BatchSeconds": "3"}})
	ctx := t.Context()

	streams := kinesis.NewFromConfig(conf)
	stream, err := streams.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: aws.String("yagura")})
	if err != nil || aws.ToInt32(stream.StreamDescriptionSummary.OpenShardCount) != 2 {
		t.Errorf("the stream has not 2 shards: %v", err)
	}
	tables := dynamodb.NewFromConfig(conf)
	alerts, err := tables.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String("yagura-alerts")})
	if err != nil {
		t.Fatal(err)
	}
	var indexes []string
	for _, i := range alerts.Table.GlobalSecondaryIndexes {
		indexes = append(indexes, fmt.Sprint(aws.ToString(i.IndexName), i.Projection.NonKeyAttributes))
	}
	slices.Sort(indexes)
	if diff := cmp.Diff([]string{"by-rule[level rule]", "by-source[level rule]", "by-time[level rule]"}, indexes); diff != "" {
		t.Error(diff)
	}
	ttl, err := tables.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: aws.String("yagura-alerts")})
	if err != nil || aws.ToString(ttl.TimeToLiveDescription.AttributeName) != "expires" {
		t.Errorf("the alerts don't expire: %v", err)
	}
	bucket := stack.Names["FailureBucket"]
	_, err = s3.NewFromConfig(conf).PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: aws.String("set-aside/x.json"), Body: strings.NewReader("{}")})
	if err != nil {
		t.Error(err)
	}
	want := map[string]*emulated.Function{
		"AnalyzeFunction": {
			Name: "AnalyzeFunction", Code: "functions/analyze", Memory: 1769, Timeout: 2 * time.Minute,
			Environment: map[string]string{
				"ALERTS_TABLE": "yagura-alerts", "STATE_TABLE": "yagura-state", "FLEET_TABLE": "yagura-fleet",
				"FAILURE_BUCKET": bucket, "RESEND_DOCUMENT": "yagura-resend",
				"ALERT_LEVEL": "1", "MAIL_LEVEL": "7", "KEEP_DAYS": "365",
			},
			Mappings: []emulated.Mapping{{
				Name: "Records", Source: "kinesis", Stream: "yagura", SourceARN: "arn:aws:kinesis:us-east-1:123456789012:stream/yagura",
				StartingPosition: "TRIM_HORIZON", BatchSize: 77, Window: 3 * time.Second, ParallelizationFactor: 1, Bisect: true, MaxRetries: 30,
				MaxAge: 24 * time.Hour, ReportItemFailures: true, OnFailure: "arn:aws:s3:::" + bucket,
			}},
		},
		"MaintenanceFunction": {
			Name: "MaintenanceFunction", Code: "functions/maintenance", Memory: 128, Timeout: 30 * time.Second,
			Environment: map[string]string{"FLEET_TABLE": "yagura-fleet"},
		},
		"NotifyFunction": {
			Name: "NotifyFunction", Code: "functions/notify", Memory: 256, Timeout: time.Minute,
			Environment: map[string]string{"TOPIC_ARN": "arn:aws:sns:us-east-1:123456789012:yagura-alerts"},
			Mappings: []emulated.Mapping{{
				Name: "Alerts", Source: "dynamodb", Stream: aws.ToString(alerts.Table.LatestStreamArn), SourceARN: aws.ToString(alerts.Table.LatestStreamArn),
				StartingPosition: "TRIM_HORIZON", BatchSize: 1000, ParallelizationFactor: 1, Bisect: true, MaxRetries: 1000,
				MaxAge: 23 * time.Hour, ReportItemFailures: true, OnFailure: "arn:aws:s3:::" + bucket,
				Filters: []string{`{"eventName": ["INSERT"], "dynamodb": {"NewImage": {"mail": {"S": ["yes"]}}}}`},
			}},
		},
	}
	if diff := cmp.Diff(want, stack.Functions); diff != "" {
		t.Error(diff)
	}
}

func TestStackCarriesRecordsAlertsAndMessages(t *testing.T) {
	stack, conf := up(t, emulated.Options{Shards: 1, Shard: faults.ShardLimits})
	ctx := t.Context()
	put := &kinesis.PutRecordInput{StreamName: aws.String("yagura"), PartitionKey: aws.String("web1"), Data: []byte("a line")}
	if _, err := kinesis.NewFromConfig(conf).PutRecord(ctx, put); err != nil {
		t.Error(err)
	}
	item := map[string]types.AttributeValue{"agent": &types.AttributeValueMemberS{Value: "web1"}, "at": &types.AttributeValueMemberS{Value: "now"}}
	_, err := dynamodb.NewFromConfig(conf).TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
		{Put: &types.Put{TableName: aws.String("yagura-alerts"), Item: item}},
	}})
	if err != nil {
		t.Error(err)
	}
	changes := dynamodbstreams.NewFromConfig(conf)
	arn := stack.Functions["NotifyFunction"].Mappings[0].Stream
	if d, err := changes.DescribeStream(ctx, &dynamodbstreams.DescribeStreamInput{StreamArn: &arn}); err != nil || len(d.StreamDescription.Shards) != 1 {
		t.Errorf("the alerts' stream: %v", err)
	}
	_, err = sns.NewFromConfig(conf).Publish(ctx, &sns.PublishInput{
		TopicArn: aws.String(stack.Names["AlertsTopic"]), Subject: aws.String("two"), Message: aws.String(`{"default": "words"}`), MessageStructure: aws.String("json"),
	})
	if err != nil {
		t.Error(err)
	}
	got, err := stack.Receive(ctx, 5*time.Second)
	if diff := cmp.Diff([]emulated.Message{{Subject: "two", Message: "words"}}, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	if n := stack.Kinesis.Requests()["PutRecord"]; n != 1 {
		t.Errorf("%d calls of PutRecord were counted, want 1", n)
	}
}

func TestStackTellsWhenAPartEnds(t *testing.T) {
	stack, _ := up(t, emulated.Options{Shards: 1})
	done, cancel := context.WithCancel(t.Context())
	cancel()
	if err := stack.Wait(done); err != nil {
		t.Error(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- stack.Wait(t.Context()) }()
	stack.Close()
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "ended: signal: killed") {
		t.Errorf("got %v", err)
	}
}
