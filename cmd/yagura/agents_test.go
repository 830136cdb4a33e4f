package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/yagura-hids/yagura/agent/relay/relaytest"
	"github.com/yagura-hids/yagura/internal/alertstore"
	"github.com/yagura-hids/yagura/internal/emulated"
	"github.com/yagura-hids/yagura/internal/emulated/emulatedtest"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/fleet"
	"github.com/yagura-hids/yagura/internal/local"
	"github.com/yagura-hids/yagura/internal/table"
	"github.com/yagura-hids/yagura/internal/table/dynamo"
	"github.com/yagura-hids/yagura/internal/table/dynamo/dynamotest"
	"github.com/yagura-hids/yagura/internal/wire"
)

// heard is a host as a relay stores it.
func heard(agent, key, address string, at time.Time) fleet.Host {
	h := fleet.Host{Agent: agent, Key: key, Address: address, First: at.Add(-time.Hour), Last: at, Relay: "relay1"}
	if key == "" {
		return h
	}
	node := agent[strings.LastIndexByte(agent, '/')+1:]
	h.Node, h.OS, h.Alive = node, "Linux "+node+" 6.1.0-18-amd64 #1 SMP Debian 6.1.76-1 x86_64", at
	h.Version, h.Cipher, h.Files = "OSSEC HIDS v4.2.0", "blowfish", "0123456789abcdef0123456789abcdef"
	h.Scans = map[string]time.Time{"syscheck started": at.Add(-2 * time.Hour), "syscheck ended": at.Add(-time.Hour)}
	return h
}

// scriptFleet runs do on the fleet of a script's data folder.
func scriptFleet(ts *testscript.TestScript, dir string, do func(context.Context, *fleet.Store) error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tables, done, err := local.Fleet(ctx, ts.MkAbs(dir))
	ts.Check(err)
	ts.Check(errors.Join(do(ctx, fleet.New(tables, fleet.Options{})), done()))
}

func cmdHeard(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 5)
	ago, err := time.ParseDuration(args[4])
	ts.Check(err)
	scriptFleet(ts, args[0], func(ctx context.Context, store *fleet.Store) error {
		return store.PutHosts(ctx, []fleet.Host{heard(args[1], strings.TrimPrefix(args[2], "-"), args[3], time.Now().Add(-ago))})
	})
}

func cmdRelay(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2)
	told := 0
	for end := time.Now().Add(patience); told < number(ts, args[1]); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			ts.Fatalf("%d commands came, want %s", told, args[1])
		}
		scriptFleet(ts, args[0], func(ctx context.Context, store *fleet.Store) error {
			waiting, err := store.Waiting(ctx)
			for _, c := range waiting {
				ok, terr := store.Told(ctx, c.ID, "relay1")
				if err = errors.Join(err, terr); ok {
					told++
				}
			}
			return err
		})
	}
}

