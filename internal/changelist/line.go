package changelist

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/yagura-hids/yagura/internal/baseline"
	"github.com/yagura-hids/yagura/internal/syscheck"
)

// What became of a package.
const (
	Installed = "installed"
	Upgraded  = "upgraded"
	Again     = "installed again"
	Removed   = "removed"
)

// lineOf is the line of one change.
func lineOf(e *baseline.Entry) Line {
	c := &e.Change
	l := Line{
		Time: e.Time, First: e.Time, What: c.Type, Path: c.Path, From: c.From, Changes: 1, Hosts: 1, Agents: []string{e.Agent},
		Mark: Full, Remarks: remarks(c), state: State(c.After), by: e.Agent,
	}
	if c.Type == syscheck.Modified {
		l.From = "" // a remark tells
	}
	n := c.Notes
	if n == nil {
		n = &syscheck.Notes{}
	}
	if n.Hosts > 0 {
		l.Profiles = []Profile{{n.Profile, 1, n.Same, n.Hosts}}
	}
	l.Quiet = quiet(c, n)
	switch {
	case len(c.Doubts()) > 0 || c.Type == syscheck.Disagreement:
		l.Mark = First
	case len(l.Quiet) > 0 || uneventful(c):
		l.Mark = Quiet
	}
	l.privileged = n.Privileged != ""
	return l
}

// foldedLine is the line that a change goes into.
func foldedLine(e *baseline.Entry) Line {
	l := lineOf(e)
	switch c := &e.Change; {
	case c.Expected() == syscheck.ByPackage && c.Package != nil:
		l = packageLine(e, c.Package)
		l.Files = 1
	case c.Expected() == syscheck.Repeated:
		l.state, l.Quiet[0] = syscheck.Repeated, "changes all the time"
	case c.Type == syscheck.Scanned && c.Notes != nil:
		l.state = c.Notes.Image
	}
	return l
}

// packageLine is the line of a package, as its run's end tells of it.
func packageLine(e *baseline.Entry, p *syscheck.Package) Line {
	what := Upgraded
	switch {
	case p.From == "":
		what = Installed
	case p.To == "":
		what = Removed
	case p.From == p.To:
		what = Again
	}
	return Line{
		Time: e.Time, First: e.Time, What: what, Path: p.Name, Changes: 1, Hosts: 1, Agents: []string{e.Agent},
		Package: &Package{p.Manager, p.Name, p.Arch, p.From, p.To}, told: p.Files, by: e.Agent,
	}
}

func (l *Line) key() key {
	if p := l.Package; p != nil {
		return key{l.What, p.Manager + " " + p.Name + " " + p.Arch, p.From, p.To}
	}
	return key{l.What, l.Path, l.From, l.state}
}

// again adds an earlier change of the same host.
func (l *Line) again(o *Line) {
	l.Changes += o.Changes
	l.Files, l.told = l.Files+o.Files, max(l.told, o.told)
	l.mix(o)
}

// merge adds another host.
func (l *Line) merge(o *Line) {
	l.Changes += o.Changes
	l.Hosts += o.Hosts
	l.Files = max(l.Files, l.told, o.Files, o.told)
	if cmp.Or(o.Time.Compare(l.Time), strings.Compare(l.by, o.by)) > 0 { // the newest one speaks for all
		l.Remarks, l.Entry, l.by = o.Remarks, o.Entry, o.by
	}
	l.mix(o)
	l.Agents = slices.Compact(slices.Sorted(slices.Values(append(l.Agents, o.Agents...))))
	l.Agents = l.Agents[:min(len(l.Agents), MaxAgents)]
	for _, p := range o.Profiles {
		l.in(p)
	}
}

// mix takes what matters of both.
func (l *Line) mix(o *Line) {
	if o.Time.After(l.Time) {
		l.Time = o.Time
	}
	if o.First.Before(l.First) {
		l.First = o.First
	}
	l.Mark, l.privileged = max(l.Mark, o.Mark), l.privileged || o.privileged
	l.Quiet = slices.Compact(slices.Sorted(slices.Values(append(l.Quiet, o.Quiet...))))
}

