package handler_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/handler"
	"github.com/yagura-hids/yagura/internal/notify"
)

// stored returns the stream's record of an alert that was stored, as JSON has it on its way to the function.
func stored(seq int, agent string, rule int) string {
	id := event.ID{Agent: agent, Epoch: 1, Seq: uint64(seq)}
	alert, _ := json.Marshal(event.Alert{
		ID: id.AlertID(rule), Event: id, Time: time.Unix(1_795_428_008, 0), Rule: event.Rule{ID: rule, Level: 7, Description: "d", Mail: true},
	})
	return raw(seq, fmt.Sprintf(`{"alert": {"S": %q}, "level": {"N": "7"}, "mail": {"S": "yes"}}`, alert))
}

func raw(seq int, image string) string {
	return fmt.Sprintf(`{"eventName": "INSERT", "dynamodb": {"SequenceNumber": "%d", "Keys": {"agent": {"S": "web1"}, "at": {"S": "2026"}}, "NewImage": %s}}`, seq, image)
}

func batch(t *testing.T, records ...string) (in events.DynamoDBEvent) {
	t.Helper()
	if err := json.Unmarshal([]byte(`{"Records": [`+strings.Join(records, ",")+`]}`), &in); err != nil {
		t.Fatal(err)
	}
	return in
}

// told collects the subjects of messages, and fails from the n-th on.
type told struct {
	subjects []string
	fail     int
	log      bytes.Buffer
}

func (c *told) handler() *handler.Notify {
	return &handler.Notify{Log: slog.New(slog.NewJSONHandler(&c.log, nil)), Publish: func(_ context.Context, m notify.Message) error {
		if c.fail > 0 && len(c.subjects)+1 >= c.fail {
			return errors.New("SNS is away")
		}
		c.subjects = append(c.subjects, m.Subject)
		return nil
	}}
}

func TestNotify(t *testing.T) {
	// web1: rule 1 at 10, 12, 14; web2: rule 1 at 11; web1: rule 2 at 13
	in := batch(t, stored(10, "web1", 1), stored(11, "web2", 1), stored(12, "web1", 1), stored(13, "web1", 2), stored(14, "web1", 1))
	all := []string{"Level 7, web1: d (3 alerts)", "Level 7, web2: d", "Level 7, web1: d"}
	for _, c := range []struct {
		fail   int
		told   int
		failed string
		err    bool
	}{{0, 3, "", false}, {3, 2, "13", false}, {2, 1, "11", false}, {1, 0, "", true}} {
		told := &told{fail: c.fail}
		out, err := told.handler().Handle(t.Context(), in)
		if (err != nil) != c.err || !slices.Equal(told.subjects, all[:c.told]) {
			t.Errorf("%+v: told %q, %v", c, told.subjects, err)
		}
		failed := ""
		for _, f := range out.BatchItemFailures {
			failed += f.ItemIdentifier
		}
		if failed != c.failed {
			t.Errorf("%+v: %q comes again", c, failed)
		}
		if said := strings.Contains(told.log.String(), "SNS is away"); said != (c.fail > 0) {
			t.Errorf("%+v: log %s", c, &told.log)
		}
	}
}

// What comes again after failures is told in the end; each alert at least once.
func TestNotifyAgain(t *testing.T) {
	var records []string
	want := map[string]bool{}
	for seq := range 40 {
		agent := fmt.Sprint("web", seq%7)
		records = append(records, stored(seq, agent, 1+seq%2))
		want[fmt.Sprint(agent, "/1/", seq)] = true
	}
	got, calls := map[string]int{}, 0
	h := &handler.Notify{Log: slog.New(slog.DiscardHandler), Publish: func(_ context.Context, m notify.Message) error {
		if calls++; calls%3 == 0 {
			return errors.New("SNS is away")
		}
		for id := range want {
			if strings.Contains(m.Body, `\"event\":\"`+id+`\"`) {
				got[id]++
			}
		}
		return nil
	}}
	for len(records) > 0 {
		out, err := h.Handle(t.Context(), batch(t, records...))
		switch {
		case err != nil:
		case len(out.BatchItemFailures) == 0:
			records = nil
		default:
			records = records[slices.IndexFunc(records, func(r string) bool {
				return strings.Contains(r, `"SequenceNumber": "`+out.BatchItemFailures[0].ItemIdentifier+`"`)
			}):]
		}
		if calls > 1000 {
			t.Fatal("never done")
		}
	}
	for id := range want {
		if got[id] == 0 {
			t.Errorf("%s was told to nobody", id)
		}
	}
}

func TestNotifyLeavesWhatIsNoAlert(t *testing.T) {
	told := &told{}
	out, err := told.handler().Handle(t.Context(), batch(t,
		raw(1, `{}`), raw(2, `{"alert": {"N": "1"}}`), raw(3, `{"alert": {"S": "{"}}`), raw(4, `{"alert": {"S": "{}"}}`), stored(5, "web1", 1)))
	if err != nil || len(out.BatchItemFailures) != 0 || len(told.subjects) != 1 {
		t.Errorf("%v, %v, %v", told.subjects, out, err)
	}
	log := told.log.String()
	if n := strings.Count(log, `"msg":"record is no alert"`); n != 4 || !strings.Contains(log, `"sequence":"3","agent":"web1","at":"2026"`) ||
		!strings.Contains(log, `"unread":4`) {
		t.Errorf("log %s", log)
	}
}

// An invocation that runs out of time reports what is left before it ends.
func TestNotifyEndsInTime(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	h := &handler.Notify{Log: slog.New(slog.DiscardHandler), Publish: func(ctx context.Context, _ notify.Message) error {
		end, _ := ctx.Deadline()
		if outer, _ := t.Context().Deadline(); end.IsZero() || time.Until(end) > time.Hour-time.Second || end.Equal(outer) {
			t.Errorf("ends at %v", end)
		}
		return nil
	}}
	if _, err := h.Handle(ctx, batch(t, stored(1, "a", 1))); err != nil {
		t.Error(err)
	}
}

func TestReadNotifyEnv(t *testing.T) {
	env, err := handler.ReadNotifyEnv(func(string) string { return "arn:aws:sns:us-east-1:123456789012:yagura-alerts" })
	if err != nil || env.TopicARN != "arn:aws:sns:us-east-1:123456789012:yagura-alerts" {
		t.Errorf("%v, %v", env, err)
	}
	if _, err := handler.ReadNotifyEnv(func(string) string { return "" }); err == nil || !strings.Contains(err.Error(), "TOPIC_ARN is unset") {
		t.Errorf("got %v", err)
	}
}
