package functions_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/yagura-hids/yagura/internal/emulated"
	"github.com/yagura-hids/yagura/internal/emulated/emulatedtest"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/maintenance"
)

// A patch night as EventBridge tells it, out of order and twice, opens a window for the instance.
func TestPatchNight(t *testing.T) {
	root := emulatedtest.Root(t)
	stack, err := emulated.Up(t.Context(), emulated.Options{Template: filepath.Join(root, "template.yaml"), Parts: emulatedtest.Dir(t), Shards: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stack.Close)
	p := &path{Stack: stack, output: &lines{}}
	host := p.host(t, "MaintenanceFunction", "", nil, nil)
	before := stack.DynamoDB.Requests()
	for _, name := range []string{"invocation-ends", "command-scan", "invocation-begins", "command-install", "invocation-ends", "window-execution"} {
		text, err := os.ReadFile(filepath.Join(root, "internal", "handler", "testdata", "maintenance", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		if r, err := host.Invoke(t.Context(), text); err != nil || r.FunctionError != "" {
			t.Fatalf("%s: %v %s", name, err, r.Payload)
		}
	}
	before["PutItem"] += 5 // one for each event that tells something
	if diff := cmp.Diff(before, stack.DynamoDB.Requests()); diff != "" {
		t.Errorf("requests: %s", diff)
	}
	windows, err := maintenance.Load(t.Context(), p.table())
	if err != nil || len(windows.Faults()) > 0 {
		t.Fatal(err, windows.Faults())
	}
	agent := &event.Agent{Instance: "i-0123456789abcdef0"}
	for at, want := range map[string]bool{
		"2026-11-25T02:00:02Z": false, "2026-11-25T02:00:03Z": true, "2026-11-25T02:14:41Z": true, "2026-11-26T04:14:40Z": true, "2026-11-26T04:14:41Z": false,
	} {
		when, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if got := windows.Open("web1", agent, when, time.Time{}); (got != "") != want {
			t.Errorf("at %s: open %q", at, got)
		}
	}
}
