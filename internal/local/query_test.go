package local_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/internal/alertstore"
	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/local"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// scripted is a Source of given alerts: its analyze raises them one by one.
type scripted struct{ batches [][]*event.Alert }

func (s *scripted) Name() string { return "local" }
func (s *scripted) Close() error { return nil }

func (s *scripted) Next(ctx context.Context) (local.Batch, error) {
	if len(s.batches) == 0 {
		<-ctx.Done()
		return local.Batch{}, ctx.Err()
	}
	var b local.Batch
	for range s.batches[0] {
		b.Events = append(b.Events, &event.Event{})
	}
	return b, nil
}

func (s *scripted) analyze(*event.Event, analysis.State) (analysis.Verdict, error) {
	a := s.batches[0][0]
	if s.batches[0] = s.batches[0][1:]; len(s.batches[0]) == 0 {
		s.batches = s.batches[1:]
	}
	return analysis.Verdict{Alert: a}, nil
}

// running stores alerts in dir by a Run that goes on until stop is called.
func running(t *testing.T, dir string, alerts []*event.Alert) (stop func()) {
	t.Helper()
	s := open(t, dir)
	src := &scripted{batches: slices.Collect(slices.Chunk(alerts, 1000))}
	ctx, cancel := context.WithCancel(context.Background())
	shown, ended := make(chan bool, len(alerts)), make(chan error, 1)
	go func() {
		_, err := local.Run(ctx, local.Options{Store: s, Source: src, Analyze: src.analyze, Alert: func(*event.Alert) { shown <- true }})
		ended <- err
	}()
	for range alerts {
		<-shown
	}
	return func() {
		cancel()
		if err := errors.Join(<-ended, s.Close()); err != nil {
			t.Error(err)
		}
	}
}

func queried(t *testing.T, dir string, f alertstore.Filter) []uint64 {
	t.Helper()
	page, err := local.Query(t.Context(), dir, f)
	if err != nil {
		t.Fatalf("%+v: %v", f, err)
	}
	var seqs []uint64
	for _, a := range page.Alerts {
		seqs = append(seqs, a.Event.Seq)
	}
	return seqs
}

// The same questions are asked of the file and of the running process.
func TestQuery(t *testing.T) {
	dir := t.TempDir()
	alerts := []*event.Alert{
		alert(1, noon, 5, 5716, "192.0.2.1", "Failed password for root"),
		alert(2, noon.Add(time.Second), 10, 5720, "192.0.2.1", "Failed password for joe"),
		alert(3, noon.Add(time.Second), 3, 5501, "192.0.2.2", "session opened"),
		alert(4, noon.Add(time.Minute), 5, 5716, "192.0.2.2", "Failed PASSWORD"),
		alert(5, noon.AddDate(-60, 0, 0), 15, 1, "", "long before 1970"),
	}
	alerts[3].Hostname = "(db1) 192.0.2.9->/var/log/auth.log"
	stop := running(t, dir, alerts)
	second := []uint64{3, 2} // of one time: by their ids
	if alerts[1].ID > alerts[2].ID {
		second = []uint64{2, 3}
	}
	check := func(how string) {
		for _, c := range []struct {
			f    alertstore.Filter
			want []uint64
		}{
			{alertstore.Filter{}, slices.Concat([]uint64{4}, second, []uint64{1, 5})},
			{alertstore.Filter{Limit: 1}, []uint64{4}},
			{alertstore.Filter{Level: 6}, []uint64{2, 5}},
			{alertstore.Filter{Rules: []int{5716, 1}}, []uint64{4, 1, 5}},
			{alertstore.Filter{Group: "level5"}, []uint64{4, 1}},
			{alertstore.Filter{Group: "level"}, nil},
			{alertstore.Filter{SrcIP: "192.0.2.1"}, []uint64{2, 1}},
			{alertstore.Filter{Host: "db1"}, []uint64{4}},
			{alertstore.Filter{Host: "web1", Text: "password"}, []uint64{4, 2, 1}},
			{alertstore.Filter{Text: "SOMETHING failed", Level: 15}, []uint64{5}},
			{alertstore.Filter{From: noon.Add(time.Second)}, slices.Concat([]uint64{4}, second)},
			{alertstore.Filter{To: noon.Add(time.Second)}, []uint64{1, 5}},
			{alertstore.Filter{From: noon, To: noon.Add(1)}, []uint64{1}},
			{alertstore.Filter{From: noon.Add(time.Hour)}, nil},
			{alertstore.Filter{To: noon.AddDate(-70, 0, 0)}, nil},
		} {
			if got := queried(t, dir, c.f); !slices.Equal(got, c.want) {
				t.Errorf("%s: %+v: %v, want %v", how, c.f, got, c.want)
			}
		}
		if _, err := local.Query(t.Context(), dir, alertstore.Filter{After: "!"}); err == nil || !strings.Contains(err.Error(), "after") {
			t.Errorf("%s: bad cursor: %v", how, err)
		}
	}
	check("running")
	st, err := os.Stat(filepath.Join(dir, local.SocketName))
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("socket %v, %v", st, err)
	}
	stop()
	check("stopped")
}

