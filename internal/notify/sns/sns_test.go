package sns_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssns "github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/yagura-hids/yagura/internal/emulated"
	"github.com/yagura-hids/yagura/internal/emulated/emulatedtest"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/notify"
	"github.com/yagura-hids/yagura/internal/notify/sns"
)

// parts are an SNS and an SQS.
type parts struct {
	t   *testing.T
	cfg aws.Config
	sns *awssns.Client
	sqs *sqs.Client
}

func start(t *testing.T) *parts {
	cfg := aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(emulatedtest.Start(t, emulated.Moto)),
		Credentials: credentials.NewStaticCredentialsProvider("emulated", "emulated", ""),
	}
	return &parts{t, cfg, awssns.NewFromConfig(cfg), sqs.NewFromConfig(cfg)}
}

// queue makes a queue that gets what is published on the topic and passes the filter, and returns its URL.
func (p *parts) queue(topic *string, name, filter string) string {
	p.t.Helper()
	q, err := p.sqs.CreateQueue(p.t.Context(), &sqs.CreateQueueInput{QueueName: &name})
	if err != nil {
		p.t.Fatal(err)
	}
	_, err = p.sns.Subscribe(p.t.Context(), &awssns.SubscribeInput{
		TopicArn: topic, Protocol: aws.String("sqs"), Endpoint: aws.String("arn:aws:sqs:us-east-1:123456789012:" + name),
		Attributes: map[string]string{"FilterPolicy": filter},
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return *q.QueueUrl
}

// envelope is what SNS makes of a message for a queue.
type envelope struct {
	Subject, Message  string
	MessageAttributes map[string]struct{ Type, Value string }
}

func (p *parts) receive(url string) []envelope {
	p.t.Helper()
	out, err := p.sqs.ReceiveMessage(p.t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10})
	if err != nil {
		p.t.Fatal(err)
	}
	var list []envelope
	for _, m := range out.Messages {
		var e envelope
		if err := json.Unmarshal([]byte(*m.Body), &e); err != nil {
			p.t.Fatal(err)
		}
		list = append(list, e)
	}
	return list
}

func TestPublish(t *testing.T) {
	p := start(t)
	made, err := p.sns.CreateTopic(t.Context(), &awssns.CreateTopicInput{Name: aws.String("alerts")})
	if err != nil {
		t.Fatal(err)
	}
	// as docs/operations.md and the template's outputs show them
	hears := map[string]bool{
		`{"level":[{"numeric":[">=",10]}]}`: true, `{"level":[{"numeric":[">=",11]}]}`: false,
		`{"rule_id":[5720]}`: true, `{"rule_id":[5716]}`: false, `{"rule_id":[{"numeric":[">=",5700,"<",5800]}]}`: true,
		`{"groups":["sshd"]}`: true, `{"groups":["web"]}`: false, `{"agent":["web1"]}`: true, `{"profile":["web"]}`: true,
		`{"account":["123456789012"]}`: true, `{"account":["210987654321"]}`: false,
	}
	queues := map[string]string{}
	for filter := range hears {
		queues[filter] = p.queue(made.TopicArn, "q"+strings.Repeat("x", len(queues)), filter)
	}
	id := event.ID{Agent: "web1", Epoch: 1, Seq: 2}
	a := &event.Alert{
		ID: id.AlertID(5720), Event: id, Time: time.Unix(1_795_428_008, 0), FullLog: "Failed \x00 \"password\" 𝔸",
		Rule:  event.Rule{ID: 5720, Level: 10, Description: "brute \"force\" é", Groups: []string{"syslog", "sshd"}},
		Agent: &event.Agent{Profile: "web", Account: "123456789012"},
	}
	if err := sns.New(p.cfg, *made.TopicArn).Publish(t.Context(), notify.Group{Alerts: []*event.Alert{a}}.Message()); err != nil {
		t.Fatal(err)
	}
	for filter, want := range hears {
		got := p.receive(queues[filter])
		if len(got) == 1 != want {
			t.Errorf("%s got %d messages", filter, len(got))
		}
		if want && len(got) == 1 {
			checkEnvelope(t, got[0])
		}
	}
}

func checkEnvelope(t *testing.T, got envelope) {
	t.Helper()
	var report struct{ Alerts []*event.Alert }
	if err := json.Unmarshal([]byte(got.Message), &report); err != nil {
		t.Fatal(err)
	}
	if len(report.Alerts) != 1 || report.Alerts[0].FullLog != "Failed \x00 \"password\" 𝔸" {
		t.Errorf("a queue got %s", got.Message)
	}
	if got.Subject != `Level 10, web1: brute "force" ?` {
		t.Errorf("subject %q", got.Subject)
	}
	if a := got.MessageAttributes["level"]; a.Type != "Number" || a.Value != "10" {
		t.Errorf("attributes %v", got.MessageAttributes)
	}
}

func TestPublishFails(t *testing.T) {
	p := start(t)
	err := sns.New(p.cfg, "arn:aws:sns:us-east-1:123456789012:none").Publish(t.Context(), notify.Message{Subject: "s", Body: `{"default":"x"}`})
	if err == nil || !strings.Contains(err.Error(), `publish "s" on arn:aws:sns:us-east-1:123456789012:none`) {
		t.Errorf("got %v", err)
	}
}
