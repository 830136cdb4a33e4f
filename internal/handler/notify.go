package handler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"github.com/aws/aws-lambda-go/events"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/notify"
)

// Notify tells of the alerts in records of the alerts table's stream.
type Notify struct {
	Publish func(ctx context.Context, m notify.Message) error
	Log     *slog.Logger
}

// NotifyEnv is what notify is told by its environment.
type NotifyEnv struct {
	TopicARN string // TOPIC_ARN
}

// ReadNotifyEnv reads the environment with getenv. The error names everything wrong with it.
func ReadNotifyEnv(getenv func(string) string) (NotifyEnv, error) {
	e := env{getenv: getenv}
	n := NotifyEnv{TopicARN: e.needed("TOPIC_ARN")}
	return n, errors.Join(e.faults...)
}

// Handle publishes a message for each rule and agent of the batch, in the order of their first alerts, until one can't be. Then it reports that
// one's first record: Lambda comes again with that and all after it, so alerts of groups before it that stand behind it are told twice. No
// alert is told less than once. If it's the first record of all, Handle returns the cause as an error, for Lambda's count of errors. What is no
// alert can't become one by trying again: it's logged, and left.
func (h *Notify) Handle(ctx context.Context, in events.DynamoDBEvent) (out events.DynamoDBEventResponse, err error) {
	ctx, cancel := withMargin(ctx)
	defer cancel()
	alerts, unread := h.alerts(in.Records)
	groups := notify.Groups(alerts)
	attrs := []any{"records", len(in.Records), "unread", unread, "groups", len(groups)}
	for told, g := range groups {
		err := h.Publish(ctx, g.Message())
		if err == nil {
			continue
		}
		h.Log.Error("not all told; the rest comes again", append(attrs, "told", told, "cause", err.Error())...)
		if g.First == 0 {
			return out, err
		}
		failed := events.DynamoDBBatchItemFailure{ItemIdentifier: in.Records[g.First].Change.SequenceNumber}
		return events.DynamoDBEventResponse{BatchItemFailures: []events.DynamoDBBatchItemFailure{failed}}, nil
	}
	h.Log.Info("told", attrs...)
	return out, nil
}

// alerts returns the records' alerts, nil for those that hold none, and how many those are.
func (h *Notify) alerts(records []events.DynamoDBEventRecord) (list []*event.Alert, unread int) {
	list = make([]*event.Alert, len(records))
	for i := range records {
		change := &records[i].Change
		a, err := alert(change.NewImage)
		if err != nil {
			unread++
			h.Log.Error("record is no alert", "event", records[i].EventName, "sequence", change.SequenceNumber,
				"agent", text(change.Keys["agent"]), "at", text(change.Keys["at"]), "cause", err.Error())
			continue
		}
		list[i] = a
	}
	return list, unread
}

// alert reads an item of the alerts table.
func alert(image map[string]events.DynamoDBAttributeValue) (*event.Alert, error) {
	a := &event.Alert{}
	if err := json.Unmarshal([]byte(text(image["alert"])), a); err != nil {
		return nil, fmt.Errorf("read field alert: %w", err)
	}
	if a.ID == "" {
		return nil, errors.New("read field alert: it has no id")
	}
	return a, nil
}

// text returns an attribute's string, "" if it is none.
func text(v events.DynamoDBAttributeValue) string {
	if v.DataType() != events.DataTypeString {
		return ""
	}
	return v.String()
}
