package uplink_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/agent/uplink"
	"github.com/yagura-hids/yagura/internal/codec"
)

func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func TestFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "to", "here")
	up, err := uplink.Open("file:"+dir, uplink.Options{Agent: "web1", Wait: noWait(t)})
	if err != nil {
		t.Fatal(err)
	}
	if err := up.Check(t.Context()); err != nil || len(names(t, dir)) != 0 {
		t.Errorf("%v, %v", err, names(t, dir))
	}
	longer := batch(t, 7, 20)
	for _, data := range [][]byte{batch(t, 7, 10), longer, batch(t, 27, 1)} { // the second one after a restart: the same run, and what came meanwhile
		if err := up.Send(t.Context(), data); err != nil {
			t.Fatal(err)
		}
	}
	const first = "1234567890abcdef-00000000000000000007.ygr"
	if got := strings.Join(names(t, dir), " "); got != first+" 1234567890abcdef-00000000000000000027.ygr" {
		t.Errorf("%s", got)
	}
	got, err := os.ReadFile(filepath.Join(dir, first))
	if err != nil || !bytes.Equal(got, longer) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if err := up.Send(t.Context(), []byte("no batch")); !errors.Is(err, uplink.ErrRefused) || !errors.Is(err, codec.ErrUnknown) {
		t.Errorf("%v", err)
	}
}

func TestFileRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	up := uplink.File(path, uplink.Options{Wait: noWait(t)})
	for _, err := range []error{up.Check(t.Context()), up.Send(t.Context(), batch(t, 1, 1))} {
		if !errors.Is(err, uplink.ErrRefused) || !strings.Contains(err.Error(), "make files in "+path) {
			t.Errorf("%v", err)
		}
	}
}

// A writer that is killed at any moment leaves whole files, and, sent again, all of them.
func TestFileKilled(t *testing.T) {
	if dir := os.Getenv("UPLINK_TEST_DIR"); dir != "" {
		up := uplink.File(dir, uplink.Options{})
		for first := uint64(1); ; first = first%2000 + 100 {
			if err := up.Send(context.Background(), batch(t, first, 100)); err != nil {
				t.Fatal(err)
			}
		}
	}
	dir := t.TempDir()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	whole := 0
	for round := range 30 {
		cmd := exec.Command(exe, "-test.run=^TestFileKilled$")
		cmd.Env = append(os.Environ(), "UPLINK_TEST_DIR="+dir)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		awaitFile(t, dir)
		timer := time.NewTimer(time.Duration(round*977%5000) * time.Microsecond) // each at another point of its work
		<-timer.C
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // that it was killed is known
		for _, name := range names(t, dir) {
			path := filepath.Join(dir, name)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if name[0] != '.' {
				whole++
				if _, err := codec.Decode(data); err != nil {
					t.Errorf("round %d: %s, %d bytes: %v", round, name, len(data), err)
				}
			}
			if name[0] != '.' || round%2 == 0 { // what is left of a cut one doesn't disturb
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if whole < 30 {
		t.Errorf("%d whole files in 30 rounds", whole)
	}
}

// awaitFile waits until the first batch is there.
func awaitFile(t *testing.T, dir string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		found, err := filepath.Glob(filepath.Join(dir, "1*.ygr"))
		if err != nil {
			t.Fatal(err)
		}
		if len(found) > 0 {
			return
		}
		timer := time.NewTimer(time.Millisecond)
		<-timer.C
	}
	t.Fatal("nothing is written")
}