// in counts a host of a profile.
func (l *Line) in(p Profile) {
	for i := range l.Profiles {
		if have := &l.Profiles[i]; have.Name == p.Name {
			have.Hosts, have.Same, have.Of = have.Hosts+p.Hosts, max(have.Same, p.Same), max(have.Of, p.Of)
			return
		}
	}
	l.Profiles = append(l.Profiles, p)
	slices.SortFunc(l.Profiles, func(a, b Profile) int { return strings.Compare(a.Name, b.Name) })
}

// judge says at last how much the line matters, now that all of its hosts are known.
func (l *Line) judge() {
	l.Files = max(l.Files, l.told)
	for i := range l.Profiles {
		p := &l.Profiles[i]
		p.Same = max(p.Same, p.Hosts)
		p.Of = max(p.Of, p.Same)
	}
	switch {
	case l.Mark == Quiet:
		return
	case l.Mark == Full && l.common():
		l.Mark, l.Quiet = Quiet, []string{onMost}
		return
	case l.privileged || l.alone():
		l.Mark = First
	}
	l.Quiet = nil
}

// onMost is why a line is quiet that most hosts have.
const onMost = "most have it"

// few is of how many hosts at least most or one say something.
const few = 3

// common tells whether most hosts have the change, wherever it is.
func (l *Line) common() bool {
	for _, p := range l.Profiles {
		if p.Of < few || 2*p.Same <= p.Of {
			return false
		}
	}
	return len(l.Profiles) > 0
}

// alone tells whether a host has the change that no other of its profile has.
func (l *Line) alone() bool {
	return l.Hosts == 1 && len(l.Profiles) == 1 && l.Profiles[0].Same <= 1 && l.Profiles[0].Of >= few
}

// Where says on which hosts it is:
//
//	web7      only here: web7      31 of 50 hosts of web      2 of 50 hosts of web: web1, web7      34 hosts of db and web
func (l *Line) Where() string {
	names := strings.Join(l.Agents, ", ")
	switch {
	case l.alone():
		return "only here: " + names
	case l.Hosts == 1:
		return names
	}
	where := count(l.Hosts, "host")
	switch len(l.Profiles) {
	case 0:
	case 1:
		where = fmt.Sprintf("%s of %s of %s", thousands(l.Hosts), count(l.Profiles[0].Of, "host"), l.Profiles[0].Name)
	case 2:
		where += " of " + l.Profiles[0].Name + " and " + l.Profiles[1].Name
	default:
		where += " of " + count(len(l.Profiles), "profile")
	}
	if l.Hosts <= few {
		where += ": " + names
	}
	return where
}

// Why says what else is to be known: what became of the file or the package, why it is quiet, if it is, and how often it changed.
func (l *Line) Why() []string {
	why := slices.Clone(l.Remarks)
	if l.Package != nil {
		why = append(why, l.Package.versions())
	}
	if l.Files > 0 {
		why = append(why, count(l.Files, "file"))
	}
	quiet := l.Quiet
	if p := l.Profiles; l.Hosts == 1 && len(p) == 1 && p[0].Same > 1 { // on hosts that aren't listed, or have lines of their own
		why = append(why, fmt.Sprintf("the same on %s of %s of %s", thousands(p[0].Same), count(p[0].Of, "host"), p[0].Name))
		quiet = slices.DeleteFunc(slices.Clone(quiet), func(q string) bool { return q == onMost })
	}
	why = append(why, quiet...)
	if l.Package == nil && l.Changes > l.Hosts {
		why = append(why, count(l.Changes, "time"))
	}
	return why
}

// versions are those of a package: "3.0.13-1 → 3.0.14-1", or the one that came or went.
func (p *Package) versions() string {
	if p.From != "" && p.To != "" && p.From != p.To {
		return p.From + " → " + p.To
	}
	return cmp.Or(p.To, p.From)
}

// count writes "1 host" or "2,000 hosts".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return thousands(n) + " " + what + "s"
}

// thousands writes 2,000.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
