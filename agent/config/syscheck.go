package config

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/yagura-hids/yagura/agent/syscheck"
	"github.com/yagura-hids/yagura/internal/osxml"
)

func (r *reader) syscheck(e *osxml.Element) {
	c := &r.config.Syscheck
	for _, child := range e.Children {
		switch name := strings.ToLower(child.Name); name {
		case "directories":
			r.directories(child)
		case "windows_registry":
			r.registry(child)
		case "ignore":
			r.match(child, &c.Ignore)
		case "registry_ignore":
			r.match(child, &c.RegistryIgnore)
		case "nodiff":
			r.match(child, &c.NoDiff)
		case "disabled":
			r.yes(child, &c.Disabled)
		case "skip_nfs":
			r.yes(child, &c.SkipNFS)
		case "packages":
			r.yes(child, &c.Packages)
		case "prefilter_cmd":
			r.prefilter(child)
		case "cpu":
			if n, ok := r.number(child, 1, 100); ok {
				c.CPU = int(n)
			}
		case "rate":
			r.size(child, 1<<10, &c.Rate)
		case "auto_ignore", "alert_new_files": // the server's
			var server bool
			r.yes(child, &server)
			r.unused("syscheck <" + name + ">")
		default:
			r.schedule(child, name)
		}
	}
}

// schedule reads an element about when a scan is made; any other one has no effect, or is unknown.
func (r *reader) schedule(e *osxml.Element, name string) {
	s := &r.config.Syscheck.Schedule
	switch text := strings.TrimSpace(e.Content); name {
	case "frequency":
		r.seconds(e, &s.Every)
	case "scan_on_start":
		r.yes(e, &s.OnStart)
	case "scan_time":
		at, ok := clock(text)
		if !ok {
			r.faults.Add(e.Pos, "write a time of day, as 21:00 or 8:30 pm", "<scan_time> is %q", text)
			return
		}
		s.At = at
	case "scan_day":
		days, ok := weekdays(text)
		if !ok {
			r.faults.Add(e.Pos, "write days as monday,wed, or weekdays, or weekends; ! before them means all others", "<scan_day> is %q", text)
			return
		}
		s.Days = days
	default:
		if !integrity[name] {
			r.faults.Add(e.Pos, "known are directories, windows_registry, ignore, registry_ignore, nodiff, frequency, scan_time, scan_day, scan_on_start, "+
				"disabled, skip_nfs, packages, prefilter_cmd, cpu, rate", "syscheck: unknown element <%s>", e.Name)
			return
		}
		r.unused("syscheck <" + name + ">")
	}
}

// prefilter reads a command, which central configuration may name only where that is allowed.
func (r *reader) prefilter(e *osxml.Element) {
	command := strings.Fields(r.text(e))
	if len(command) == 0 {
		r.faults.Add(e.Pos, "name a program", "<prefilter_cmd> is empty")
		return
	}
	if !r.refused(e, "prefilter_cmd", strings.Join(command, " ")) {
		r.config.Syscheck.Prefilter = command
	}
}

// The checks that one attribute stands for.
const (
	sums = syscheck.MD5 | syscheck.SHA1 | syscheck.SHA256
	all  = sums | syscheck.Size | syscheck.Permissions | syscheck.Owner | syscheck.Group
)

var checks = map[string]syscheck.Check{
	"check_all": all, "check_sum": sums, "check_md5sum": syscheck.MD5, "check_sha1sum": syscheck.SHA1, "check_sha256sum": syscheck.SHA256,
	"check_size": syscheck.Size, "check_owner": syscheck.Owner, "check_group": syscheck.Group, "check_perm": syscheck.Permissions,
	"check_mtime": syscheck.MTime, "check_inode": syscheck.Inode,
}

func (r *reader) directories(e *osxml.Element) {
	d := syscheck.Directory{Check: syscheck.SHA256, Recursion: -1} // SHA-256 is on until switched off
	checked := false
	for _, a := range e.Attrs { // left to right
		name := strings.ToLower(a.Name)
		check, isCheck := checks[name]
		if !isCheck {
			r.attribute(a, name, &d)
			continue
		}
		checked = true
		if r.isYes(a.Pos, name+"=", a.Value, false) {
			d.Check |= check
		} else {
			d.Check &^= check
		}
	}
	if !checked { // Wazuh's way
		d.Check = all
	}
	paths := list(r.text(e))
	if len(paths) == 0 {
		r.faults.Add(e.Pos, "name directories, with commas between them", "<directories> is empty")
	}
	for _, path := range paths {
		switch d.Path = path; {
		case r.foreign(path):
			r.note(e.Pos, "directory %s is not of this system", path)
		case !r.absolute(path):
			r.faults.Add(e.Pos, "write the whole path", "directory %q does not begin at the root", path)
		case r.isPattern(e, path) && r.first(e.Pos, "directory", r.fold(path)):
			r.config.Syscheck.Directories = append(r.config.Syscheck.Directories, d)
		}
	}
}

