package rootcheck_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/agent/rootcheck"
	"github.com/yagura-hids/yagura/rules"
)

// all are all checks of Unix, for a Config that switches off all but some.
const all = rootcheck.Dev | rootcheck.FilesCheck | rootcheck.Interfaces | rootcheck.Processes | rootcheck.Ports | rootcheck.System |
	rootcheck.TrojansCheck | rootcheck.UnixAudit

// only is a configuration with one check, of the tree below base.
func only(check rootcheck.Check, base string) rootcheck.Config {
	return rootcheck.Config{Base: base, Off: all &^ check}
}

// once makes one check with the built-in databases, and returns what was found and reported.
func once(t testing.TB, conf rootcheck.Config, prepare ...func(r *rootcheck.Rootcheck)) (found, reports []string) {
	t.Helper()
	r, err := rootcheck.New(conf, rootcheck.Options{Databases: rules.Rootcheck, Report: func(msg string) { reports = append(reports, msg) }})
	if err != nil {
		t.Fatal(err)
	}
	for _, fn := range prepare {
		fn(r)
	}
	findings, err := r.Once(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		found = append(found, f.Text)
	}
	return found, reports
}

// want compares findings with what they begin with, in any order.
func want(t testing.TB, found []string, begins ...string) {
	t.Helper()
	rest := slices.Clone(found)
	for _, begin := range begins {
		i := slices.IndexFunc(rest, func(text string) bool { return strings.HasPrefix(text, begin) })
		if i < 0 {
			t.Errorf("not found: %s", begin)
			continue
		}
		rest = slices.Delete(rest, i, i+1)
	}
	for _, text := range rest {
		t.Errorf("found, but there is no such thing: %s", text)
	}
}

func write(t testing.TB, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func run(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

// apart runs the test of that name, which exists for this, in namespaces of its own, and fails as it does. There it may mount what it likes.
func apart(t *testing.T, namespaces, test string) {
	t.Helper()
	cmd := exec.Command("unshare", namespaces, os.Args[0], "-test.run=^"+test+"$", "-test.count=1", "-test.v")
	cmd.Env = append(os.Environ(), apartKey+"="+test)
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: "+test)) {
		t.Fatalf("%v\n%s", err, out)
	}
}

const apartKey = "ROOTCHECK_APART"

// isApart tells whether this process was started by apart for the test. Otherwise the test is run where it's called for.
func isApart(t *testing.T) bool { return os.Getenv(apartKey) == t.Name() }

// script puts a program of that name before all others in PATH.
func script(t *testing.T, name, text string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

// real returns where a program is, for a script that calls it.
func real(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// sleeper starts a process that does nothing until the test ends.
func sleeper(t *testing.T) int {
	t.Helper()
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return cmd.Process.Pid
}

// clock is a clock that moves only when somebody waits for it.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func (c *clock) after(d time.Duration) <-chan time.Time {
	c.at = c.at.Add(d)
	ch := make(chan time.Time, 1)
	ch <- c.at
	return ch
}

func sprint(format string, args ...any) string { return fmt.Sprintf(format, args...) }
