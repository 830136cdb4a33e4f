package config

import (
	"strings"

	"github.com/yagura-hids/yagura/agent/rootcheck"
	"github.com/yagura-hids/yagura/internal/osxml"
)

// tests are the checks by their names in OSSEC.
var tests = map[string]rootcheck.Check{
	"check_dev": rootcheck.Dev, "check_files": rootcheck.FilesCheck, "check_if": rootcheck.Interfaces, "check_pids": rootcheck.Processes,
	"check_ports": rootcheck.Ports, "check_sys": rootcheck.System, "check_trojans": rootcheck.TrojansCheck, "check_unixaudit": rootcheck.UnixAudit,
	"check_winapps": rootcheck.WinApps, "check_winaudit": rootcheck.WinAudit, "check_winmalware": rootcheck.WinMalware,
}

func (r *reader) rootcheck(e *osxml.Element) {
	c := &r.config.Rootcheck
	files := map[string]*[]string{
		"rootkit_files": &c.Files, "rootkit_trojans": &c.Trojans, "system_audit": &c.Audits,
		"windows_audit": &c.WindowsAudits, "windows_apps": &c.WindowsApps, "windows_malware": &c.WindowsMalware,
	}
	flags := map[string]*bool{"disabled": &c.Disabled, "skip_nfs": &c.SkipNFS, "scanall": &c.ScanAll, "readall": &c.ReadAll}
	for _, child := range e.Children {
		name := strings.ToLower(child.Name)
		switch check, isCheck := tests[name]; {
		case files[name] != nil:
			r.file(child, files[name])
		case flags[name] != nil:
			r.yes(child, flags[name])
		case isCheck:
			on := c.Off&check == 0
			r.yes(child, &on)
			if c.Off &^= check; !on {
				c.Off |= check
			}
		case name == "frequency":
			r.seconds(child, &c.Every)
		case name == "base_directory":
			c.Base = r.text(child)
		case name == "ignore":
			r.ignore(child)
		case traces[name]:
			r.unused("rootcheck <" + name + ">")
		default:
			r.faults.Add(child.Pos, "known are rootkit_files, rootkit_trojans, system_audit, windows_audit, windows_apps, windows_malware, frequency, "+
				"disabled, skip_nfs, scanall, readall, base_directory, ignore, check_…", "rootcheck: unknown element <%s>", child.Name)
		}
	}
}

// file adds a file's name.
func (r *reader) file(e *osxml.Element, into *[]string) {
	name := r.whole(r.text(e))
	if name == "" {
		r.faults.Add(e.Pos, "name a file", "<%s> is empty", e.Name)
		return
	}
	if r.first(e.Pos, e.Name, name) {
		*into = append(*into, name)
	}
}

func (r *reader) ignore(e *osxml.Element) {
	if _, patterned := e.Attr("type"); patterned { // Wazuh's
		r.unused("rootcheck <ignore type=>")
		return
	}
	r.file(e, &r.config.Rootcheck.Ignore)
}
