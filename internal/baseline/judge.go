package baseline

import (
	"time"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/syscheck"
)

// Judge compares an integrity event with the baseline, which it changes, and returns the event for the rules: ev itself if it's of another kind. Of an event
// that was judged before it returns what it did then, and changes nothing. Its errors are the table's: the event must then be judged again.
func (k *Keeper) Judge(ev *event.Event) (*event.Event, error) {
	if ev.Kind != event.Syscheck {
		return ev, nil
	}
	c, err := syscheck.Parse(ev.Text)
	if err != nil {
		return ev, nil //nolint:nilerr // the engine says so
	}
	c.Notes = nil
	h, err := k.host(ev)
	if err != nil {
		return nil, err
	}
	if h.dealt(ev.ID) {
		return k.again(h, ev, c)
	}
	switch {
	case c.Type == syscheck.DigestsType:
		return k.compare(h, ev)
	case c.Type == syscheck.Packages:
		c.Path, c.Before, c.After = "", nil, nil
		c.Notes = &syscheck.Notes{}
		if err := k.window(h, ev, &c); err != nil {
			return nil, err
		}
		return k.told(h, ev, c, nil)
	case !kinds[c.Type]: // also those that only a server makes
		return with(ev, syscheck.Change{Type: "unknown"}), nil
	case c.Path == "":
		return with(ev, c), nil
	}
	return k.change(h, ev, c)
}

// kinds are the types of changes of files that agents tell.
var kinds = map[string]bool{
	syscheck.Baseline: true, syscheck.Added: true, syscheck.Modified: true, syscheck.Deleted: true, syscheck.Moved: true, syscheck.Unwatched: true,
}

// with returns the event with another text.
func with(ev *event.Event, c syscheck.Change) *event.Event {
	out := *ev
	out.Text = c.String()
	return &out
}

// silent returns the event as one that is no news.
func silent(ev *event.Event, c syscheck.Change) *event.Event {
	return with(ev, syscheck.Change{Type: syscheck.Baseline, Path: c.Path, After: c.After})
}

// again returns what was said of an event when it was judged first. One that is older than what was judged, and of which the history knows
// nothing, comes too late for the baseline, and is told as its agent tells it.
func (k *Keeper) again(h *host, ev *event.Event, c syscheck.Change) (*event.Event, error) {
	if c.Type == syscheck.Baseline || c.Type == syscheck.Unwatched {
		return silent(ev, c), nil
	}
	at := place{ev.ID.Epoch, ev.ID.Seq}
	e := h.told[at]
	if e == nil {
		var err error
		if e, err = k.remembered(h, at); err != nil {
			return nil, err
		}
	}
	if e != nil {
		return with(ev, *e.Change), nil
	}
	if c.Type == syscheck.DigestsType {
		return silent(ev, c), nil
	}
	return with(ev, c), nil
}

// told makes a change of files, and what it does, an entry of the journal, and returns the event for the rules.
func (k *Keeper) told(h *host, ev *event.Event, c syscheck.Change, effects []effect) (*event.Event, error) {
	out := with(ev, c)
	if len(out.Text) > event.MaxText {
		c.Diff = ""
		out = with(ev, c)
	}
	return out, h.add(entry{Epoch: ev.ID.Epoch, Seq: ev.ID.Seq, Time: ev.Time.UnixNano(), Change: &c, Effects: effects})
}

// quiet keeps what a change does, of which nothing is to be told.
func (k *Keeper) quiet(h *host, ev *event.Event, c syscheck.Change, effects []effect) (*event.Event, error) {
	return silent(ev, c), h.add(entry{Epoch: ev.ID.Epoch, Seq: ev.ID.Seq, Time: ev.Time.UnixNano(), Effects: effects})
}

// normal makes records of an agent comparable: times as UTC.
func normal(r *syscheck.Record) {
	if r != nil {
		r.MTime = r.MTime.UTC()
	}
}

// change judges a change of a file.
func (k *Keeper) change(h *host, ev *event.Event, c syscheck.Change) (*event.Event, error) {
	normal(c.Before)
	normal(c.After)
	old, err := k.known(h, c.Path)
	if err != nil {
		return nil, err
	}
	switch c.Type {
	case syscheck.Baseline, syscheck.Added, syscheck.Modified, syscheck.Moved:
		if c.After == nil {
			c.After = &syscheck.Record{}
		}
	case syscheck.Unwatched:
		if old == nil {
			return silent(ev, c), h.pass(ev)
		}
		return k.quiet(h, ev, c, []effect{between(c.Path, old, nil)})
	default:
		c.After = nil
	}
	if c.Type == syscheck.Baseline {
		return k.baseline(h, ev, c, old)
	}
	return k.news(h, ev, c, old)
}

// between returns the effect that makes of what is known of a path something else; nil is nothing.
func between(path string, old, now *known) effect {
	var f effect
	if old != nil {
		w := pack(path, old)
		f.Old = &w
	}
	if now != nil {
		w := pack(path, now)
		f.New = &w
	}
	return f
}

