package agentd_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/yagura-hids/yagura/agent/agentd"
	"github.com/yagura-hids/yagura/agent/config"
	"github.com/yagura-hids/yagura/agent/logcollector"
	"github.com/yagura-hids/yagura/agent/spool"
	"github.com/yagura-hids/yagura/agent/syscheck"
	"github.com/yagura-hids/yagura/internal/codec"
	"github.com/yagura-hids/yagura/internal/event"
	checksum "github.com/yagura-hids/yagura/internal/syscheck"
)

// strange is what people write into tags, more than a batch may hold.
var strange = func() map[string]string {
	labels := map[string]string{"env": "test", "long": strings.Repeat("é", 300), "two\nlines": "\xff"}
	for i := range 100 {
		labels[fmt.Sprintf("z%03d", i)] = "x"
	}
	return labels
}()

// home is an agent in a folder of its own, its clock and its uplink in the test's hand.
type home struct {
	*testing.T
	dir   string
	beat  chan time.Time // when the next heartbeat is due
	again chan time.Time // when a refused batch is offered again
	up    *uplink
	agent *agentd.Agent
	spool *spool.Spool
	said  []string
	mu    sync.Mutex
	stop  func()

	labels map[string]string
}

// uplink takes batches, or fails as it is told to.
type uplink struct {
	mu      sync.Mutex
	fail    error
	batches []*event.Batch
	tried   chan struct{}
}

func (u *uplink) Send(_ context.Context, data []byte) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	select {
	case u.tried <- struct{}{}:
	default:
	}
	if u.fail != nil {
		return u.fail
	}
	b, err := codec.Decode(data)
	u.batches = append(u.batches, b)
	return err
}

func (u *uplink) set(err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.fail = err
}

// texts returns the texts that have come, but for heartbeats.
func (u *uplink) texts() (texts []string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, b := range u.batches {
		for _, ev := range b.Events {
			if !strings.HasPrefix(ev.Text, "{") {
				texts = append(texts, ev.Text)
			}
		}
	}
	return texts
}

func newHome(t *testing.T) *home {
	return &home{T: t, dir: t.TempDir(), up: &uplink{tried: make(chan struct{}, 1)}, beat: make(chan time.Time), again: make(chan time.Time), labels: map[string]string{"env": "test"}}
}

func (h *home) path(name string) string { return filepath.Join(h.dir, name) }

