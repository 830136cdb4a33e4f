// Package emulatedtest gives tests the emulated parts of AWS. A test that can't have them fails.
package emulatedtest

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/yagura-hids/yagura/internal/emulated"
)

// Dir returns the repository's folder of the parts, with all of them installed. The first time it takes a minute or two.
func Dir(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(Root(t), ".cache", "aws")
	if err := emulated.Install(t.Context(), dir, func(s string) { t.Log(s) }); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Root returns the repository's folder.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	for dir != filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		dir = filepath.Dir(dir)
	}
	t.Fatal("no go.mod above the test's folder")
	return ""
}

// Start runs a part until the test ends and returns its URL.
func Start(t testing.TB, p *emulated.Part) string {
	t.Helper()
	run, err := p.Start(t.Context(), Dir(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		select {
		case <-run.Ended(): // by itself, or somebody killed it: the test's failures come from that
			t.Error(run.Err())
		default:
		}
		run.Close()
	})
	return run.URL
}

var (
	mu     sync.Mutex
	shared = map[*emulated.Part]string{}
)

// Shared runs a part until the test's process ends, for all tests of it that ask, and returns its URL.
func Shared(t testing.TB, p *emulated.Part) string {
	t.Helper()
	mu.Lock()
	defer mu.Unlock()
	if shared[p] == "" {
		run, err := p.Start(t.Context(), Dir(t))
		if err != nil {
			t.Fatal(err)
		}
		shared[p] = run.URL
	}
	return shared[p]
}
