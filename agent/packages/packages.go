// Package packages knows what the host's package manager says it installed, so that its own work on files can be told from that of others.
//
//	/var/lib/dpkg/status, updates/ ─┐                        ┌─ before: package ─► version, paths (kept over restarts)
//	info/*.list, *.md5sums          ├─► states ─► Refresh ───┤
//	rpm -qa                         ┘  (when it changed)     └─ Work: package, from, to, run, paths that are gone (kept, too)
//	                                                              │
//	path, content ─────────────────────────────────► Link ◄───────┴── paths and digests of these packages alone, while they are asked for
//
// A change is the manager's if its package was installed, upgraded, put there again or removed since the files were looked at, and the database has just this
// content now; a file that is gone, if such a package had it and none has it now. Whoever can change the database can make it say anything: the
// server compares what it says across hosts.
package packages

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"github.com/yagura-hids/yagura/internal/syscheck"
)

// Options are what an Index works with.
type Options struct {
	Root   string           // below which the host's files lie; "" for /
	Report func(msg string) // tells of trouble; nil for nothing
	// What is remembered, as the last Put said. The Index calls them only within its own methods.
	Each func(fn func(key string, value []byte) error) error
	Put  func(key string, value []byte) // value is nil: no more
}

// Index is what is known of the host's packages. One goroutine at a time may use it.
type Index struct {
	o        Options
	managers []manager
	known    map[string]string // a manager's name ─► the state of the database that was read last
	first    map[string]bool   // … of which nothing is known of before
	work     map[string]*Work
	paths    aliases
	files    *files // of the packages in work; nil while nobody asks
	failed   bool   // which was told
}

// manager is a package manager's database.
type manager interface {
	name() string
	stamp() string // another one when the database changed; "" if there is none
	busy() bool    // it is being changed
	// states returns the state of each package that isn't half way between two, by its key: its name, and what tells it from others of that name.
	states(ctx context.Context) (map[string]state, map[string]bool, error)
	// files calls fn for each path of these packages that is no directory, with its digest if that is asked for.
	files(ctx context.Context, keys map[string]bool, digests bool, fn func(key, path string, sum digest)) error
	// times returns when packages became what they are now, and which run of the manager did it, as far as its log tells.
	times(changed map[string]state) map[string]deed
}

// state is what a database says of a package.
type state struct {
	version   string
	installed bool   // its files are in place; else there are settings left of it, at most
	settled   bool   // the manager is done with it
	written   int64  // when its list of files was made: another one if the same version was installed again
	run       string // the run that installed it, if the database tells
}

// same tells whether nothing was done to the package's files.
func (s state) same(o state) bool {
	return s.version == o.version && s.installed == o.installed && s.written == o.written
}

// deed is when something was done, and in which run.
type deed struct {
	at  time.Time
	run string
}

// Work is what the manager did to a package since all files were looked at.
type Work struct {
	Package syscheck.Package
	Seen    time.Time `json:"seen"`            // when the Index saw it last that something was done
	Told    bool      `json:"told,omitempty"`  // that it was done
	Live    int       `json:"live,omitempty"`  // changes that were told as this package's and aren't counted in a Packages event: noticed as they happened
	Found   int       `json:"found,omitempty"` // … by a scan

	key  string
	gone []uint64 // hashes of paths, sorted, that were the package's and are nobody's
}

// New returns an Index of what is remembered. Its error is that of Each.
func New(o Options) (*Index, error) {
	x := &Index{o: o, known: map[string]string{}, first: map[string]bool{}, work: map[string]*Work{}}
	if x.o.Report == nil {
		x.o.Report = func(string) {}
	}
	x.managers = []manager{&dpkg{root: o.Root}}
	if path, err := exec.LookPath("rpm"); err == nil {
		x.managers = append(x.managers, &rpm{root: o.Root, path: path})
	}
	for _, m := range x.managers {
		x.first[m.name()] = true
	}
	return x, o.Each(x.remember)
}

func (x *Index) remember(key string, value []byte) error {
	switch space, name := split(key); space {
	case spaceDatabase:
		x.known[name], x.first[name] = string(value), false
	case spaceWork:
		if w, err := parseWork(name, value); err == nil { // else it is as if it were told
			x.work[name] = w
		}
	}
	return nil
}

// Busy tells whether a package manager is at work.
func (x *Index) Busy() bool {
	for _, m := range x.managers {
		if m.busy() {
			return true
		}
	}
	return false
}

// Stale tells whether a database is another one than the Index has read.
func (x *Index) Stale() bool {
	for _, m := range x.managers {
		if stamp := m.stamp(); stamp != "" && stamp != x.known[m.name()] {
			return true
		}
	}
	return false
}

// Refresh reads what changed in the databases. now is the time to remember it by.
func (x *Index) Refresh(ctx context.Context, now time.Time) {
	for _, m := range x.managers {
		stamp := m.stamp()
		if stamp == "" || stamp == x.known[m.name()] {
			continue
		}
		x.known[m.name()] = stamp // of before it is read
		r := refresh{Index: x, m: m, now: now}
		if err := r.all(ctx); err != nil {
			x.tell(fmt.Errorf("%s: %w", m.name(), err))
			continue
		}
		x.first[m.name()] = false
		x.o.Put(spaceDatabase+m.name(), []byte(stamp))
	}
}

// tell tells once that a database can't be read.
func (x *Index) tell(err error) {
	if x.failed || errors.Is(err, context.Canceled) {
		return
	}
	x.failed = true
	x.o.Report(fmt.Sprintf("syscheck: packages: %v; what a package manager changes is told as if somebody else had; "+
		"it is tried again when the database changes; <packages>no</packages> ends that", err))
}

// Pending tells whether there is work of which files were told and not counted yet.
func (x *Index) Pending(live bool) bool {
	for _, w := range x.work {
		if live && w.Live > 0 || !live && w.Found > 0 {
			return true
		}
	}
	return false
}

// Count remembers that a change was told as that work's.
func (x *Index) Count(w *Work, live bool) {
	if live {
		w.Live++
	} else {
		w.Found++
	}
	x.keep(w)
}

// Take returns the packages whose changes weren't counted in an event yet, with their numbers, and remembers that they are now.
func (x *Index) Take(live bool) (list []syscheck.Package) {
	for _, w := range x.work {
		p := w.Package
		n := &w.Found
		if live {
			n = &w.Live
		}
		if p.Files, *n = *n, 0; p.Files > 0 {
			w.Told = true
			x.keep(w)
			list = append(list, p)
		}
	}
	return list
}

// Forget forgets the work that was seen before all files were looked at.
func (x *Index) Forget(began time.Time) {
	for key, w := range x.work {
		if !w.Seen.After(began) && w.Live == 0 && w.Found == 0 {
			delete(x.work, key)
			x.o.Put(spaceWork+key, nil)
		}
	}
	x.Release()
}

// Loaded tells whether there is something to release.
func (x *Index) Loaded() bool { return x.files != nil }

// Release gives the memory back that Link needs.
func (x *Index) Release() { x.files = nil }