// The agents of a stack are added, listed, told and removed as those of a machine.
func TestAgentsOnAWS(t *testing.T) {
	url := emulatedtest.Start(t, emulated.DynamoDB)
	for key, value := range awsEnv("") {
		t.Setenv(key, value)
	}
	t.Setenv("AWS_ENDPOINT_URL_DYNAMODB", url)
	client := dynamotest.Client(url)
	dynamotest.Create(t, client, "mine-fleet", fleet.Schema)
	dynamotest.Create(t, client, "mine-alerts", alertstore.Schema)
	tab := dynamo.New(client, dynamo.Options{Name: func(name string) string { return "mine-" + name }})
	store := fleet.New(tab, fleet.Options{})
	agents := func(args ...string) string {
		t.Helper()
		return listed(t, append([]string{"agents", "--aws", "--stack", "mine"}, args...))
	}
	wants := func(got string, texts ...string) {
		t.Helper()
		for _, text := range texts {
			if !strings.Contains(got, text) {
				t.Errorf("no %q in\n%s", text, got)
			}
		}
	}
	wants(agents("add", "web-asg", "10.0.1.0/24"), "Agent added: ID: 001, Name: web-asg, IP: 10.0.1.0/24")
	now := time.Now()
	if err := store.PutHosts(t.Context(), []fleet.Host{
		heard("web-asg/a", "001", "10.0.1.17:40000", now), heard("web-asg/b", "001", "10.0.1.18:40000", now.Add(-2*time.Hour)),
	}); err != nil {
		t.Fatal(err)
	}
	wants(agents("list"), "Active (1 of 2)", "2 agents: 1 Active, 1 Disconnected")
	wants(agents("restart", "web-asg"), "web-asg/a: restart: left for the relay", "web-asg/b: restart: Disconnected, last seen 2h ago; told when it comes, until")
	wants(agents("restart", "web-asg/a"), "left for the relay")
	if waiting, err := store.Waiting(t.Context()); err != nil || len(waiting) != 2 || waiting[0].Text != "execd restart-ossec0 null - (from_the_server) (no_rule_id)" {
		t.Errorf("there wait %+v, %v; want one restart for each", waiting, err)
	}
	conf := filepath.Join(t.TempDir(), "agent.conf")
	if err := os.WriteFile(conf, []byte("<agent_config></agent_config>\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	wants(agents("config", "push", conf), "2 files", "2 hosts of it get them", "yagura agents --aws --stack mine restart --all")
	if merged, err := store.Files(t.Context(), ""); err != nil || !strings.HasPrefix(string(merged), "!30 agent.conf\n<agent_config>") {
		t.Errorf("the group has %q, %v", merged, err)
	}
	d := &event.Decoded{}
	d.Reset(&event.Event{ID: event.ID{Agent: "web-asg/a", Epoch: 7, Seq: 1}, Time: now})
	op, err := alertstore.Put(event.NewAlert(d, event.Rule{ID: 550, Level: 7, GroupText: "ossec,syscheck,", Groups: []string{"ossec", "syscheck"}}), time.Time{})
	if err == nil {
		err = tab.Commit(t.Context(), []table.Op{op})
	}
	if err != nil {
		t.Fatal(err)
	}
	wants(agents("syscheck", "web-asg/a", "--results"), "rule 550")
	if out := agents("rootcheck", "web-asg/a", "--results", "--json"); out != "" {
		t.Errorf("rootcheck has %s", out)
	}
	var shown listedAgent
	if err := json.Unmarshal([]byte(agents("show", "web-asg/b", "--json")), &shown); err != nil || len(shown.Hosts) != 1 || shown.Hosts[0].Status != "Disconnected" {
		t.Errorf("%+v, %v", shown, err)
	}
	wants(agents("remove", "--yes", "001"), "Agent '001' (web-asg) removed.")
	if out := agents("list", "--json"); out != "" {
		t.Errorf("after the removal there is %s", out)
	}
}

// What hosts say of themselves can't speak to the terminal.
func TestAgentsHostile(t *testing.T) {
	now := time.Now()
	h := heard("evil/a", "001", "192.0.2.1:1", now)
	h.OS, h.Version, h.Cipher, h.Files, h.Node = "Linux \x1b]0;x\x07 \u202e\x9b31m\n 1 2 3", "OSSEC\n\x1b[2Jv1", "\r\x00", "\xff\x1b", "\x1b[31m"
	a := agent{&fleet.Key{Key: wire.Key{ID: "001", Name: "evil"}, Many: true}, []fleet.Host{h}}
	var b strings.Builder
	s := screen{out: &b}
	if err := errors.Join(s.agents([]agent{a}, now), s.agent(a, nil, now)); err != nil {
		t.Fatal(err)
	}
	if i := strings.IndexFunc(b.String(), func(r rune) bool { return r != '\n' && visible(r) != r }); i >= 0 || strings.Count(b.String(), "\n") != 4+20 {
		t.Errorf("byte %d of %d lines:\n%q", i, strings.Count(b.String(), "\n"), b.String())
	}
}

// startRelay runs yagura local --relay until the test ends, and returns its data folder and where it listens.
func startRelay(t *testing.T) (data string, at netip.AddrPort) {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at = free.Addr().(*net.TCPAddr).AddrPort() // of UDP, too, most likely
	dir := t.TempDir()
	conf := filepath.Join(dir, "ossec.conf")
	text := fmt.Sprintf(`<ossec_config>
  <remote><connection>secure</connection><port>%d</port><local_ip>127.0.0.1</local_ip></remote>
  <syscheck><disabled>yes</disabled></syscheck>
  <rootcheck><disabled>yes</disabled></rootcheck>
</ossec_config>
`, at.Port())
	if err := errors.Join(os.WriteFile(conf, []byte(text), 0o600), free.Close()); err != nil {
		t.Fatal(err)
	}
	data = filepath.Join(dir, "data")
	stderr := new(output)
	cmd := exec.Command(os.Args[0])
	cmd.Args = []string{"yagura", "local", "--relay", "--conf", conf, "--data", data}
	cmd.Stderr = stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(cmd.Process.Signal(os.Interrupt), cmd.Wait()); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the relay wrote:\n%s", stderr)
		}
	})
	until(t, "the relay listens", func() bool { return strings.Contains(stderr.String(), "Ctrl-C stops") })
	return data, at
}