// Pages follow each other without gap or double, also when a page finds little in what it may look at.
func TestQueryPages(t *testing.T) {
	dir := t.TempDir()
	var alerts []*event.Alert
	for i := range 12_000 {
		level := 3
		if i == 7 || i == 11_000 {
			level = 12
		}
		alerts = append(alerts, alert(uint64(i+1), noon.Add(time.Duration(i/3)), level, 1, "", "x"))
	}
	running(t, dir, alerts)()
	seen := map[uint64]bool{}
	f := alertstore.Filter{Limit: 1700}
	for {
		page, err := local.Query(t.Context(), dir, f)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range page.Alerts {
			if seen[a.Event.Seq] {
				t.Fatalf("alert %d twice", a.Event.Seq)
			}
			seen[a.Event.Seq] = true
		}
		if f.After = page.Next; f.After == "" {
			break
		}
	}
	if len(seen) != len(alerts) {
		t.Errorf("%d of %d alerts", len(seen), len(alerts))
	}
	if got := queried(t, dir, alertstore.Filter{Level: 12}); !slices.Equal(got, []uint64{11_001, 8}) {
		t.Errorf("rare ones: %v", got)
	}
	s := open(t, dir)
	page, err := s.Query(t.Context(), alertstore.Filter{Text: "nobody"})
	if err != nil || len(page.Alerts) != 0 || page.Next == "" {
		t.Errorf("one page looked at everything: %+v, %v", page, err)
	}
}

func TestQueryNothing(t *testing.T) {
	if _, err := local.Query(t.Context(), t.TempDir(), alertstore.Filter{}); !errors.Is(err, local.ErrNoStore) || !strings.Contains(err.Error(), "yagura local") {
		t.Errorf("%v", err)
	}
}

// A socket that a killed process left is in nobody's way.
func TestStaleSocket(t *testing.T) {
	dir := t.TempDir()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, local.SocketName), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	stop := running(t, dir, []*event.Alert{alert(1, noon, 5, 1, "", "x")})
	defer stop()
	if got := queried(t, dir, alertstore.Filter{}); len(got) != 1 {
		t.Errorf("%v", got)
	}
}

// An alert that comes again is the same one.
func TestAlertTwice(t *testing.T) {
	dir := t.TempDir()
	running(t, dir, []*event.Alert{alert(1, noon, 5, 1, "", "x"), alert(1, noon, 5, 1, "", "x"), alert(2, noon, 5, 1, "", "y")})()
	running(t, dir, []*event.Alert{alert(2, noon, 5, 1, "", "y")})()
	if got := queried(t, dir, alertstore.Filter{}); len(got) != 2 {
		t.Errorf("%v", got)
	}
	if n := strings.Count(files(t, dir)["alerts/alerts.log"], "** Alert"); n != 2 {
		t.Errorf("%d alerts in alerts.log", n)
	}
}

// Users move, cut and write into the files; alerts still stand once, behind what is there.
func TestFilesChanged(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	dir := t.TempDir()
	day := filepath.Join(dir, "alerts", "2026", "Nov", "ossec-alerts-23.log")
	current := filepath.Join(dir, "alerts", "alerts.log")
	var kept strings.Builder
	for i := range 40 {
		a := alert(uint64(i+1), noon.Add(time.Duration(i)*time.Second), 5, 1, "", fmt.Sprintf("log %d", i))
		running(t, dir, []*event.Alert{a})()
		text, err := os.ReadFile(current)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(string(text), fmt.Sprintf("log %d\n\n", i)) {
			t.Fatalf("alert %d is not the last one of %q", i, text)
		}
		switch random.IntN(5) {
		case 0: // moved away under both names
			kept.Write(text)
			err = errors.Join(os.Remove(day), os.Remove(current))
		case 1: // cut, as logrotate's copytruncate does
			kept.Write(text)
			err = os.Truncate(current, 0)
		case 2: // written into
			err = os.WriteFile(day, append(text, "a note\n"...), 0o640)
		case 3:
			err = os.Remove(current)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if text, err := os.ReadFile(day); err == nil {
		kept.Write(text)
	}
	for i := range 40 {
		if n := strings.Count(kept.String(), fmt.Sprintf("log %d\n", i)); n != 1 {
			t.Errorf("alert %d stands %d times", i, n)
		}
	}
}
