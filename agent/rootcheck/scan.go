package rootcheck

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
)

// check is one of the checks.
type check struct {
	bit  Check
	name string
	run  func(ctx context.Context, s *scan) error
}

// scan is one run of all checks.
type scan struct {
	conf  Config
	proc  string // where /proc is
	db    *databases
	pace  *throttle
	warn  func(msg string)
	lstat func(path string) (fs.FileInfo, error)
	tell  func(ctx context.Context, f []Finding) error

	name    string // of the check under way
	fresh   []Finding
	count   int
	present map[string]bool // the texts found, so that none is told twice
	buf     []byte          // for reading files
}

// scan reads the databases and returns a scan that holds them: between checks they take no memory.
func (r *Rootcheck) scan(pace *throttle) *scan {
	db, faults := r.load()
	r.update(func(st *Stats) { st.Faults = faults.Len() })
	if err := faults.Err(); err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			r.opts.Report("rootcheck: " + line)
		}
	}
	return &scan{conf: r.conf, proc: r.opts.Proc, db: db, pace: pace, warn: r.opts.Report, lstat: r.lstat, present: map[string]bool{}}
}

// found notes a finding, in OSSEC's words.
func (s *scan) found(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if s.present[text] {
		return
	}
	if s.count++; s.count > maxFindings {
		if s.count == maxFindings+1 {
			s.warn(fmt.Sprintf("rootcheck: more than %d findings; the others are not told, mend these first", maxFindings))
		}
		return
	}
	s.present[text] = true
	s.fresh = append(s.fresh, Finding{Check: s.name, Text: text})
}

// rest lets others work, and tells what was found if it's much.
func (s *scan) rest(ctx context.Context) error {
	if len(s.fresh) >= 100 {
		if err := s.flush(ctx); err != nil {
			return err
		}
	}
	return s.pace.rest(ctx)
}

func (s *scan) flush(ctx context.Context) error {
	fresh := s.fresh
	s.fresh = nil
	if len(fresh) == 0 {
		return nil
	}
	return s.tell(ctx, fresh)
}

// at returns where an absolute path is, below base_directory.
func (s *scan) at(path string) string {
	if s.conf.Base == "" || s.conf.Base == "/" {
		return path
	}
	return filepath.Join(s.conf.Base, path)
}
