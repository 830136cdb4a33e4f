package night_test

import (
	"strings"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/syscheck"
)

// planted is what an intruder does in the night, and must be told of.
type planted struct {
	what  string
	hosts []int
	path  string
	sum   string // the content that must be told; "" if it's about the path alone
	do    func(h *host) []edit
}

// middle is a time in the midst of the night, for what nothing else tells when.
const middle = 100 * time.Second

// trojan makes another file of the same size and rights of what is there.
func trojan(content string) func(syscheck.Record) syscheck.Record {
	return func(was syscheck.Record) syscheck.Record {
		was.SHA256 = sum(content)
		return was
	}
}

// file makes a new one, or writes one anew.
func file(mode uint32, content string) func(syscheck.Record) syscheck.Record {
	return func(syscheck.Record) syscheck.Record {
		return syscheck.Record{Size: int64(len(content)), Mode: mode, UID: "0", GID: "0", SHA256: sum(content)}
	}
}

func one(e edit) func(*host) []edit { return func(*host) []edit { return []edit{e} } }

// upgraded returns the edit with which the night's upgrade changed a path.
func (h *host) upgraded(path string) *edit {
	for i := range h.edits {
		if h.edits[i].path == path && h.edits[i].after != nil {
			return &h.edits[i]
		}
	}
	panic("the recorded night changes no " + path)
}