// What is done to agents here is done to their hosts, by a relay in another process.
func TestAgentsAndRelay(t *testing.T) {
	data, at := startRelay(t)
	agents := func(args ...string) string {
		t.Helper()
		return listed(t, append([]string{"agents", "--data", data}, args...))
	}
	var added shownKey
	if err := json.Unmarshal([]byte(agents("add", "web-asg", "127.0.0.0/24", "--json")), &added); err != nil {
		t.Fatal(err)
	}
	key, err := wire.Import(added.Key)
	if err != nil {
		t.Fatal(err)
	}
	var hosts []*relaytest.Host
	for node, from := range map[string]string{"a": "127.0.0.51", "b": "127.0.0.52"} {
		h, err := relaytest.Dial(key, netip.MustParseAddr(from), node, at)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = h.Close() })
		hosts = append(hosts, h)
	}
	all := func(what string, say func(*relaytest.Host) error, holds func(relaytest.Seen) bool) {
		t.Helper()
		for _, h := range hosts {
			until(t, what+" of "+h.Node, func() bool {
				if err := say(h); err != nil {
					t.Fatal(err)
				}
				return holds(h.Seen())
			})
		}
	}
	all("the ack", (*relaytest.Host).Keepalive, func(s relaytest.Seen) bool { return s.Acks > 0 })
	until(t, "both are active", func() bool { return strings.Contains(agents("list"), "Active (2 of 2)") })
	if out := agents("restart", "web-asg", "--wait", "20s"); strings.Count(out, ": restart: told\n") != 2 {
		t.Errorf("to restart says\n%s", out)
	}
	quiet := func(*relaytest.Host) error { return nil }
	all("the restart", quiet, func(s relaytest.Seen) bool { return slices.Equal(s.Told, []string{wire.AgentRestart}) })
	conf := filepath.Join(t.TempDir(), "agent.conf")
	if err := os.WriteFile(conf, []byte("<agent_config></agent_config>\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	agents("config", "push", conf)
	all("agent.conf", (*relaytest.Host).Keepalive, func(s relaytest.Seen) bool { return strings.HasPrefix(string(s.Merged), "!30 agent.conf\n") })
	until(t, "both told that they have it", func() bool {
		all("a keep-alive", (*relaytest.Host).Keepalive, func(relaytest.Seen) bool { return true })
		return strings.Contains(agents("config", "show"), "2 of 2 hosts of group default have it")
	})
	if out := agents("syscheck", "web-asg/a", "--clear", "--wait", "20s"); out != "web-asg/a: clear syscheck: told\n" {
		t.Errorf("to clear says %q", out)
	}
	agents("remove", "--yes", "web-asg")
	if out := agents("list", "--json"); out != "" {
		t.Errorf("after the removal there is %s", out)
	}
}
