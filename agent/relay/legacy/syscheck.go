package legacy

import (
	"strings"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/syscheck"
)

// started notes that an agent has started: it will tell all that it watches. Only the end of such a scan says that a file that isn't known is new.
// Those of later scans don't: an agent that comes here from another server tells changes only.
func (k *Known) started(m *Message) error {
	return k.heard(m, func(st *state) { st.Telling = true })
}

// ended notes that an agent has told all its files; its registry's keys follow.
func (k *Known) ended(m *Message) error {
	return k.heard(m, func(st *state) { st.Whole = st.Whole || st.Telling })
}

// whole notes that it has told the keys, too. 2.8 says so at the end of its second scan only.
func (k *Known) whole(m *Message) error {
	return k.heard(m, func(st *state) { st.Telling, st.Whole, st.Keys = false, st.Whole || st.Telling, st.Keys || st.Telling })
}

func (k *Known) heard(m *Message, change func(st *state)) error {
	st, err := k.state(m.Agent)
	if err != nil {
		return err
	}
	change(st)
	st.Heard = m.At.Unix()
	k.changed(m.Agent, st)
	return nil
}

// integrity reads a message of syscheck:
//
//	SUM PATH, maybe a line end and a diff     CreateFile=5 PATH
//	-1 PATH                                   syscheck-db-completed
func (k *Known) integrity(m *Message) (Result, error) {
	line, diff, _ := strings.Cut(m.Text, "\n")
	if line == "syscheck-db-completed" {
		return Result{Note: SyscheckWhole}, k.whole(m)
	}
	told, path, _ := strings.Cut(line, " ")
	switch {
	case path == "", len(path) > maxPath:
		return k.unknown(m, "integrity messages"), nil
	case strings.HasPrefix(told, "CreateFile="), strings.HasPrefix(told, "GetSecurityInfo="):
		k.tell(m, "unreadable", "it can't read files, the first is %.200q (%.40s); what is known of these stays as it was", path, told)
		return Result{}, nil
	}
	at := place{m.Agent, files}
	if m.Location == "syscheck-registry" {
		at.bucket = registry
	}
	was, known, err := k.get(at, path)
	if err != nil || known && was == told {
		return Result{}, err
	}
	now, ok := parseSum(told)
	if !ok && told != gone {
		return k.unknown(m, "integrity messages"), nil
	}
	return k.compare(m, at, path, was, told == gone, now, diff)
}

// compare says what happened to a file of which was is known, "" if nothing is.
func (k *Known) compare(m *Message, at place, path, was string, deleted bool, now sum, diff string) (Result, error) {
	st, err := k.state(m.Agent)
	if err != nil {
		return Result{}, err
	}
	if was == "" && st.Files >= k.most.files {
		k.tell(m, "files", "it watches more than %d files; further ones, such as %.200q, are left out: let it watch less", k.most.files, path)
		return Result{}, nil
	}
	old, ok := parseSum(was)
	c := syscheck.Change{Path: syscheck.Escape(path)}
	switch {
	case deleted:
		c.Type = syscheck.Deleted
	case ok:
		var changed bool
		if now, changed = now.over(old); now == old {
			return Result{}, nil
		}
		c.Type = syscheck.Baseline // more is known of it, that's all
		if changed {
			c.Type, c.Diff = syscheck.Modified, diff
		}
	case was == gone, at.bucket == files && st.Whole, st.Keys:
		c.Type = syscheck.Added
	default:
		c.Type = syscheck.Baseline
	}
	if was == "" {
		st.Files++
		k.changed(m.Agent, st)
	}
	if deleted {
		k.put(at, path, gone)
	} else {
		c.After = now.record(at.bucket)
		k.put(at, path, now.String())
	}
	if ok && c.Type != syscheck.Baseline {
		c.Before = old.record(at.bucket)
	}
	return Result{Event: m.event(event.Syscheck, text(c))}, nil
}

// text returns a change as an event's text, which has a limit.
func text(c syscheck.Change) string {
	text := c.String()
	if len(text) > event.MaxText {
		c.Diff = "(too long)"
		text = c.String()
	}
	return text
}
