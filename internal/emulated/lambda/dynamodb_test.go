package lambda_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"

	"github.com/yagura-hids/yagura/internal/emulated"
	"github.com/yagura-hids/yagura/internal/emulated/emulatedtest"
	"github.com/yagura-hids/yagura/internal/emulated/lambda"
)

// table is a new table of DynamoDB Local: partition agent, sort at, a stream of new images.
type table struct {
	t       testing.TB
	client  *dynamodb.Client
	streams *dynamodbstreams.Client
	name    string
	stream  string // its ARN
}

func newTable(t testing.TB, url string) table {
	t.Helper()
	tab := table{
		t: t, name: strings.ReplaceAll(t.Name(), "/", "_"),
		client:  dynamodb.New(dynamodb.Options{Region: "us-east-1", BaseEndpoint: aws.String(url), Credentials: testKeys}),
		streams: dynamodbstreams.New(dynamodbstreams.Options{Region: "us-east-1", BaseEndpoint: aws.String(url), Credentials: testKeys}),
	}
	out, err := tab.client.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName:   &tab.name,
		BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String("agent"), AttributeType: types.ScalarAttributeTypeS}, {AttributeName: aws.String("at"), AttributeType: types.ScalarAttributeTypeS},
		},
		KeySchema:           []types.KeySchemaElement{{AttributeName: aws.String("agent"), KeyType: types.KeyTypeHash}, {AttributeName: aws.String("at"), KeyType: types.KeyTypeRange}},
		StreamSpecification: &types.StreamSpecification{StreamEnabled: aws.Bool(true), StreamViewType: types.StreamViewTypeNewImage},
	})
	if err != nil {
		t.Fatal(err)
	}
	tab.stream = *out.TableDescription.LatestStreamArn
	return tab
}

// put stores an item with more fields than its keys.
func (tab table) put(agent, at string, fields map[string]types.AttributeValue) {
	tab.t.Helper()
	item := map[string]types.AttributeValue{"agent": &types.AttributeValueMemberS{Value: agent}, "at": &types.AttributeValueMemberS{Value: at}}
	maps.Copy(item, fields)
	if _, err := tab.client.PutItem(tab.t.Context(), &dynamodb.PutItemInput{TableName: &tab.name, Item: item}); err != nil {
		tab.t.Fatal(err)
	}
}

func text(s string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{"text": &types.AttributeValueMemberS{Value: s}}
}

// changes is a function in this process that remembers the records that it was called with.
type changes struct {
	mu     sync.Mutex
	seen   []events.DynamoDBEventRecord
	decide func(n int, records []events.DynamoDBEventRecord) (response string, fails bool)
	n      int
}

func (c *changes) invoke(_ context.Context, event []byte) (lambda.Result, error) {
	var in events.DynamoDBEvent
	if err := json.Unmarshal(event, &in); err != nil {
		return lambda.Result{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	response, fails := "{}", false
	if c.decide != nil {
		response, fails = c.decide(c.n, in.Records)
	}
	if fails {
		return lambda.Result{FunctionError: "Unhandled"}, nil
	}
	c.seen = append(c.seen, in.Records...)
	return lambda.Result{Payload: []byte(response)}, nil
}

func pollTable(t testing.TB, tab table, c *changes, change func(*lambda.PollerOptions)) *lambda.Poller {
	t.Helper()
	return poll(t, stream{t: t}, nil, func(o *lambda.PollerOptions) {
		o.Mapping.Source, o.Mapping.Stream, o.Mapping.SourceARN = emulated.SourceDynamoDB, tab.stream, tab.stream
		o.Streams, o.Invoke = tab.streams, c.invoke
		if change != nil {
			change(o)
		}
	})
}

func TestDynamoDB(t *testing.T) {
	url, buckets := emulatedtest.Start(t, emulated.DynamoDB), emulatedtest.Start(t, emulated.Moto)
	t.Run("event", func(t *testing.T) { dynamoEvent(t, newTable(t, url)) })
	t.Run("filter", func(t *testing.T) { dynamoFilter(t, newTable(t, url)) })
	t.Run("bisect", func(t *testing.T) { dynamoBisect(t, newTable(t, url), newBucket(t, buckets)) })
	t.Run("partial", func(t *testing.T) { dynamoPartial(t, newTable(t, url)) })
}

// dynamoEvent looks at all kinds of attributes, and at the three kinds of changes.
func dynamoEvent(t *testing.T, tab table) {
	tab.put("web1", "1", map[string]types.AttributeValue{
		"n": &types.AttributeValueMemberN{Value: "12.5"}, "b": &types.AttributeValueMemberB{Value: []byte{0, 255}}, "yes": &types.AttributeValueMemberBOOL{Value: true},
		"null": &types.AttributeValueMemberNULL{Value: true}, "ss": &types.AttributeValueMemberSS{Value: []string{"x"}}, "ns": &types.AttributeValueMemberNS{Value: []string{"1"}},
		"bs": &types.AttributeValueMemberBS{Value: [][]byte{{1}}}, "m": &types.AttributeValueMemberM{Value: text("in m")},
		"l": &types.AttributeValueMemberL{Value: []types.AttributeValue{&types.AttributeValueMemberS{Value: "in l"}}},
	})
	tab.put("web1", "1", text("changed"))
	if _, err := tab.client.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: &tab.name,
		Key: map[string]types.AttributeValue{"agent": &types.AttributeValueMemberS{Value: "web1"}, "at": &types.AttributeValueMemberS{Value: "1"}}}); err != nil {
		t.Fatal(err)
	}
	c := &changes{}
	drain(t, pollTable(t, tab, c, nil))
	if len(c.seen) != 3 {
		t.Fatalf("%d records, want 3", len(c.seen))
	}
	put, changed, deleted := c.seen[0], c.seen[1], c.seen[2]
	image := put.Change.NewImage
	if image["n"].Number() != "12.5" || string(image["b"].Binary()) != "\x00\xff" || !image["yes"].Boolean() || !image["null"].IsNull() || image["ss"].StringSet()[0] != "x" ||
		image["ns"].NumberSet()[0] != "1" || image["bs"].BinarySet()[0][0] != 1 || image["m"].Map()["text"].String() != "in m" || image["l"].List()[0].String() != "in l" {
		t.Errorf("image %+v", image)
	}
	if put.EventName != "INSERT" || put.EventID == "" || put.EventSource != "aws:dynamodb" || put.EventSourceArn != tab.stream || put.Change.StreamViewType != "NEW_IMAGE" ||
		put.Change.Keys["agent"].String() != "web1" || put.Change.SequenceNumber == "" || put.Change.OldImage != nil || time.Since(put.Change.ApproximateCreationDateTime.Time) > time.Hour {
		t.Errorf("record %+v", put)
	}
	if changed.EventName != "MODIFY" || changed.Change.NewImage["text"].String() != "changed" || deleted.EventName != "REMOVE" || deleted.Change.NewImage != nil {
		t.Errorf("changed %+v, deleted %+v", changed, deleted)
	}
}

