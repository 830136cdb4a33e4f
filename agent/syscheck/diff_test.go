package syscheck_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yagura-hids/yagura/agent/syscheck"
)

func TestUnified(t *testing.T) {
	for _, tt := range []struct{ name, before, after, want string }{
		{"equal", "a\nb\n", "a\nb\n", ""},
		{"changed", "a\nb\nc\n", "a\nx\nc\n", "@@ -2 +2 @@\n-b\n+x\n"},
		{"added", "a\nc\n", "a\nb\nb\nc\n", "@@ -1,0 +2,2 @@\n+b\n+b\n"},
		{"removed", "a\nb\nc\n", "c\n", "@@ -1,2 +0,0 @@\n-a\n-b\n"},
		{"two places", "a\nb\nc\nd\n", "x\nb\nc\ny\n", "@@ -1 +1 @@\n-a\n+x\n@@ -4 +4 @@\n-d\n+y\n"},
		{"first content", "", "a\n", "@@ -0,0 +1 @@\n+a\n"},
		{"emptied", "a\n", "", "@@ -1 +0,0 @@\n-a\n"},
		{"line feed lost", "a\nb\n", "a\nb", "@@ -2 +2 @@\n-b\n+b\n\\ No newline at end of file\n"},
		{"line feed won", "b", "b\n", "@@ -1 +1 @@\n-b\n\\ No newline at end of file\n+b\n"},
		{"appended without one", "a", "a\nb", "@@ -1 +1,2 @@\n-a\n\\ No newline at end of file\n+a\n+b\n\\ No newline at end of file\n"},
		{"end of a line", "xb\n", "b\n", "@@ -1 +1 @@\n-xb\n+b\n"},
		{"only in front", "b\nb\n", "a\nb\nb\n", "@@ -0,0 +1 @@\n+a\n"},
		{"what a terminal obeys", "", "\x1b[2J\xff\r\t\u202e é\n", "@@ -0,0 +1 @@\n+\\x1b[2J\\xff\\x0d\t\\u202e é\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := syscheck.Unified([]byte(tt.before), []byte(tt.after)); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// many returns so many lines, none like another.
func many(word string, n int) []byte {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintln(&b, word, i)
	}
	return b.Bytes()
}

func TestUnifiedBounds(t *testing.T) {
	const mark = "... diff was truncated ...\n"
	long := bytes.Repeat([]byte("x"), 1<<20)
	for _, tt := range []struct {
		name          string
		before, after []byte
		want          []string
	}{
		{"many added", nil, many("a", 100), []string{"+a 0\n", "+a 62\n"}},
		{"many removed, to hide what is added", many("a", 100), many("b", 100), []string{"-a 0\n", "+b 0\n", "+b 30\n"}},
		{"many removed, few added", many("a", 100), many("b", 3), []string{"-a 0\n", "-a 58\n", "+b 2\n"}},
		{"long lines", append(long, '\n'), append(bytes.Clone(long), "y\n"...), nil},
		{"long lines removed", bytes.Repeat(append(bytes.Repeat([]byte("x"), 400), '\n'), 50), many("b", 2), []string{"+b 1\n"}},
		{"a new text of a million lines", bytes.Repeat([]byte("\n"), 1<<20), many("a", 100_000), []string{"+a 1\n"}},
		{"two that have little in common", mixed(1, 30_000), mixed(2, 30_000), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := syscheck.Unified(tt.before, tt.after)
			if n := strings.Count(got, "\n"); n > 65 || len(got) > 8<<10+len(mark) {
				t.Errorf("%d lines, %d bytes", n, len(got))
			}
			if tt.want != nil && !strings.HasSuffix(got, mark) {
				t.Errorf("not marked: %.200q", got)
			}
			for _, w := range tt.want {
				if !strings.Contains(got, w) {
					t.Errorf("without %q: %s", w, got)
				}
			}
		})
	}
}

// mixed returns n lines out of a few.
func mixed(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 0))
	var b bytes.Buffer
	for range n {
		fmt.Fprintln(&b, r.IntN(5))
	}
	return b.Bytes()
}

// FuzzUnified holds a difference to what patch makes of it: the second text.
func FuzzUnified(f *testing.F) {
	f.Add("a\nb\nc\n", "a\nc\nd")
	f.Add("", "\n\n")
	f.Fuzz(func(t *testing.T, before, after string) {
		diff := syscheck.Unified([]byte(before), []byte(after))
		if (diff == "") != (before == after) {
			t.Fatalf("%q for %q, %q", diff, before, after)
		}
		plain := func(s string) bool {
			return !strings.ContainsFunc(s, func(r rune) bool { return r != '\n' && r < ' ' || r >= 0x7f })
		}
		if strings.Contains(diff, "truncated") || strings.Contains(diff, "…") || !plain(before+after) {
			return
		}
		if got := apply(t, before, diff); got != after {
			t.Fatalf("%q with %q gives %q, want %q", before, diff, got, after)
		}
	})
}

// apply applies a difference without context.
func apply(t *testing.T, text, diff string) string {
	var from []string
	if text != "" {
		from = strings.SplitAfter(text, "\n")
	}
	var out strings.Builder
	done, last := 0, byte(0)
	for line := range strings.Lines(diff) {
		switch line[0] {
		case '@':
			var a, an int
			if n, _ := fmt.Sscanf(line, "@@ -%d,%d", &a, &an); n < 2 {
				an = 1
			}
			if an > 0 {
				a--
			}
			for ; done < a; done++ {
				out.WriteString(from[done])
			}
		case '-':
			if strings.TrimSuffix(from[done], "\n") != line[1:len(line)-1] {
				t.Fatalf("removes %q where there is %q", line, from[done])
			}
			done++
		case '+':
			out.WriteString(line[1:])
		case '\\':
			if last == '+' {
				s := strings.TrimSuffix(out.String(), "\n")
				out.Reset()
				out.WriteString(s)
			}
		}
		last = line[0]
	}
	for ; done < len(from); done++ {
		out.WriteString(from[done])
	}
	return out.String()
}

// TestUnifiedIsShortest compares with what diff makes of random texts.
func TestUnifiedIsShortest(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	dir := tempDir(t)
	for range 100 {
		a, b := mixed(r.Uint64(), r.IntN(25)), mixed(r.Uint64(), r.IntN(25))
		write(t, filepath.Join(dir, "a"), string(a))
		write(t, filepath.Join(dir, "b"), string(b))
		cmd := exec.Command("diff", "-U0", "--minimal", "a", "b")
		cmd.Dir = dir
		out, err := cmd.Output()
		if err != nil && cmd.ProcessState.ExitCode() != 1 {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(out), "\n")
		_, theirs, _ := strings.Cut(rest, "\n")
		ours := syscheck.Unified(a, b)
		if edits(ours) > edits(theirs) {
			t.Errorf("%q, diff has %q", ours, theirs)
		}
		if got := apply(t, string(a), ours); got != string(b) {
			t.Errorf("%q with %q gives %q", a, ours, got)
		}
	}
}

func edits(diff string) (n int) {
	for line := range strings.Lines(diff) {
		if line[0] == '+' || line[0] == '-' {
			n++
		}
	}
	return n
}

func BenchmarkUnified(b *testing.B) {
	before := many("a line of a configuration", 20_000)
	after := bytes.Replace(before, []byte("configuration 10000\n"), []byte("configuration changed\n"), 1)
	after = bytes.Replace(after, []byte("configuration 15000\n"), nil, 1)
	b.SetBytes(int64(len(before)))
	for b.Loop() {
		if len(syscheck.Unified(before, after)) > 400 {
			b.Fatal("not two places")
		}
	}
}