// plantedEdits are the intruder's. No two on one host touch the same path.
var plantedEdits = []planted{
	{what: "openssl is a trojan from the very moment of its upgrade", hosts: []int{1}, path: upgradedBinary, sum: sum("trojan 1"), do: func(h *host) []edit {
		e := h.upgraded(upgradedBinary)
		e.after, e.make, e.pkg = nil, trojan("trojan 1"), nil
		return nil
	}},
	{what: "a trojan two seconds after the upgrade", hosts: []int{2}, path: upgradedOther, sum: sum("trojan 2"), do: func(h *host) []edit {
		return []edit{{at: h.upgraded(upgradedOther).at + 2*time.Second, path: upgradedOther, make: trojan("trojan 2")}}
	}},
	{what: "a trojan whose package's md5sums were edited: it claims the package", hosts: []int{5}, path: upgradedBinary, sum: sum("trojan 3"), do: func(h *host) []edit {
		e := h.upgraded(upgradedBinary)
		e.after, e.make = nil, trojan("trojan 3")
		return nil
	}},
	{
		what: "an agent that was taught to say that the server has folded it", hosts: []int{3}, path: "/usr/bin/login", sum: sum("trojan 4"),
		do: one(edit{at: middle, path: "/usr/bin/login", make: trojan("trojan 4"), notes: &syscheck.Notes{Folded: true, Maintenance: "all", Hosts: 50, Same: 50}}),
	},
	{what: "a password in shadow", hosts: []int{4}, path: "/etc/shadow", sum: sum("shadow"), do: one(edit{at: middle, path: "/etc/shadow", make: trojan("shadow")})},
	{what: "a line in sudoers", hosts: []int{5}, path: "/etc/sudoers", sum: sum("sudoers"), do: one(edit{at: middle, path: "/etc/sudoers", make: trojan("sudoers")})},
	{what: "a new set-user-id file", hosts: []int{6}, path: "/usr/bin/.cache", do: one(edit{at: middle, path: "/usr/bin/.cache", make: file(0o104755, "shell")})},
	{what: "a new cron job", hosts: []int{7}, path: "/etc/cron.d/refresh", do: one(edit{at: middle, path: "/etc/cron.d/refresh", make: file(0o100644, "cron")})},
	{what: "a library for all programs", hosts: []int{0}, path: "/etc/ld.so.preload", do: one(edit{at: middle, path: "/etc/ld.so.preload", make: file(0o100644, "/tmp/x.so")})},
	{what: "audit's rules deleted", hosts: []int{1}, path: "/etc/audit/auditd.conf", do: one(edit{at: middle, path: "/etc/audit/auditd.conf"})},
	{
		what: "a trojan that the agent's cache was taught: only digests show it", hosts: []int{2}, path: "/usr/bin/passwd", sum: sum("trojan 5"),
		do: one(edit{at: middle, path: "/usr/bin/passwd", make: trojan("trojan 5"), hidden: true}),
	},
	{what: "a deletion that the agent's cache was taught", hosts: []int{3}, path: "/etc/rsyslog.conf", do: one(edit{at: middle, path: "/etc/rsyslog.conf", hidden: true})},
	{
		what: "the same backdoor on three hosts", hosts: []int{4, 5, 6}, path: "/usr/bin/cat", sum: sum("backdoor"),
		do: one(edit{at: middle, path: "/usr/bin/cat", make: trojan("backdoor")}),
	},
	{what: "sshd's settings, in a maintenance window", hosts: []int{7}, path: "/etc/ssh/sshd_config", sum: sum("sshd_config"), do: one(edit{at: middle, path: "/etc/ssh/sshd_config", make: trojan("sshd_config")})},
	{what: "new sudoers, in a maintenance window", hosts: []int{7}, path: "/etc/sudoers.d/90-admin", do: one(edit{at: middle, path: "/etc/sudoers.d/90-admin", make: file(0o100440, "sudoers.d")})},
	{what: "a set-user-id program for the fifth time", hosts: []int{0}, path: "/usr/bin/su", sum: sum("su 5"), do: func(*host) (list []edit) {
		for i, content := range []string{"su 1", "su 2", "su 3", "su 4", "su 5"} {
			list = append(list, edit{at: middle + time.Duration(i)*time.Minute, path: "/usr/bin/su", make: trojan(content)})
		}
		return list
	}},
	{what: "the set-user-id bit of find", hosts: []int{1}, path: "/usr/bin/find", do: one(edit{at: middle, path: "/usr/bin/find", make: func(was syscheck.Record) syscheck.Record {
		was.Mode |= 0o4000
		return was
	}})},
	{what: "a file moved over sudo", hosts: []int{2}, path: "/usr/bin/sudo", sum: sum("sudo"), do: one(edit{at: middle, path: "/usr/bin/sudo", from: "/usr/bin/xz", make: trojan("sudo")})},
	{what: "a line in PAM", hosts: []int{3}, path: "/etc/pam.d/common-auth", sum: sum("pam"), do: one(edit{at: middle, path: "/etc/pam.d/common-auth", make: trojan("pam")})},
	{what: "a new service", hosts: []int{4}, path: "/etc/systemd/system/refresh.service", do: one(edit{at: middle, path: "/etc/systemd/system/refresh.service", make: file(0o100644, "unit")})},
}

// The programs that the recorded night upgrades, and intruders replace at that moment.
const (
	upgradedBinary = "/usr/bin/openssl"
	upgradedOther  = "/usr/bin/rsync"
)

// keptPaths are those that a smaller night must not leave out.
func keptPaths() map[string]bool {
	keep := map[string]bool{"/usr/bin/xz": true}
	for _, p := range plantedEdits {
		keep[p.path] = true
	}
	return keep
}

// plant puts the edits into the nights of hosts.
func plant(t *testing.T, hosts []*host) {
	t.Helper()
	for _, p := range plantedEdits {
		for _, i := range p.hosts {
			h := hosts[i]
			h.edits = append(h.edits, p.do(h)...)
		}
	}
}

// tells whether an alert tells of it, on that host.
func (p *planted) tells(h *host, a *event.Alert) bool {
	if a.Event.Agent != h.id || !strings.Contains(a.FullLog, "'"+p.path+"'") && a.Field("filename") != p.path && !strings.Contains(a.FullLog, p.path) {
		return false
	}
	return p.sum == "" || a.Field("sha256_after") == p.sum
}
