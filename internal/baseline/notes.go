package baseline

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/maintenance"
	"github.com/yagura-hids/yagura/internal/syscheck"
)

// differs tells whether a file changed in what OSSEC compares: content, size, mode, owner; or in its type or where it links to. What is known of one
// side only is no difference.
func differs(a, b *syscheck.Record) bool {
	content, compared := false, false
	for _, h := range [...][2]string{{a.MD5, b.MD5}, {a.SHA1, b.SHA1}, {a.SHA256, b.SHA256}} {
		if h[0] != "" && h[1] != "" {
			compared = true
			content = content || h[0] != h[1]
		}
	}
	return content || !compared && a.Size != b.Size ||
		a.Mode != 0 && b.Mode != 0 && a.Mode != b.Mode ||
		unlike(a.UID, b.UID) || unlike(a.GID, b.GID) || unlike(a.Link, b.Link)
}

func unlike(a, b string) bool { return a != "" && b != "" && a != b }

// The bits of st_mode.
const (
	typeBits, regular           = 0o170000, 0o100000
	setUser, setGroup, mayBeRun = 0o4000, 0o2000, 0o111
)

// privileged tells why a file is more than data, before or after: "" if it isn't.
func privileged(before, after *syscheck.Record) string {
	mode := uint32(0)
	for _, r := range []*syscheck.Record{before, after} {
		if r != nil && (r.Mode&typeBits == regular || r.Mode&typeBits == 0) {
			mode |= r.Mode
		}
	}
	switch {
	case mode&setUser != 0:
		return "set-user-id"
	case mode&setGroup != 0:
		return "set-group-id"
	case mode&mayBeRun != 0:
		return "executable"
	}
	return ""
}

// executables are the ends of names of what Windows runs, where a mode doesn't tell.
var executables = []string{".exe", ".dll", ".sys", ".com", ".bat", ".cmd", ".ps1", ".vbs", ".scr", ".cpl", ".ocx", ".msi"}

// note adds what the server knows of a change that is to be told.
func (k *Keeper) note(h *host, ev *event.Event, c *syscheck.Change) error {
	n := c.Notes
	n.Privileged = privileged(c.Before, c.After)
	if n.Privileged == "" && strings.Contains(c.Path, `\`) {
		for _, end := range executables {
			if len(c.Path) > len(end) && strings.EqualFold(c.Path[len(c.Path)-len(end):], end) {
				n.Privileged = "executable"
			}
		}
	}
	if err := k.window(h, ev, c); err != nil {
		return err
	}
	if c.Package != nil {
		if err := k.packaged(ev, c); err != nil {
			return err
		}
	}
	if n.Folded || n.Image != "" {
		return nil
	}
	return k.siblings(ev, c)
}

// window notes the maintenance window that is open.
func (k *Keeper) window(h *host, ev *event.Event, c *syscheck.Change) error {
	if k.windows == nil {
		var err error
		if k.windows, err = maintenance.Load(k.ctx, k.table); err != nil {
			return fmt.Errorf("read maintenance windows: %w", err)
		}
	}
	scanned := stamp(h.state.Scanned)
	if c.Live {
		scanned = ev.Time // no scan has still to find it
	}
	c.Notes.Maintenance = k.windows.Open(ev.ID.Agent, ev.Agent, ev.Time, scanned)
	return nil
}

// packaged folds a change that the host's package manager says it made, unless the fleet knows better, or the file has a power now that no
// package's list of contents speaks of.
func (k *Keeper) packaged(ev *event.Event, c *syscheck.Change) error {
	p := c.Package
	name := strings.Join([]string{p.Manager, system(ev), p.Name, p.Arch, cmp.Or(p.To, "removed "+p.From)}, " ")
	told, err := k.prevalence.Brings(ev.ID.Agent, name, c.Path, sumOf(c.After))
	switch {
	case err != nil:
		return err
	case !told.Believed():
		c.Notes.Disbelieved = told.Disbelieved()
	case gained(c.Before, c.After):
	default:
		c.Notes.Folded = true
	}
	return nil
}

// system returns what a package of a host is made for: versions of two distributions may have one name.
func system(ev *event.Event) string {
	if ev.Agent == nil {
		return ""
	}
	return ev.Agent.OS
}

// gained tells whether a file was given another owner, or runs as its owner now.
func gained(before, after *syscheck.Record) bool {
	if after == nil {
		return false
	}
	if before == nil {
		return after.Mode&(setUser|setGroup) != 0
	}
	return after.Mode&^before.Mode&(setUser|setGroup) != 0 || unlike(before.UID, after.UID) || unlike(before.GID, after.GID)
}

// siblings notes on how many hosts of the profile the file is in the same state.
func (k *Keeper) siblings(ev *event.Event, c *syscheck.Change) error {
	c.Notes.Profile = profileOf(ev)
	count, err := k.prevalence.See(c.Notes.Profile, ev.ID.Agent, c.Path, sumOf(c.After), ev.Time)
	c.Notes.Hosts, c.Notes.Same = count.Hosts, count.Same
	return err
}

// profileOf returns the profile whose hosts an event's host is compared with.
func profileOf(ev *event.Event) string {
	if ev.Agent == nil || ev.Agent.Profile == "" {
		return "default"
	}
	return ev.Agent.Profile
}

// sumOf names the state of a file: its content, and who may do what with it. That of no file is "".
func sumOf(r *syscheck.Record) string {
	if r == nil {
		return ""
	}
	content := cmp.Or(r.SHA256, r.SHA1, r.MD5, fmt.Sprint(r.Size))
	return fmt.Sprintf("%s %o %s %s %s", content, r.Mode, r.UID, r.GID, r.Link)
}