// dynamoFilter leaves out what isn't for mail, without calling the function.
func dynamoFilter(t *testing.T, tab table) {
	yes := map[string]types.AttributeValue{"mail": &types.AttributeValueMemberS{Value: "yes"}}
	for i := range 20 {
		tab.put("web1", fmt.Sprintf("%02d", i), nil)
	}
	c := &changes{}
	p := pollTable(t, tab, c, func(o *lambda.PollerOptions) {
		o.Mapping.Filters = []string{`{"eventName":["INSERT"],"dynamodb":{"NewImage":{"mail":{"S":["yes"]}}}}`}
	})
	drain(t, p)
	if n := p.Counts(); n.Invocations != 0 || n.Filtered != 20 {
		t.Errorf("counts %+v", n)
	}
	tab.put("web1", "20", yes)
	tab.put("web2", "21", yes)
	tab.put("web1", "20", yes) // the same again changes nothing, so it is no record
	tab.put("web1", "22", nil)
	drain(t, p)
	var at []string
	for _, r := range c.seen {
		at = append(at, r.Change.Keys["at"].String())
	}
	if want := []string{"20", "21"}; !slices.Equal(at, want) {
		t.Errorf("delivered %v, want %v", at, want)
	}
}

// dynamoBisect has a record fail each batch that it is in.
func dynamoBisect(t *testing.T, tab table, k kept) {
	for i := range 30 {
		tab.put(fmt.Sprintf("web%d", i%3), fmt.Sprintf("%02d", i), nil)
	}
	c := &changes{decide: func(_ int, records []events.DynamoDBEventRecord) (string, bool) {
		return "", slices.ContainsFunc(records, func(r events.DynamoDBEventRecord) bool { return r.Change.Keys["at"].String() == "17" })
	}}
	p := pollTable(t, tab, c, func(o *lambda.PollerOptions) {
		o.Mapping.BatchSize, o.Mapping.Bisect, o.Mapping.MaxRetries, o.Mapping.ParallelizationFactor = 30, true, 1, 2
		k.use(o)
	})
	drain(t, p)
	if n := p.Counts(); n.Delivered != 29 || n.GivenUp != 1 || len(c.seen) != 29 {
		t.Errorf("counts %+v, %d delivered", n, len(c.seen))
	}
	for _, text := range k.all() {
		var r struct {
			DDBStreamBatchInfo batchInfo
			Payload            events.DynamoDBEvent
		}
		if err := json.Unmarshal(text, &r); err != nil {
			t.Fatal(err)
		}
		if len(r.Payload.Records) != 1 || r.Payload.Records[0].Change.Keys["at"].String() != "17" || r.DDBStreamBatchInfo.StreamARN != tab.stream || r.DDBStreamBatchInfo.BatchSize != 1 {
			t.Errorf("kept %s", text)
		}
	}
	if len(k.all()) != 1 {
		t.Errorf("%d objects, want 1", len(k.all()))
	}
}

// dynamoPartial has the function name a record that failed the first time.
func dynamoPartial(t *testing.T, tab table) {
	for i := range 6 {
		tab.put("web1", fmt.Sprint(i), nil)
	}
	var sizes []int
	c := &changes{decide: func(n int, records []events.DynamoDBEventRecord) (string, bool) {
		sizes = append(sizes, len(records))
		if n == 1 {
			return fmt.Sprintf(`{"batchItemFailures":[{"itemIdentifier":%q}]}`, records[2].Change.SequenceNumber), false
		}
		return "", false
	}}
	drain(t, pollTable(t, tab, c, nil))
	if want := []int{6, 4}; !slices.Equal(sizes, want) {
		t.Errorf("batches of %v, want %v", sizes, want)
	}
}
