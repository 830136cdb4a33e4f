// Package changelist folds what changed on many hosts into the lines of a list.
//
//	history of web1 ─► Host ─┐          a package's files on all hosts                       ─► one line
//	history of web2 ─► Host ─┼─► List ─► the same change (path, new state) on several hosts  ─► one line
//	history of web3 ─► Host ─┘          what changes all the time, from its fourth change on ─► one line
//
// It keeps of a change what a line shows, and no diff: a list of 5,000 hosts is as large as what differs on them.
//
// Which lines stand out follows from the facts that the built-in rules read, as syscheck.Change says them. Rules know more, such as which files are
// watched in any case: alerts have the last word.
package changelist

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/yagura-hids/yagura/internal/baseline"
	"github.com/yagura-hids/yagura/internal/syscheck"
)

// Options say what is listed, and how.
type Options struct {
	Profile  string            // only hosts of this profile; "" for all
	Path     func(string) bool // only these paths; nil for all
	Unfolded bool              // every change is a line
	Whole    bool              // lines keep their newest entry, diff and all
	Limit    int               // of what is unfolded, the newest so many lines are kept; 0 for all
}

// List is a list in the making. Its Hosts may be filled by several goroutines, each by one.
type List struct {
	o Options

	mu      sync.Mutex
	folded  map[key]*Line
	single  []Line // unfolded
	dropped int    // … that were older than the newest
}

// New returns an empty list.
func New(o Options) *List { return &List{o: o, folded: map[key]*Line{}} }

// Host is the part of a list that one host brings.
type Host struct {
	list    *List
	agent   string
	profile string
	folded  map[key]*Line
	single  []Line
	dropped int
}

// Host begins a host.
func (l *List) Host(agent string) *Host { return &Host{list: l, agent: agent, folded: map[key]*Line{}} }

// Add adds an entry of the host's history.
func (h *Host) Add(e baseline.Entry) {
	if n := e.Change.Notes; n != nil {
		h.profile = cmp.Or(h.profile, n.Profile)
	}
	if h.list.o.Path != nil && !h.list.o.Path(e.Change.Path) && (e.Change.From == "" || !h.list.o.Path(e.Change.From)) {
		return
	}
	if h.list.o.Unfolded {
		h.single = append(h.single, h.whole(&e, lineOf(&e)))
		h.single, h.dropped = newest(h.single, h.list.o.Limit, h.dropped)
		return
	}
	if e.Change.Type == syscheck.Packages && len(e.Change.Packages) > 0 {
		for i := range e.Change.Packages {
			h.fold(packageLine(&e, &e.Change.Packages[i]))
		}
		return
	}
	h.fold(h.whole(&e, foldedLine(&e)))
}

// whole gives a line its entry, if that's wanted.
func (h *Host) whole(e *baseline.Entry, l Line) Line {
	if h.list.o.Whole {
		l.Entry = e
	}
	return l
}

func (h *Host) fold(line Line) {
	k := line.key()
	if have := h.folded[k]; have != nil {
		have.again(&line)
		return
	}
	h.folded[k] = &line
}

// Done puts the host into its list.
func (h *Host) Done() {
	l := h.list
	if l.o.Profile != "" && h.profile != l.o.Profile {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.single, l.dropped = newest(append(l.single, h.single...), l.o.Limit, l.dropped+h.dropped)
	for k, line := range h.folded {
		if have := l.folded[k]; have != nil {
			have.merge(line)
		} else {
			l.folded[k] = line
		}
	}
}

// Lines returns the list, the newest line first, and how many older ones were dropped for its limit. It's the last call.
func (l *List) Lines() (lines []Line, dropped int) {
	lines = l.single
	for _, line := range l.folded {
		lines = append(lines, *line)
	}
	for i := range lines {
		lines[i].judge()
	}
	slices.SortStableFunc(lines, byTime)
	if l.o.Limit > 0 && l.o.Unfolded && len(lines) > l.o.Limit {
		l.dropped += len(lines) - l.o.Limit
		lines = lines[:l.o.Limit]
	}
	return lines, l.dropped
}

// newest drops the oldest of lines if there are many more than the limit.
func newest(lines []Line, limit, dropped int) (kept []Line, dropping int) {
	if limit <= 0 || len(lines) < 2*limit {
		return lines, dropped
	}
	slices.SortStableFunc(lines, byTime)
	dropped += len(lines) - limit
	clear(lines[limit:])
	return lines[:limit], dropped
}

// byTime orders the newest first, and what came at once by its words.
func byTime(a, b Line) int {
	return cmp.Or(b.Time.Compare(a.Time), strings.Compare(a.Path, b.Path), strings.Compare(a.What, b.What),
		strings.Compare(a.Agents[0], b.Agents[0]), strings.Compare(a.state, b.state))
}

// key is what is the same in the changes of a line.
type key struct{ what, path, from, state string }

// Profile is how far a change has got in a profile.
type Profile struct {
	Name  string `json:"profile"`
	Hosts int    `json:"hosts"` // that the line is of
	Same  int    `json:"same"`  // that have it so, whenever they got it
	Of    int    `json:"of"`    // all of its hosts; 0 if that isn't known
}

// Line is a line of a list: a change of one or many hosts.
type Line struct {
	Time     time.Time `json:"time"`            // of the newest change
	First    time.Time `json:"first"`           // … of the oldest
	What     string    `json:"what"`            // a syscheck.Change's type or, of a package, Installed, Upgraded, Again or Removed
	Path     string    `json:"path,omitempty"`  // of a package, its name
	From     string    `json:"from,omitempty"`  // of a moved file: its path before
	Files    int       `json:"files,omitempty"` // of a package: how many files changed, on the host where they are most
	Changes  int       `json:"changes"`         // how many changes the line is of
	Hosts    int       `json:"hosts"`
	Agents   []string  `json:"agents"` // the first of them by their ids, at most MaxAgents
	Profiles []Profile `json:"profiles,omitempty"`

	Mark    Mark            `json:"mark"`
	Quiet   []string        `json:"quiet,omitempty"`   // why it is
	Remarks []string        `json:"remarks,omitempty"` // what else is to be known, such as new permissions
	Package *Package        `json:"package,omitempty"` // that the line is of
	Entry   *baseline.Entry `json:"entry,omitempty"`   // the newest of what the line is of, if Options.Whole

	state      string // names the new state
	by         string // the agent of the newest change
	privileged bool   // the file is more than data
	told       int    // of a package: the files that its host told of, at its end
}

// Package is a version of a package that came or went.
type Package struct {
	Manager string `json:"manager"`
	Name    string `json:"name"`
	Arch    string `json:"arch,omitempty"`
	From    string `json:"from,omitempty"`
	To      string `json:"to,omitempty"`
}

// MaxAgents is how many hosts a Line names.
const MaxAgents = 10

// Mark tells how much a line matters.
type Mark int

// The marks.
const (
	Quiet Mark = iota // it was expected
	Full              // nothing says why it should be
	First             // … and it's on one host alone, or the file is more than data, or somebody isn't believed
)

var marks = [...]string{"", "!", "!!"}

// String returns "", "!" or "!!".
func (m Mark) String() string { return marks[m] }

// MarshalText returns quiet, full or first.
func (m Mark) MarshalText() ([]byte, error) {
	return []byte([...]string{"quiet", "full", "first"}[m]), nil
}
