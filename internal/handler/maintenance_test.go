package handler_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/yagura-hids/yagura/internal/handler"
	"github.com/yagura-hids/yagura/internal/maintenance"
	"github.com/yagura-hids/yagura/internal/table"
)

// noted collects signs.
type noted struct {
	signs []maintenance.Sign
	fail  error
	log   bytes.Buffer
}

func (n *noted) handler() *handler.Maintenance {
	return &handler.Maintenance{Log: slog.New(slog.NewJSONHandler(&n.log, nil)), Note: func(_ context.Context, s maintenance.Sign) error {
		n.signs = append(n.signs, s)
		return n.fail
	}}
}

// ssmEvent reads a sample of testdata/maintenance, which have the fields that AWS documents.
func ssmEvent(t testing.TB, name string) (in events.EventBridgeEvent) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "maintenance", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &in); err != nil {
		t.Fatal(err)
	}
	return in
}

func TestMaintenance(t *testing.T) {
	const (
		command, scan, association = "5f0c7b1e-3f9a-4c55-9f0b-000000000002", "5f0c7b1e-3f9a-4c55-9f0b-000000000003", "9b1de3a0-7c1f-47f0-b1a2-000000000006"
		instance, patch            = "i-0123456789abcdef0", "AWS-RunPatchBaseline"
	)
	requested := time.Date(2026, 11, 25, 2, 0, 0, 120_000_000, time.UTC)
	at := func(hour, minute, second int) time.Time {
		return time.Date(2026, 11, 25, hour, minute, second, 0, time.UTC)
	}
	for name, want := range map[string]maintenance.Sign{
		"command-install":      {Run: command, What: "install", Time: requested, Document: patch, By: "SSM Run Command"},
		"command-scan":         {Run: scan, What: "scan", Time: requested, Document: patch, By: "SSM Run Command"},
		"invocation-begins":    {Run: command, Instance: instance, What: "begin", Time: at(2, 0, 3), Document: patch, By: "SSM Run Command"},
		"invocation-ends":      {Run: command, Instance: instance, What: "end", Time: at(2, 14, 41), Document: patch, By: "SSM Run Command"},
		"invocation-timed-out": {Run: command, Instance: instance, What: "end", Time: at(3, 0, 3), Document: patch, By: "SSM Run Command"},
		"association-begins":   {Run: association, Instance: instance, What: "begin", Time: at(3, 0, 0), Document: patch + "Association", By: "SSM State Manager"},
		"association-ends":     {Run: association, Instance: instance, What: "end", Time: at(3, 5, 59), Document: patch + "Association", By: "SSM State Manager"},
	} {
		var n noted
		if err := n.handler().Handle(t.Context(), ssmEvent(t, name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff([]maintenance.Sign{want}, n.signs); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// What tells of no run leads to no sign, and no second try.
func TestMaintenanceLeaves(t *testing.T) {
	changed := func(name, old, now string) events.EventBridgeEvent {
		in := ssmEvent(t, name)
		if !strings.Contains(string(in.Detail), old) {
			t.Fatalf("%s has no %s", name, old)
		}
		in.Detail = []byte(strings.ReplaceAll(string(in.Detail), old, now))
		return in
	}
	for name, in := range map[string]events.EventBridgeEvent{
		"a maintenance window":     ssmEvent(t, "window-execution"),
		"one that waits":           changed("invocation-begins", "InProgress", "Pending"),
		"one that is not there":    changed("invocation-begins", "InProgress", "Delayed"),
		"one that is being ended":  changed("invocation-begins", "InProgress", "Cancelling"),
		"an operation like none":   changed("command-install", `"Install"`, `"Repair"`),
		"two operations":           changed("command-install", `["Install"]`, `["Install", "Scan"]`),
		"parameters like none":     changed("command-install", `{"Operation": ["Install"], "RebootOption": ["RebootIfNeeded"]}`, `"{}"`),
		"a detail like none":       {DetailType: "EC2 Command Invocation Status-change Notification", Detail: []byte(`[]`)},
		"nothing":                  {},
		"a status that's a number": changed("invocation-begins", `"InProgress"`, `1`),
	} {
		var n noted
		if err := n.handler().Handle(t.Context(), in); err != nil || len(n.signs) > 0 {
			t.Errorf("%s: %v, signs %v", name, err, n.signs)
		}
	}
	// a document of one's own has no Operation, and does what it does
	var n noted
	in := changed("command-install", `"Operation": ["Install"], `, "")
	if err := n.handler().Handle(t.Context(), in); err != nil || len(n.signs) != 1 || n.signs[0].What != "install" {
		t.Errorf("without an operation: %v, signs %v", err, n.signs)
	}
}

func TestMaintenanceTriesAgain(t *testing.T) {
	for cause, again := range map[error]bool{errors.New("DynamoDB is away"): true, maintenance.ErrInvalid: false} {
		n := noted{fail: cause}
		if err := n.handler().Handle(t.Context(), ssmEvent(t, "invocation-ends")); (err != nil) != again {
			t.Errorf("%v: %v", cause, err)
		}
		if !strings.Contains(n.log.String(), cause.Error()) {
			t.Errorf("the log says %s", &n.log)
		}
	}
}

// Whatever comes, the handler doesn't fall over, does the same again, and wants no second try; and what is bounded in the table is refused there.
func FuzzMaintenance(f *testing.F) {
	samples, err := filepath.Glob(filepath.Join("testdata", "maintenance", "*.json"))
	if err != nil || len(samples) < 8 {
		f.Fatalf("%d samples (%v)", len(samples), err)
	}
	for _, name := range samples {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	store := maintenance.NewStore(nowhere{}, maintenance.Options{})
	f.Fuzz(func(t *testing.T, text []byte) {
		var in events.EventBridgeEvent
		if json.Unmarshal(text, &in) != nil {
			return // Lambda's part
		}
		var n, again noted
		for _, n := range []*noted{&n, &again} {
			h := n.handler()
			note := h.Note
			h.Note = func(ctx context.Context, s maintenance.Sign) error {
				if err := store.Note(ctx, s); err != nil {
					return err
				}
				return note(ctx, s)
			}
			if err := h.Handle(t.Context(), in); err != nil {
				t.Fatalf("%v", err)
			}
		}
		if diff := cmp.Diff(n.signs, again.signs); diff != "" || len(n.signs) > 1 {
			t.Errorf("%d signs; again: %s", len(n.signs), diff)
		}
	})
}

// nowhere is a table that takes what a table can hold.
type nowhere struct{ table.Table }

func (nowhere) Commit(_ context.Context, ops []table.Op) error { return table.Validate(ops) }
