package main_test

import (
	"compress/gzip"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/internal/codec"
	"github.com/yagura-hids/yagura/internal/event"
)

var (
	kills   = flag.Int("kills", 12, "how often TestKilled kills the agent")
	rate    = flag.Int("rate", 2000, "lines a second that the writers write, all together")
	seed    = flag.Uint64("seed", 1, "of the chaos, as far as it isn't time's; 0 draws one")
	keepDir = flag.String("keep", "", "leave files in this folder")
)

// sink is a server that takes batches, badly.
type sink struct {
	*httptest.Server
	mu     sync.Mutex
	random *rand.Rand
	down   bool
	events map[event.ID]*event.Event
	drop   uint64 // the largest Dropped of a batch
	lines  int    // events that are log lines
	lost   uint64 // as told last
	faults map[string]int
	bad    []string
	wait   sync.WaitGroup
	raw    int64
	wire   int64
}

func newSink(t *testing.T, seed uint64) *sink {
	s := &sink{random: rand.New(rand.NewPCG(seed, 1)), events: map[event.ID]*event.Event{}, faults: map[string]int{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(func() { s.wait.Wait(); s.Close() })
	return s
}

// fault draws what goes wrong with a request: one in five.
func (s *sink) fault() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := ""
	switch {
	case s.down:
		f = "down"
	case s.random.IntN(100) < 20:
		f = []string{"refused", "cut before storing", "cut after storing", "stored late", "answered late"}[s.random.IntN(5)]
	}
	s.faults[f]++
	return f
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the agent was killed
	}
	fault := s.fault()
	late := func(then func()) {
		s.wait.Go(func() { time.Sleep(300 * time.Millisecond); then() }) // later than what comes next
	}
	switch fault {
	case "down", "refused":
		http.Error(w, "try again", http.StatusServiceUnavailable)
		return
	case "cut before storing":
		panic(http.ErrAbortHandler)
	case "stored late":
		late(func() { s.store(body) })
		panic(http.ErrAbortHandler)
	}
	s.store(body)
	switch fault {
	case "cut after storing":
		panic(http.ErrAbortHandler)
	case "answered late":
		time.Sleep(300 * time.Millisecond)
	}
}

func (s *sink) store(body []byte) {
	b, err := codec.Decode(body)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.bad = append(s.bad, err.Error())
		return
	}
	s.drop = max(s.drop, b.Dropped)
	s.wire += int64(len(body))
	for _, ev := range b.Events {
		s.raw += int64(len(ev.Text)) + 1
		was := s.events[ev.ID]
		if was != nil && was.Text != ev.Text {
			s.bad = append(s.bad, fmt.Sprintf("%s is %q and %q", ev.ID, was.Text, ev.Text))
		}
		if was == nil && ev.Kind == event.Log {
			s.lines++
		}
		var since, all uint64
		if n, _ := fmt.Sscanf(ev.Text, "ossec: Agent spool full: %d events lost, %d since", &since, &all); n == 2 {
			s.lost = max(s.lost, all)
		}
		s.events[ev.ID] = ev
	}
}

// sorted returns what has come, by number.
func (s *sink) sorted() []*event.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*event.Event
	for _, ev := range s.events {
		list = append(list, ev)
	}
	slices.SortFunc(list, func(a, b *event.Event) int {
		if a.ID.Epoch != b.ID.Epoch {
			panic("several epochs")
		}
		return int(int64(a.ID.Seq) - int64(b.ID.Seq))
	})
	return list
}

// writer writes numbered lines into a log and rotates it now and then, as logrotate does.
type writer struct {
	path    string
	name    string
	style   string // create, copytruncate
	random  *rand.Rand
	file    *os.File
	n       int
	since   int // lines since the last rotation
	rotated int
	noise   int // bytes of each line that don't pack
}

func newWriter(t *testing.T, dir string, i int, seed uint64) *writer {
	w := &writer{
		name: fmt.Sprintf("w%d", i), path: filepath.Join(dir, fmt.Sprintf("w%d.log", i)), style: []string{"create", "copytruncate"}[i%2],
		random: rand.New(rand.NewPCG(seed, uint64(i))),
	}
	w.open(t)
	return w
}

