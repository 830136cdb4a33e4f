package local_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/internal/alertstore"
	"github.com/yagura-hids/yagura/internal/local"
)

// fullChild replays the log args[2] into args[0], while no file may grow beyond args[1] bytes; after three failures of the store it may.
func fullChild(args []string) error {
	signal.Ignore(syscall.SIGXFSZ)
	s, err := local.Open(args[0])
	if err != nil {
		return err
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	most, err := strconv.ParseUint(args[1], 10, 64)
	if err != nil {
		return err
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: most, Max: limit.Max}); err != nil {
		return err
	}
	src := local.Replay(s, args[2:], replayOptions(50))
	now := make(chan time.Time)
	close(now)
	_, err = local.Run(context.Background(), local.Options{
		Store: s, Source: src, Analyze: judge, JSON: true, Report: func(m string) { fmt.Println(m) },
		Retry: func(failures int) <-chan time.Time {
			if failures == 3 {
				if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
					fmt.Fprintln(os.Stderr, err)
				}
			}
			return now
		},
	})
	return errors.Join(err, src.Close(), s.Close())
}

// full replays under a limit and returns what was told.
func full(t *testing.T, dir string, limit int, log string) string {
	t.Helper()
	p := start(t, "full", dir, strconv.Itoa(limit), log)
	var told strings.Builder
	if _, err := p.out.WriteTo(&told); err != nil {
		t.Fatal(err)
	}
	if !p.ends(t) {
		t.Fatal("child was killed")
	}
	return told.String()
}

// The store finds no room: that is told once, reading waits, and goes on when there is room.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	log := write(t, filepath.Join(t.TempDir(), "app.log"), sampleLog(1500))
	calm, dir := t.TempDir(), t.TempDir()
	replay(t, calm, log)
	told := full(t, dir, 140<<10, log)
	for _, want := range []string{"store in ", "file too large; make room in " + dir + "; reading waits until then, nothing is lost", "works again, nothing was lost"} {
		if strings.Count(told, want) == 0 {
			t.Errorf("not told: %q; told was:\n%s", want, told)
		}
	}
	if n := strings.Count(told, "reading waits"); n != 1 {
		t.Errorf("told %d times that reading waits", n)
	}
	same(t, dir, calm)
}

// A day's file finds no room in the middle of a record: analysis goes on, and a later life completes the record and the file.
func TestFullOutput(t *testing.T) {
	t.Parallel()
	log := write(t, filepath.Join(t.TempDir(), "app.log"), sampleLog(1000))
	calm, dir := t.TempDir(), t.TempDir()
	for _, d := range []string{calm, dir} {
		day := write(t, filepath.Join(d, "alerts", "2026", "Mar", "ossec-alerts-02.json"), "")
		if err := os.Truncate(day, 32<<20); err != nil { // as if somebody had filled it
			t.Fatal(err)
		}
	}
	replay(t, calm, log)
	told := full(t, dir, 32<<20+5_000, log)
	want := "ossec-alerts-02.json: file too large; make room, or let this user write there; the alerts are stored and will be written then"
	if strings.Count(told, "\n") != 1 || !strings.Contains(told, "write alerts.json: ") || !strings.Contains(told, want) {
		t.Errorf("told: %s", told)
	}
	if a, b := all(t, dir), all(t, calm); a != b {
		t.Errorf("stored: %s", difference(a, b))
	}
	replay(t, dir, log)
	same(t, dir, calm)
}

// A directory stands where a file should be written: analysis goes on, the alerts are stored, and are written when it is gone.
func TestOutputInTheWay(t *testing.T) {
	log := write(t, filepath.Join(t.TempDir(), "app.log"), sampleLog(300))
	calm, dir := t.TempDir(), t.TempDir()
	replay(t, calm, log)
	blocked := filepath.Join(dir, "alerts", "2026", "Mar", "ossec-alerts-01.json")
	if err := os.MkdirAll(blocked, 0o755); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	var told []string
	src := local.Replay(s, []string{log}, replayOptions(50))
	stats, err := local.Run(t.Context(), local.Options{
		Store: s, Source: src, Analyze: judge, JSON: true, Report: func(m string) { told = append(told, m) },
	})
	if err := errors.Join(err, src.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	if stats.Lines != 300 || len(told) != 1 || !strings.Contains(told[0], blocked) {
		t.Errorf("%d lines, told %q", stats.Lines, told)
	}
	if err := os.Remove(blocked); err != nil {
		t.Fatal(err)
	}
	replay(t, dir, log) // has nothing left to read, and catches up
	same(t, dir, calm)
}

// lockChild opens the store in args[0], says so, and holds it until its input ends.
func lockChild(args []string) error {
	s, err := local.Open(args[0])
	if err != nil {
		return err
	}
	fmt.Print(".")
	_, err = io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, s.Close())
}