// attribute reads one that is no check.
func (r *reader) attribute(a osxml.Attr, name string, d *syscheck.Directory) {
	yes := func(into *bool) { *into = r.isYes(a.Pos, name+"=", a.Value, *into) }
	switch name {
	case "realtime":
		yes(&d.Realtime)
	case "whodata":
		yes(&d.WhoData)
	case "report_changes":
		yes(&d.ReportChanges)
	case "follow_symbolic_link":
		yes(&d.FollowLinks)
	case "restrict":
		if r.sregex(a.Pos, a.Value) != nil {
			d.Restrict = a.Value
		}
	case "no_recurse":
		if r.isYes(a.Pos, name+"=", a.Value, false) {
			d.Recursion = 0
		}
	case "recursion_level":
		if n, ok := r.number(&osxml.Element{Name: "directories recursion_level=", Pos: a.Pos, Content: a.Value}, 0, math.MaxInt16); ok {
			d.Recursion = int(n)
		}
	case "check_device", "check_attrs", "tags", "diff_size_limit": // Wazuh's
		r.unused("directories " + name + "=")
	default:
		r.faults.Add(a.Pos, "known are check_all, check_sum, check_md5sum, check_sha1sum, check_sha256sum, check_size, check_owner, check_group, "+
			"check_perm, check_mtime, check_inode, realtime, whodata, report_changes, restrict, no_recurse, recursion_level, follow_symbolic_link",
			"directories: unknown attribute %s", a.Name)
	}
}

// match reads what is to be ignored: the beginning of a path, or a pattern.
func (r *reader) match(e *osxml.Element, into *[]syscheck.Match) {
	m := syscheck.Match{Text: r.text(e)}
	for _, a := range e.Attrs {
		switch name := strings.ToLower(a.Name); {
		case name == "type" && strings.EqualFold(a.Value, "sregex"):
			m.Pattern = true
		case name == "arch" && e.Name == "registry_ignore":
			r.unused("registry_ignore arch=")
		default:
			r.faults.Add(a.Pos, `write type="sregex", or nothing`, "%s: unknown attribute %s=%q", e.Name, a.Name, a.Value)
		}
	}
	switch {
	case m.Text == "":
		r.faults.Add(e.Pos, "name what it is about", "<%s> is empty", e.Name)
	case m.Pattern && r.sregex(e.Pos, m.Text) == nil:
	case !slices.Contains(*into, m):
		*into = append(*into, m)
	}
}

// hives are the roots of the registry.
var hives = words("HKEY_LOCAL_MACHINE HKEY_CLASSES_ROOT HKEY_CURRENT_CONFIG HKEY_USERS HKEY_CURRENT_USER")

func (r *reader) registry(e *osxml.Element) {
	var k syscheck.Registry
	bits := []int{32} // OSSEC's view where nothing is said
	for _, a := range e.Attrs {
		switch name := strings.ToLower(a.Name); name {
		case "arch":
			bits = r.bits(a)
		case "report_changes":
			k.ReportChanges = r.isYes(a.Pos, name+"=", a.Value, false)
		case "tags", "restrict_key", "restrict_value", "recursion_level", "diff_size_limit", "check_all", "check_sum",
			"check_md5sum", "check_sha1sum", "check_sha256sum", "check_size", "check_owner", "check_group", "check_perm", "check_mtime", "check_type":
			r.unused("windows_registry " + name + "=")
		default:
			r.faults.Add(a.Pos, "known are arch and report_changes", "windows_registry: unknown attribute %s", a.Name)
		}
	}
	for _, key := range list(r.text(e)) {
		hive, _, _ := strings.Cut(key, `\`)
		if !hives[strings.ToUpper(hive)] {
			r.faults.Add(e.Pos, `write it whole, as HKEY_LOCAL_MACHINE\Software\Policies`, "windows_registry %q has no known root", key)
			continue
		}
		for _, k.Bits = range bits {
			k.Key = key
			r.registryKey(e, k)
		}
	}
}

func (r *reader) registryKey(e *osxml.Element, k syscheck.Registry) {
	view := map[int]string{32: "registry key (32 bit)", 64: "registry key (64 bit)"}[k.Bits]
	if r.first(e.Pos, view, strings.ToLower(k.Key)) {
		r.config.Syscheck.Registry = append(r.config.Syscheck.Registry, k)
	}
}

// bits reads whose view of the registry is meant.
func (r *reader) bits(a osxml.Attr) []int {
	switch strings.ToLower(a.Value) {
	case "32bit", "32":
		return []int{32}
	case "64bit", "64":
		return []int{64}
	case "both", "32_64":
		return []int{32, 64}
	}
	r.faults.Add(a.Pos, "write 32bit, 64bit or both", "windows_registry arch=%q", a.Value)
	return nil
}

// clock reads a time of day: 21:00, 8:30 pm, 8pm.
func clock(text string) (time.Duration, bool) {
	text = strings.ToUpper(strings.ReplaceAll(text, " ", ""))
	for _, form := range []string{"15:04", "3:04PM", "3PM"} {
		if t, err := time.Parse(form, text); err == nil {
			return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute, true
		}
	}
	return 0, false
}

// weekdays reads days of the week, Sunday being the first.
func weekdays(text string) (days [7]bool, ok bool) {
	text, negated := strings.CutPrefix(strings.ToLower(strings.TrimSpace(text)), "!")
	names := list(text)
	for _, name := range names {
		which := weekday(name)
		if which == nil {
			return days, false
		}
		for _, d := range which {
			days[d] = true
		}
	}
	for i := range days {
		days[i] = days[i] != negated
	}
	return days, len(names) > 0 && days != [7]bool{}
}

func weekday(name string) []time.Weekday {
	switch name {
	case "weekdays":
		return []time.Weekday{1, 2, 3, 4, 5}
	case "weekends":
		return []time.Weekday{0, 6}
	}
	for d := time.Sunday; d <= time.Saturday; d++ {
		if full := strings.ToLower(d.String()); name == full || name == full[:3] {
			return []time.Weekday{d}
		}
	}
	return nil
}