func (w *writer) open(t *testing.T) {
	f, err := os.OpenFile(w.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	w.file = f
}

// write writes n lines, sometimes a part of one at a time.
func (w *writer) write(t *testing.T, n int) {
	var b strings.Builder
	for range n {
		fmt.Fprintf(&b, "Nov 24 12:00:00 web1 %s[%d]: line %d of session %x for user%d from 198.51.100.%d%s\n", w.name, w.n%7000, w.n, w.random.Uint32(), w.n%40, w.n%250, w.hex())
		w.n++
		w.since++
	}
	text := b.String()
	if cut := w.random.IntN(len(text)); w.random.IntN(4) == 0 {
		w.put(t, text[:cut])
		text = text[cut:]
	}
	w.put(t, text)
	if w.since > 1500+w.random.IntN(1500) {
		w.rotate(t)
	}
}

func (w *writer) hex() (text string) {
	for len(text) < w.noise {
		text += fmt.Sprintf(" %016x", w.random.Uint64())
	}
	return text
}

func (w *writer) put(t *testing.T, text string) {
	if _, err := w.file.WriteString(text); err != nil {
		t.Error(err)
	}
}

// rotate makes FILE FILE.1, and FILE.1 FILE.2.gz.
func (w *writer) rotate(t *testing.T) {
	w.since = 0
	w.rotated++
	older := func(i int) string { return fmt.Sprintf("%s.%d.gz", w.path, i) }
	for i := 8; i > 1; i-- {
		os.Rename(older(i), older(i+1)) // those that are there
	}
	one := w.path + ".1"
	if err := compress(one, older(2)); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if w.style == "create" {
		if err := errors.Join(w.file.Close(), os.Rename(w.path, one)); err != nil {
			t.Error(err)
		}
		w.open(t)
		return
	}
	text, err := os.ReadFile(w.path)
	if err := errors.Join(err, os.WriteFile(one, text, 0o600), os.Truncate(w.path, 0)); err != nil {
		t.Error(err)
	}
}

// compress packs a file as gzip(1) does: the packed one is complete before the other goes.
func compress(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	z := gzip.NewWriter(f)
	_, err = z.Write(text)
	return errors.Join(err, z.Close(), f.Close(), os.Remove(from))
}

// agent is the real program, which is killed and started again.
type agent struct {
	t       *testing.T
	program string
	dir     string
	out     *os.File
	cmd     *exec.Cmd
}

func newAgent(t *testing.T, dir, uplink, more string) *agent {
	t.Helper()
	a := &agent{t: t, program: filepath.Join(t.TempDir(), "yagura-agent"), dir: dir}
	build := exec.Command("go", "build", "-buildvcs=false", "-o", a.program, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	conf := fmt.Sprintf(`<ossec_config>
  <client><uplink>%s</uplink><gather>1</gather>%s</client>
  <localfile><location>%s/*.log</location><log_format>syslog</log_format></localfile>
  <syscheck><disabled>yes</disabled></syscheck>
  <rootcheck><disabled>yes</disabled></rootcheck>
</ossec_config>`, uplink, more, dir)
	if err := os.WriteFile(a.path("ossec.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := os.OpenFile(a.path("agent.out"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	a.out = out
	t.Cleanup(func() { a.kill(); out.Close() })
	return a
}

func (a *agent) path(name string) string { return filepath.Join(a.dir, name) }

func (a *agent) start() {
	a.t.Helper()
	a.cmd = exec.Command(a.program, "run", "--conf", a.path("ossec.conf"), "--state", a.path("state"), "--socket", a.path("agent.sock"))
	a.cmd.Stdout, a.cmd.Stderr = a.out, a.out
	if err := a.cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
}

func (a *agent) kill() {
	if a.cmd == nil {
		return
	}
	a.cmd.Process.Kill()
	a.cmd.Wait()
	a.cmd = nil
}

// words returns what the agent said, for a test that failed.
func (a *agent) words() string {
	text, err := os.ReadFile(a.path("agent.out"))
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-4000):])
}

// chaos is four writers, one agent, one bad server.
type chaos struct {
	t       *testing.T
	sink    *sink
	agent   *agent
	writers []*writer
	random  *rand.Rand
}

func newChaos(t *testing.T, more string) *chaos {
	s := *seed
	if s == 0 {
		s = rand.Uint64()
	}
	t.Logf("seed %d", s)
	dir := *keepDir
	if dir == "" {
		dir = t.TempDir()
	}
	c := &chaos{t: t, sink: newSink(t, s), random: rand.New(rand.NewPCG(s, 100))}
	c.agent = newAgent(t, dir, c.sink.URL, more)
	for i := range 4 {
		c.writers = append(c.writers, newWriter(t, dir, i, s))
	}
	return c
}

// disturb lets the writers write, all together rate lines a second, while the agent is killed n times.
func (c *chaos) disturb(n, rate int) {
	ctx, cancel := context.WithCancel(context.Background())
	var wait sync.WaitGroup
	for _, w := range c.writers {
		wait.Go(func() {
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for ctx.Err() == nil {
				<-tick.C
				w.write(c.t, max(1, rate/100/len(c.writers)))
			}
		})
	}
	for range n {
		c.agent.start()
		time.Sleep(time.Duration(50+c.random.IntN(2500)) * time.Millisecond)
		c.agent.kill()
		if c.random.IntN(4) == 0 {
			time.Sleep(time.Duration(c.random.IntN(1000)) * time.Millisecond)
		}
	}
	cancel()
	wait.Wait()
}

func (c *chaos) lines() (n int) {
	for _, w := range c.writers {
		n += w.n
	}
	return n
}

// arrived waits until so many lines are accounted for: received, or counted as lost.
func (c *chaos) arrived(n int) (lost uint64) {
	deadline := time.Now().Add(time.Minute)
	for {
		c.sink.mu.Lock()
		got := c.sink.lines
		lost = c.sink.lost
		c.sink.mu.Unlock()
		if got+int(lost) >= n {
			return lost
		}
		if time.Now().After(deadline) {
			c.t.Errorf("%d lines were written, %d came, %d were told as lost\n%s", n, got, lost, c.agent.words())
			return lost
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// TestKilled: four logs grow and are rotated in all ways, the agent is killed again and again, the uplink fails, cuts, stores late and answers
// late: each line arrives once, by its id, and in its log's order.
func TestKilled(t *testing.T) {
	c := newChaos(t, "")
	c.agent.start()
	time.Sleep(time.Second) // it has looked at the empty logs
	c.agent.kill()
	c.disturb(*kills, *rate)
	c.agent.start()
	if lost := c.arrived(c.lines()); lost > 0 || c.sink.drop > 0 {
		t.Errorf("%d are said to be lost, %d by the batches", lost, c.sink.drop)
	}
	next := map[string]int{}
	for _, ev := range c.sink.sorted() {
		if ev.Kind != event.Log {
			continue
		}
		name, n := parse(ev.Text)
		if filepath.Base(ev.Location) != name+".log" || n != next[name] {
			t.Fatalf("%s of %s: %q, want line %d\ncame: %s\n%s", ev.ID, ev.Location, ev.Text, next[name], c.runs(name), c.agent.words())
		}
		next[name]++
	}
	rotations := 0
	for _, w := range c.writers {
		rotations += w.rotated
		if next[w.name] != w.n {
			t.Errorf("%s: %d lines of %d came", w.name, next[w.name], w.n)
		}
	}
	for _, bad := range c.sink.bad {
		t.Error(bad)
	}
	t.Logf("%d kills, %d lines, %d rotations, requests %v, wire 1/%.1f of raw", *kills, c.lines(), rotations, c.sink.faults, float64(c.sink.raw)/float64(c.sink.wire))
}

// runs returns the lines of a log as they came: "0-99 150-180 100-149".
func (c *chaos) runs(log string) string {
	var out strings.Builder
	first, last := -1, -1
	for _, ev := range c.sink.sorted() {
		name, n := parse(ev.Text)
		if name != log {
			continue
		}
		if n != last+1 {
			fmt.Fprintf(&out, " %d-%d", first, last)
			first = n
		}
		last = n
	}
	return fmt.Sprintf("%s %d-%d", out.String(), first, last)
}

// parse returns who wrote a line and its number.
func parse(text string) (name string, n int) {
	_, rest, _ := strings.Cut(text, "web1 ")
	name, rest, _ = strings.Cut(rest, "[")
	_, rest, _ = strings.Cut(rest, "]: line ")
	if _, err := fmt.Sscan(rest, &n); err != nil {
		return "", -1
	}
	return name, n
}

// TestOverflow: the uplink is away for longer than the spool lasts, and the agent is killed meanwhile: what doesn't come is exactly what is told.
func TestOverflow(t *testing.T) {
	c := newChaos(t, "<spool_size>1MiB</spool_size>")
	for _, w := range c.writers {
		w.noise = 80
	}
	c.agent.start()
	time.Sleep(time.Second)
	c.agent.kill()
	c.disturb(3, *rate)
	c.sink.mu.Lock()
	c.sink.down = true
	c.sink.mu.Unlock()
	c.disturb(max(10, *kills/5), 5**rate) // enough to fill the spool
	c.sink.mu.Lock()
	c.sink.down = false
	c.sink.mu.Unlock()
	c.agent.start()
	lost := c.arrived(c.lines())
	if lost == 0 {
		t.Error("the spool was never full: the test doesn't test")
	}
	last := map[string]int{}
	got := 0
	other := uint64(0)
	for _, ev := range c.sink.sorted() {
		if ev.Kind != event.Log {
			continue
		}
		name, n := parse(ev.Text)
		if was, ok := last[name]; ok && n <= was {
			t.Fatalf("%s: line %d of %s after %d", ev.ID, n, name, was)
		}
		last[name] = n
		got++
	}
	if text := c.told(); !strings.Contains(text, fmt.Sprintf("%d log", c.lines()-got)) {
		t.Errorf("%d lines of %d came, told is %q (%d others)", got, c.lines(), text, other)
	}
	t.Logf("%d lines, %d came, told: %s", c.lines(), got, c.told())
}

// told returns the last report of a loss.
func (c *chaos) told() (text string) {
	for _, ev := range c.sink.sorted() {
		if strings.HasPrefix(ev.Text, "ossec: Agent spool full:") {
			text = ev.Text
		}
	}
	return text
}