// baseline judges what an agent tells of a file because it looked at it first, or was asked.
func (k *Keeper) baseline(h *host, ev *event.Event, c syscheck.Change, old *known) (*event.Event, error) {
	now := &known{record: c.After}
	file := old.file()
	switch {
	case file != nil && *file == *c.After:
		return k.heard(h, ev, c)
	case file != nil && !differs(file, c.After): // more or less is known of it than was
		now.changes = old.changes
		return k.quiet(h, ev, c, []effect{between(c.Path, old, now)})
	case h.state.First && (file == nil || !h.itself(c.Path)):
		return k.first(h, ev, c, old)
	case file == nil && !h.asked(c.Path) && (h.state.Epoch == ev.ID.Epoch || h.state.Epoch == 0):
		return k.quiet(h, ev, c, []effect{between(c.Path, old, now)}) // its configuration speaks of more files
	case file == nil:
		c.Type = syscheck.Added
	default:
		c.Type, c.Before = syscheck.Modified, file
	}
	c.Notes = &syscheck.Notes{Cache: true}
	return k.news(h, ev, c, old)
}

// heard notes that a file was told again as it is known, if that was asked for.
func (k *Keeper) heard(h *host, ev *event.Event, c syscheck.Change) (*event.Event, error) {
	if !h.asked(c.Path) {
		return silent(ev, c), h.pass(ev)
	}
	return silent(ev, c), h.add(entry{Epoch: ev.ID.Epoch, Seq: ev.ID.Seq, Time: ev.Time.UnixNano(), Heard: c.Path})
}

// asked tells whether the agent was asked to tell again what it knows of a path.
func (h *host) asked(path string) bool {
	b := syscheck.Bucket(path)
	for _, asked := range h.state.Asked {
		if asked == b {
			return true
		}
	}
	return false
}

// first judges a file of a host's first scan that is not as in its image, or has no image to be as in.
func (k *Keeper) first(h *host, ev *event.Event, c syscheck.Change, old *known) (*event.Event, error) {
	now := &known{record: c.After}
	effects := []effect{between(c.Path, old, now)}
	if h.state.Image == "" || h.founder {
		return k.quiet(h, ev, c, effects)
	}
	before := old.file()
	if privileged(before, c.After) == "" {
		return silent(ev, c), h.add(entry{Epoch: ev.ID.Epoch, Seq: ev.ID.Seq, Time: ev.Time.UnixNano(), Effects: effects, Differs: true})
	}
	c.Type, c.Before = syscheck.Added, before
	if before != nil {
		c.Type = syscheck.Modified
	}
	c.Notes = &syscheck.Notes{Image: h.state.Image}
	if err := k.note(h, ev, &c); err != nil {
		return nil, err
	}
	return k.told(h, ev, c, effects)
}

// believe puts what the server knows of a file in the place of what the agent says that it was, and notes if the two differ. Where the file already is as
// the server knows it, the agent's word stands: it is then what was in between. Before the first scan has ended the server needn't know
// a file.
func believe(c *syscheck.Change, file *syscheck.Record, first bool) {
	if file == nil && !first || file != nil && c.Before != nil && differs(file, c.Before) {
		c.Notes.Cache = true
	}
	if file != nil && (c.After == nil || c.Before == nil || differs(file, c.After)) {
		c.Before = file
	}
}

// itself tells whether what is known of a path was told by the host itself, and isn't only that of its image.
func (h *host) itself(path string) bool {
	b := syscheck.Bucket(path)
	_, late := h.overlay[b][path]
	own := h.own.buckets[b]
	if own == nil { // not looked at: the overlay knows it
		return late
	}
	_, folded := own.records[path]
	return late || folded
}

// maxNamed is how many files a message names.
const maxNamed = 100

// news judges a change that is to be told.
func (k *Keeper) news(h *host, ev *event.Event, c syscheck.Change, old *known) (*event.Event, error) {
	notes := c.Notes
	if notes == nil {
		notes = &syscheck.Notes{}
		c.Notes = notes
	}
	effects, err := k.truth(h, ev.Time, &c, old)
	if err != nil {
		return nil, err
	}
	if c.Type == syscheck.Baseline { // the agent didn't know what the server does
		return k.quiet(h, ev, c, effects)
	}
	if err := k.note(h, ev, &c); err != nil {
		return nil, err
	}
	return k.told(h, ev, c, effects)
}

// truth puts what the server knows in the place of what the agent says of the time before, and returns what the change does.
func (k *Keeper) truth(h *host, at time.Time, c *syscheck.Change, old *known) ([]effect, error) {
	now := &known{record: c.After}
	if old != nil {
		now.changes = old.changes + 1
	}
	file := old.file()
	var effects []effect
	switch c.Type {
	case syscheck.Added:
		switch {
		case old != nil && file == nil:
			c.Type = syscheck.Readded
		case file != nil && !differs(file, c.After):
			now.changes = old.changes
			c.Type = syscheck.Baseline
		case file != nil:
			c.Type, c.Before, c.Notes.Cache = syscheck.Modified, file, true
		}
	case syscheck.Modified:
		believe(c, file, h.state.First)
	case syscheck.Deleted:
		believe(c, file, h.state.First)
		now.gone = max(at.Unix(), 1)
	case syscheck.Moved:
		from, err := k.known(h, c.From)
		if err != nil {
			return nil, err
		}
		believe(c, from.file(), h.state.First)
		if from != nil {
			now.changes = from.changes + 1
		}
	}
	if c.From != "" && c.From != c.Path {
		from, err := k.known(h, c.From)
		if err != nil {
			return nil, err
		}
		effects = append(effects, between(c.From, from, &known{gone: max(at.Unix(), 1), changes: from.count() + 1}))
	}
	c.Notes.Changes = now.changes
	return append(effects, between(c.Path, old, now)), nil
}
