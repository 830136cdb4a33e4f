package rootcheck

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/yagura-hids/yagura/internal/pattern"
)

const (
	maxHits = 256       // files of one entry that are told
	maxRead = 256 << 20 // bytes of a file that are read
)

// audit holds the host against policies.
type audit struct {
	*scan
	processes []string // the commands that run; nil if not looked yet
}

// policies returns the check that runs the policies for a.
func policies(a audience) func(ctx context.Context, s *scan) error {
	return func(ctx context.Context, s *scan) error {
		run := &audit{scan: s}
		for _, p := range s.db.policies[a] {
			for _, e := range p.entries {
				if err := s.rest(ctx); err != nil {
					return err
				}
				hits, ok, err := run.entry(ctx, e)
				if err != nil {
					return err
				}
				if ok {
					s.tellEntry(a, e, hits)
				} else if e.required {
					break
				}
			}
		}
		return nil
	}
}

// tellEntry tells of an entry that holds: once for each hit, or once if it holds because something is missing.
func (s *scan) tellEntry(a audience, e *entry, hits []string) {
	if len(hits) == 0 {
		hits = []string{""}
	}
	reference := ""
	if e.reference != "" {
		reference = fmt.Sprintf(" Reference: %s .", e.reference)
	}
	for _, hit := range hits {
		s.found("%s %s.%s%s", a, e.title, hit, reference)
	}
}

// entry tells whether an entry holds, and by what, as it stands in the finding: " File: /etc/x.". Of d: all files are told, of others the first.
func (a *audit) entry(ctx context.Context, e *entry) (hits []string, holds bool, err error) {
	if e.broken || len(e.tests) == 0 {
		return nil, false, nil
	}
	for i := range e.tests {
		t := &e.tests[i]
		found, ok, err := a.test(ctx, t)
		if err != nil {
			return nil, false, err
		}
		ok = ok != t.negated
		if !ok && e.all {
			return nil, false, nil
		}
		if !ok {
			continue
		}
		if holds = true; t.kind == 'd' || len(hits) == 0 {
			hits = append(hits, found...)
		}
		if !e.all && t.kind != 'd' {
			break
		}
	}
	return hits, holds, nil
}

// test makes one test, without its negation. What hit is told only if the test found something that is there.
func (a *audit) test(ctx context.Context, t *test) (hits []string, ok bool, err error) {
	switch t.kind {
	case 'f':
		for _, path := range t.values {
			if ok, err := a.file(ctx, path, t.pattern); ok || err != nil {
				return []string{" File: " + path + "."}, ok, err
			}
		}
		return nil, false, nil
	case 'd':
		for _, dir := range t.values {
			if err := a.dir(ctx, dir, t, &hits); err != nil {
				return nil, false, err
			}
		}
		return hits, len(hits) > 0, nil
	case 'p':
		if a.processes == nil {
			a.processes = processes(ctx, a.proc)
		}
		for _, command := range a.processes {
			if t.pattern.text(command) {
				return []string{" Process: " + command + "."}, true, nil
			}
		}
		return nil, false, nil
	}
	key, ok := registry(t)
	if !ok {
		return nil, false, nil
	}
	return []string{" Registry: " + key + "."}, true, nil
}

// file tells whether a file is there, or has what the pattern wants. One that can't be read has nothing.
func (a *audit) file(ctx context.Context, path string, pp *policyPattern) (bool, error) {
	path = a.at(expandPath(path))
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return false, nil // it's not there, or nobody can say
	case pp == nil:
		return true, nil
	case !info.Mode().IsRegular():
		return false, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return false, nil // as above
	}
	defer f.Close() //nolint:errcheck // nothing was written
	return a.lines(ctx, f, pp)
}

// lines looks for a line that the pattern wants. Of a line the first 64 KiB count, of a file the first 256 MiB.
func (a *audit) lines(ctx context.Context, f io.Reader, pp *policyPattern) (bool, error) {
	var text pattern.Text
	r := bufio.NewReaderSize(io.LimitReader(f, maxRead), 64<<10)
	for {
		if err := a.rest(ctx); err != nil {
			return false, err
		}
		line, err := readLine(r)
		if err != nil && line == "" {
			return pp.allNegated && err == io.EOF, nil
		}
		text.Reset(line)
		if pp.line(&text) != pp.allNegated {
			return !pp.allNegated, nil
		}
	}
}

// readLine returns the next line without its end. A line that is longer than the buffer is cut.
func readLine(r *bufio.Reader) (string, error) {
	b, err := r.ReadSlice('\n')
	line := string(b)
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = r.ReadSlice('\n')
	}
	return strings.TrimRight(line, "\r\n"), err
}

// dir looks at what is below a directory, and at the directory itself if the test says nothing of names.
func (a *audit) dir(ctx context.Context, dir string, t *test, hits *[]string) error {
	root := a.at(expandPath(dir))
	if t.name == nil {
		if info, err := os.Stat(root); err == nil && info.IsDir() {
			*hits = append(*hits, " File: "+dir+".")
		}
		return nil
	}
	var text pattern.Text
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err := a.rest(ctx); err != nil {
			return err
		}
		if err != nil || path == root {
			return nil //nolint:nilerr // what can't be read holds nothing
		}
		text.Reset(d.Name())
		if !t.name.p.Match(&text) {
			return nil
		}
		shown := filepath.Join(dir, strings.TrimPrefix(path, root))
		ok, err := a.file(ctx, shown, t.pattern)
		if ok {
			*hits = append(*hits, " File: "+shown+".")
		}
		if len(*hits) >= maxHits {
			return filepath.SkipAll
		}
		return err
	})
}