func TestLocked(t *testing.T) {
	dir := t.TempDir()
	p := start(t, "lock", dir)
	if _, err := p.out.ReadByte(); err != nil {
		t.Fatal(err)
	}
	_, err := local.Open(dir)
	if !errors.Is(err, local.ErrLocked) || !strings.Contains(err.Error(), filepath.Join(dir, local.FileName)) ||
		!strings.Contains(err.Error(), "or choose another data directory") {
		t.Errorf("open: %v", err)
	}
	if _, err := local.Query(t.Context(), dir, alertstore.Filter{}); !errors.Is(err, local.ErrLocked) {
		t.Errorf("query: %v", err)
	}
}

func TestReadOnlyDirectory(t *testing.T) {
	file := write(t, filepath.Join(t.TempDir(), "file"), "")
	if _, err := local.Open(filepath.Join(file, "data")); err == nil || !strings.Contains(err.Error(), "choose one that you may write to") {
		t.Errorf("below a file: %v", err)
	}
	if _, err := local.Open("/proc/self/data"); err == nil || !strings.Contains(err.Error(), "data directory") {
		t.Errorf("where nobody may write: %v", err)
	}
}

func TestDamaged(t *testing.T) {
	log := write(t, filepath.Join(t.TempDir(), "app.log"), sampleLog(1000))
	good := t.TempDir()
	replay(t, good, log)
	text, err := os.ReadFile(filepath.Join(good, local.FileName))
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func([]byte) []byte{
		"garbage":   func([]byte) []byte { return []byte(strings.Repeat("no database ", 5000)) },
		"short":     func(b []byte) []byte { return b[:100] },
		"truncated": func(b []byte) []byte { return b[:len(b)/2/4096*4096] },
		"headless":  func(b []byte) []byte { clear(b[:8192]); return b },
	} {
		dir := t.TempDir()
		path := write(t, filepath.Join(dir, local.FileName), string(spoil([]byte(string(text)))))
		_, err := local.Open(dir)
		if !errors.Is(err, local.ErrDamaged) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "move the file away") {
			t.Errorf("%s: open: %v", name, err)
		}
		if _, err := local.Query(t.Context(), dir, alertstore.Filter{}); !errors.Is(err, local.ErrDamaged) {
			t.Errorf("%s: query: %v", name, err)
		}
	}
}

// Whatever page is spoiled, there is an error or an answer, never a panic.
func TestDamagedAnywhere(t *testing.T) {
	t.Parallel()
	log := write(t, filepath.Join(t.TempDir(), "app.log"), sampleLog(600))
	good := t.TempDir()
	replay(t, good, log)
	text, err := os.ReadFile(filepath.Join(good, local.FileName))
	if err != nil {
		t.Fatal(err)
	}
	more := write(t, filepath.Join(t.TempDir(), "more.log"), sampleLog(200))
	random := rand.New(rand.NewPCG(1, 2))
	refused := 0
	for range 25 {
		spoiled := []byte(string(text))
		at := random.IntN(len(spoiled)/4096) * 4096
		for i := range 64 {
			spoiled[at+i] = byte(random.Uint32())
		}
		dir := t.TempDir()
		write(t, filepath.Join(dir, local.FileName), string(spoiled))
		if spoiledRun(dir, more) != nil {
			refused++
		}
	}
	if refused == 0 {
		t.Error("no damage was seen")
	}
	t.Logf("%d of 25 refused", refused)
}

func spoiledRun(dir, log string) error {
	_, queried := local.Query(context.Background(), dir, alertstore.Filter{Limit: 1000})
	s, err := local.Open(dir)
	if err != nil {
		return err
	}
	src := local.Replay(s, []string{log}, replayOptions(50))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	_, err = local.Run(ctx, local.Options{Store: s, Source: src, Analyze: judge, JSON: true, Retry: func(int) <-chan time.Time {
		cancel()
		return nil
	}})
	return errors.Join(queried, err, src.Close(), s.Close())
}
