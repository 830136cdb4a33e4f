package changelist

import (
	"fmt"
	"strings"

	"github.com/yagura-hids/yagura/internal/syscheck"
)

// uneventful tells whether a message says that nothing happened.
func uneventful(c *syscheck.Change) bool {
	switch c.Type {
	case syscheck.Baseline, syscheck.Unwatched, syscheck.Packages, syscheck.Scanned:
		return true
	}
	return false
}

// quiet says why a change is no news, as far as its host alone tells.
func quiet(c *syscheck.Change, n *syscheck.Notes) (why []string) {
	switch c.Expected() {
	case syscheck.ByPackage:
		if c.Package != nil {
			why = append(why, "package "+packageText(c.Package))
		}
	case syscheck.Repeated:
		why = append(why, ordinal(n.Changes)+" change")
	case syscheck.InMaintenance:
	default:
		return nil
	}
	if n.Maintenance != "" {
		why = append(why, "maintenance "+n.Maintenance)
	}
	return why
}

// packageText names a package and its versions: "openssl 3.0.13-1 → 3.0.14-1".
func packageText(p *syscheck.Package) string {
	return p.Name + " " + (&Package{From: p.From, To: p.To}).versions()
}

// remarks are what is to be known of a change beside its path.
func remarks(c *syscheck.Change) (list []string) {
	add := func(format string, values ...any) { list = append(list, fmt.Sprintf(format, values...)) }
	n := c.Notes
	if n == nil {
		n = &syscheck.Notes{}
	}
	if n.Privileged != "" {
		add("%s", n.Privileged)
	}
	if c.Before != nil && c.After != nil {
		list = append(list, differences(c.Before, c.After)...)
	}
	if c.Type == syscheck.Modified && c.From != "" {
		add("moved over it: %s", c.From)
	}
	if n.Disbelieved != "" {
		add("said to be a package's, but %s", n.Disbelieved)
	}
	if n.Cache {
		add("the agent's own record of it was changed")
	}
	list = append(list, ofHost(c, n)...)
	if w := c.Who; w != nil {
		list = append(list, byWhom(w)...)
	}
	return list
}

// ofHost are remarks on what is told of a whole host.
func ofHost(c *syscheck.Change, n *syscheck.Notes) (list []string) {
	switch c.Type {
	case syscheck.Disagreement:
		list = append(list, count(len(n.Buckets), "bucket")+" of the agent's record aren't as here")
		if n.Gone > 0 {
			list = append(list, count(n.Gone, "file")+" that it no longer knows: "+some(n.Missing, n.Gone))
		}
	case syscheck.Scanned:
		list = append(list, count(n.Files, "file"))
		if n.Differing > 0 {
			list = append(list, fmt.Sprintf("%s not as in image %s: %s", thousands(n.Differing), n.Image, some(n.Differ, n.Differing)))
		}
	case syscheck.Packages:
		var names []string
		for i := range c.Packages {
			names = append(names, packageText(&c.Packages[i]))
		}
		list = append(list, some(names, len(names)+c.More))
	default:
		if n.Image != "" {
			list = append(list, "not as in image "+n.Image)
		}
	}
	return list
}

// some names the first few of a list that has so many.
func some(list []string, of int) string {
	shown := list[:min(len(list), few)]
	text := strings.Join(shown, ", ")
	if more := of - len(shown); more > 0 {
		text += " and " + thousands(more) + " more"
	}
	return text
}

func differences(a, b *syscheck.Record) (list []string) {
	was := func(what, a, b string) {
		if a != b && a != "" && b != "" {
			list = append(list, what+a+" → "+b)
		}
	}
	was("", a.Kind(), b.Kind())
	was("", a.Permissions(), b.Permissions())
	was("owner ", owner(a.User, a.UID), owner(b.User, b.UID))
	was("group ", owner(a.Group, a.GID), owner(b.Group, b.GID))
	was("link ", a.Link, b.Link)
	return list
}

// owner is a number with its name: 0 (root).
func owner(name, id string) string {
	if name == "" || id == "" {
		return id
	}
	return id + " (" + name + ")"
}

func byWhom(w *syscheck.Who) []string {
	var text string
	switch {
	case w.Login != "" && w.User != "" && w.Login != w.User:
		text = "by " + w.Login + " as " + w.User
	case w.Login+w.User != "":
		text = "by " + max(w.Login, w.User)
	}
	if w.Process != "" {
		text = strings.TrimSpace(text + " with " + w.Process)
	}
	if text == "" {
		return nil
	}
	return []string{text}
}

// ordinal writes 4th, 21st, 112th.
func ordinal(n int) string {
	end := "th"
	if n/10%10 != 1 {
		switch n % 10 {
		case 1:
			end = "st"
		case 2:
			end = "nd"
		case 3:
			end = "rd"
		}
	}
	return thousands(n) + end
}

// State names what a file is: equal for two that are the same. Their times and inodes are each host's own; times count only where nothing else tells contents apart.
func State(r *syscheck.Record) string {
	if r == nil {
		return ""
	}
	sum := r.SHA256 + r.SHA1 + r.MD5
	if sum == "" && r.Kind() == "file" {
		sum = r.MTime.String()
	}
	return fmt.Sprint(sum, " ", r.Size, " ", r.Mode, " ", r.UID, " ", r.GID, " ", r.Link)
}