func (h *home) append(name, text string) {
	h.Helper()
	f, err := os.OpenFile(h.path(name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.WriteString(text)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		h.Fatal(err)
	}
}

// follow returns a configuration that follows the logs of these names.
func (h *home) follow(names ...string) *config.Config {
	c := &config.Config{Hash: strings.Join(names, "+")}
	c.Syscheck.Disabled, c.Rootcheck.Disabled = true, true
	for _, n := range names {
		c.Sources = append(c.Sources, logcollector.Source{Location: h.path(n), Format: "syslog"})
	}
	return c
}

func (h *home) start(conf *config.Config) {
	h.Helper()
	s, err := spool.Open(h.path("agent.db"), spool.Options{Agent: "i-7", Gather: -1, Random: bytes.NewReader([]byte("abcdefgh"))})
	if err != nil {
		h.Fatal(err)
	}
	h.spool = s
	ready := make(chan struct{})
	h.agent = agentd.New(agentd.Options{
		Config: conf, Spool: s, Version: "1.2", After: func(d time.Duration) <-chan time.Time {
			if d == time.Minute {
				return h.again
			}
			return h.beat
		},
		Host: func(context.Context) event.Agent {
			return event.Agent{Name: "web1", Labels: h.labels}
		},
		Ready: sync.OnceFunc(func() { close(ready) }),
		Report: func(msg string) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.said = append(h.said, msg)
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	var wait sync.WaitGroup
	for _, run := range []func(context.Context) error{h.agent.Run, func(ctx context.Context) error { return h.agent.Send(ctx, h.up) },
		func(ctx context.Context) error { return h.agent.Serve(ctx, h.path("sock")) }} {
		wait.Go(func() {
			if err := run(ctx); err != nil {
				h.Error(err)
			}
		})
	}
	h.stop = sync.OnceFunc(func() {
		cancel()
		wait.Wait()
		s.Close()
	})
	h.Cleanup(h.stop)
	if len(conf.Sources) == 0 {
		return
	}
	select {
	case <-ready:
	case <-time.After(20 * time.Second):
		h.Fatal("the logs have not been looked at")
	}
}

// until waits for a condition.
func (h *home) until(what string, ok func() bool) {
	h.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			h.Fatalf("waited in vain for %s; came %q, said %q", what, h.up.texts(), h.said)
		}
	}
}

func (h *home) want(texts ...string) {
	h.Helper()
	h.until(fmt.Sprintf("%q", texts), func() bool { return slices.Equal(h.up.texts(), texts) })
}

const hello = "ossec: Agent started: 'web1->any'."

func TestLines(t *testing.T) {
	h := newHome(t)
	h.append("log", "old\n")
	h.start(h.follow("log"))
	h.want(hello)
	h.append("log", "x\n") // the first look is over
	h.until("the new line", func() bool { return slices.Contains(h.up.texts(), "x") })
	h.stop()
	n := len(h.up.texts())
	h.append("log", "while away\n")
	h.start(h.follow("log"))
	h.until("the line", func() bool { return slices.Contains(h.up.texts(), "while away") })
	if got := h.up.texts()[n:]; !slices.Contains(got, hello) {
		t.Errorf("after the restart came %q", got)
	}
	h.up.mu.Lock()
	last := h.up.batches[len(h.up.batches)-1]
	h.up.mu.Unlock()
	want := event.Agent{Name: "web1", Labels: map[string]string{"env": "test"}}
	if diff := cmp.Diff(want, last.Agent); diff != "" || last.AgentID != "i-7" || last.Version != "1.2" || last.Config != "log" {
		t.Errorf("%s %s %s %s", diff, last.AgentID, last.Version, last.Config)
	}
}

// What the uplink refuses waits, is told once, and comes when it takes it.
func TestRefused(t *testing.T) {
	h := newHome(t)
	h.up.set(errors.New("no such stream: create it"))
	h.start(h.follow("log"))
	for range 3 {
		<-h.up.tried
		h.again <- time.Time{} // the minute is over
	}
	h.mu.Lock()
	told := 0
	for _, s := range h.said {
		if strings.Contains(s, "no such stream") {
			told++
		}
	}
	h.mu.Unlock()
	if s := h.agent.Status(); told != 1 || s.Sent.Trouble == "" || s.Spool.Events == 0 {
		t.Errorf("told %d times, %+v", told, s)
	}
	h.up.set(nil)
	h.until("an end of the trouble", func() bool {
		select {
		case h.again <- time.Time{}:
		default:
		}
		return len(h.up.texts()) > 0 && h.agent.Status().Sent.Trouble == ""
	})
}

func TestReload(t *testing.T) {
	h := newHome(t)
	h.append("a", "")
	h.append("b", "old\n")
	h.start(h.follow("a"))
	h.want(hello)
	h.append("a", "one\n")
	h.want(hello, "one")
	h.agent.Reload(context.Background(), h.follow("a", "b"))
	h.until("the new configuration", func() bool { return h.agent.Status().Config == "a+b" })
	h.append("a", "two\n")
	h.append("b", "three\n")
	h.until("both", func() bool { return slices.Contains(h.up.texts(), "two") && slices.Contains(h.up.texts(), "three") })
	h.agent.Reload(context.Background(), h.follow("b"))
	h.until("the newest configuration", func() bool { return h.agent.Status().Config == "b" })
	h.append("a", "not followed\n")
	h.append("b", "four\n")
	h.until("b", func() bool { return slices.Contains(h.up.texts(), "four") })
	if slices.Contains(h.up.texts(), "not followed") || slices.Contains(h.up.texts(), "old") {
		t.Errorf("came %q", h.up.texts())
	}
}

func TestHeartbeat(t *testing.T) {
	h := newHome(t)
	h.start(h.follow("log"))
	beats := func() (list []agentd.Status) {
		h.up.mu.Lock()
		defer h.up.mu.Unlock()
		for _, b := range h.up.batches {
			for _, ev := range b.Events {
				var s agentd.Status
				if ev.Kind == event.AgentState && json.Unmarshal([]byte(ev.Text), &s) == nil {
					list = append(list, s)
				}
			}
		}
		return list
	}
	h.until("a first heartbeat", func() bool { return len(beats()) == 1 })
	h.beat <- time.Time{}
	h.until("a second heartbeat", func() bool { return len(beats()) == 2 })
	if s := beats()[1]; s.Type != "heartbeat" || s.Agent != "i-7" || s.Name != "web1" || s.Config != "log" || s.Memory == 0 || s.Sent.Events < 2 {
		t.Errorf("%+v", s)
	}
}

func TestAsk(t *testing.T) {
	h := newHome(t)
	if _, err := agentd.Ask(context.Background(), h.path("sock")); !errors.Is(err, agentd.ErrNotRunning) {
		t.Errorf("got %v", err)
	}
	h.start(h.follow("log"))
	h.until("an answer", func() bool {
		s, err := agentd.Ask(context.Background(), h.path("sock"))
		return err == nil && s.Agent == "i-7"
	})
	h.stop()
	if _, err := agentd.Ask(context.Background(), h.path("sock")); !errors.Is(err, agentd.ErrNotRunning) {
		t.Errorf("got %v", err)
	}
}

// What people wrote into tags doesn't keep batches from being sent.
func TestStrangeHost(t *testing.T) {
	h := newHome(t)
	h.labels = strange
	h.start(h.follow("log"))
	h.want(hello)
	h.up.mu.Lock()
	defer h.up.mu.Unlock()
	got := h.up.batches[0].Agent.Labels
	if len(got) != 64 || got["env"] != "test" || len(got["long"]) > 256 || got["two lines"] != "\uFFFD" {
		t.Errorf("%d labels: %v", len(got), got)
	}
}

// On request all files are told again, as baselines, though nothing changed.
func TestAskResend(t *testing.T) {
	h := newHome(t)
	if err := os.Mkdir(h.path("etc"), 0o700); err != nil {
		t.Fatal(err)
	}
	h.append("etc/hosts", "127.0.0.1 localhost\n")
	h.append("etc/motd", "welcome\n")
	bucket, other := checksum.Bucket(h.path("etc/hosts")), checksum.Bucket(h.path("etc/motd"))
	conf := h.follow("log")
	conf.Syscheck = syscheck.Config{
		Directories: []syscheck.Directory{{Path: h.path("etc"), Check: syscheck.Size | syscheck.SHA256, Recursion: -1}}, CPU: 100,
		Schedule: syscheck.Schedule{OnStart: true, Every: time.Hour, At: -1},
	}
	h.start(conf)
	told := func(what string) (n int) {
		h.up.mu.Lock()
		defer h.up.mu.Unlock()
		for _, b := range h.up.batches {
			for _, ev := range b.Events {
				if ev.Kind == event.Syscheck && strings.Contains(ev.Text, `"type":"`+what+`"`) {
					n++
				}
			}
		}
		return n
	}
	baselines, digests := func() int { return told("baseline") }, func() int { return told("digests") }
	h.until("a first scan", func() bool { return baselines() == 2 })
	h.until("the socket", func() bool { _, err := agentd.Ask(context.Background(), h.path("sock")); return err == nil })
	resend := func(buckets ...int) error { return agentd.AskResend(context.Background(), h.path("sock"), buckets) }
	if err := resend(); err != nil {
		t.Fatal(err)
	}
	h.until("all of it again", func() bool { return baselines() == 4 })
	want := 5
	if other == bucket {
		want = 6
	}
	if err := resend(bucket); err != nil {
		t.Fatal(err)
	}
	h.until("one bucket of it again", func() bool { return baselines() == want && digests() == 4 })
	if err := resend(256); err == nil {
		t.Error("a bucket that there isn't is told again")
	}

	h.agent.Reload(context.Background(), h.follow("log"))
	h.until("the end of it", func() bool { return resend() != nil })
}
