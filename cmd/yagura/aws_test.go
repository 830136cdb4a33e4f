package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/internal/alertstore"
	"github.com/yagura-hids/yagura/internal/emulated"
	"github.com/yagura-hids/yagura/internal/emulated/emulatedtest"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/statestore"
	"github.com/yagura-hids/yagura/internal/table"
	"github.com/yagura-hids/yagura/internal/table/dynamo"
	"github.com/yagura-hids/yagura/internal/table/dynamo/dynamotest"
)

// The alerts of a stack are listed and filtered as those of a machine.
func TestAlertsOnAWS(t *testing.T) {
	url := emulatedtest.Start(t, emulated.DynamoDB)
	for key, value := range awsEnv("") {
		t.Setenv(key, value)
	}
	t.Setenv("AWS_ENDPOINT_URL_DYNAMODB", url)
	client := dynamotest.Client(url)
	dynamotest.Create(t, client, "mine-alerts", alertstore.Schema)
	tab := dynamo.New(client, dynamo.Options{Name: func(string) string { return "mine-alerts" }})
	for i := range 30 {
		d := &event.Decoded{}
		d.Reset(&event.Event{ID: event.ID{Agent: fmt.Sprint("i-", i%3), Epoch: 7, Seq: uint64(i)}, Time: time.Date(2026, 11, 24, 12, 0, i, 0, time.UTC)})
		d.Hostname, d.FullLog = fmt.Sprint("web", i%3), fmt.Sprintf("log %d.", i)
		op, err := alertstore.Put(event.NewAlert(d, event.Rule{ID: 5716, Level: 1 + i%12, Description: "Failed."}), time.Time{})
		if err == nil {
			err = tab.Commit(t.Context(), []table.Op{op})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		args  string
		lines int
		first string
	}{
		{"", 20, "log 29."}, {"-n 0", 30, "log 29."}, {"--agent i-1", 10, "log 28."}, {"--host web0", 10, "log 27."}, {"--level 12", 2, "log 23."},
		{"--rule 5716 -n 3", 3, "log 29."}, {"--until 2026-11-24T12:00:05Z", 5, "log 4."}, {"--srcip 192.0.2.1", 0, ""},
	} {
		out := listed(t, append([]string{"alerts", "--aws", "--stack", "mine", "--json"}, strings.Fields(c.args)...))
		if n := strings.Count(out, "\n"); n != c.lines || !strings.Contains(strings.SplitN(out, "\n", 2)[0], c.first) {
			t.Errorf("%s: %d lines, want %d, the first with %s: %.200s", c.args, n, c.lines, c.first, out)
		}
	}
	t.Setenv("ALERTS_TABLE", "mine-alerts")
	if out := listed(t, []string{"alerts", "--aws", "--json", "-n", "1"}); strings.Count(out, "\n") != 1 {
		t.Errorf("by the table's own name: %q", out)
	}
}

// listed returns what a command that succeeds writes.
func listed(t *testing.T, args []string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "out")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	stdout := os.Stdout
	os.Stdout = f
	code := run(args)
	os.Stdout = stdout
	f.Close()
	text, err := os.ReadFile(path)
	if err != nil || code != 0 {
		t.Fatalf("%v: exit code %d, %v", args, code, err)
	}
	return string(text)
}

// A replay keeps its alerts and its memory in a stack, once; logtest meets that memory, and changes nothing.
func TestReplayAndLogtestOnAWS(t *testing.T) {
	url := emulatedtest.Start(t, emulated.DynamoDB)
	for key, value := range awsEnv("") {
		t.Setenv(key, value)
	}
	t.Setenv("AWS_ENDPOINT_URL_DYNAMODB", url)
	client := dynamotest.Client(url)
	dynamotest.Create(t, client, "mine-alerts", alertstore.Schema)
	dynamotest.Create(t, client, "mine-state", statestore.Schema)
	var log strings.Builder
	for n := range 7 {
		fmt.Fprintf(&log, "Nov 23 10:00:%02d web1 sshd[7]: Failed password for root from 198.51.100.7 port 22 ssh2\n", n)
	}
	file := filepath.Join(t.TempDir(), "auth.log")
	for path, text := range map[string]string{file: log.String(), file + ".t": `{"t": 1763892008, "log": "Nov 23 10:00:08 web1 sshd[7]: Failed password for root from 198.51.100.7 port 22 ssh2"}`} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	at := time.Date(2025, 11, 23, 10, 0, 8, 0, time.UTC)
	if err := os.Chtimes(file, at, at); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TZ", "UTC")
	stack := []string{"--aws", "--stack", "mine"}
	if out := listed(t, append([]string{"replay", "--host", "web1", file}, stack...)); !strings.Contains(out, "7 decoded, 7 alerts") || !strings.Contains(out, "yagura alerts --aws --stack mine") {
		t.Errorf("a replay says\n%s", out)
	}
	listed(t, append([]string{"replay", "--host", "web1", file}, stack...))
	if out := listed(t, append([]string{"alerts", "--json"}, stack...)); strings.Count(out, `"id":5716`) != 7 {
		t.Errorf("after two replays there are\n%s", out)
	}
	for range 2 {
		in, err := os.Open(file + ".t")
		if err != nil {
			t.Fatal(err)
		}
		stdin := os.Stdin
		os.Stdin = in
		out := listed(t, append([]string{"logtest", "--jsonl", "-q"}, stack...))
		os.Stdin = stdin
		in.Close()
		if !strings.Contains(out, "Rule id: '5720'") {
			t.Errorf("the eighth try, with seven in the stack:\n%s", out)
		}
	}
}
