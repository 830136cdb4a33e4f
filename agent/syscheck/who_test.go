package syscheck_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/agent/syscheck"
	integrity "github.com/yagura-hids/yagura/internal/syscheck"
)

// records is the records of one change, as auditd writes them.
func records(id, syscall, cwd string, paths ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "type=SYSCALL msg=audit(%s): arch=c000003e syscall=257 success=yes exit=3 a0=ffffff9c a1=55d0 a2=241 a3=1b6 items=2 %s\n", id, syscall)
	fmt.Fprintf(&b, "type=CWD msg=audit(%s): cwd=%s\n", id, cwd)
	for i, p := range paths {
		fmt.Fprintf(&b, "type=PATH msg=audit(%s): item=%d %s\n", id, i, p)
	}
	fmt.Fprintf(&b, "type=PROCTITLE msg=audit(%s): proctitle=7669002F6574632F686F737473\ntype=EOE msg=audit(%s): \n", id, id)
	return b.String()
}

const (
	byAlice = `ppid=811 pid=902 auid=1000 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=pts0 ses=3 comm="vi" exe="/usr/bin/vi" subj=unconfined key="yagura_fim"`
	node    = ` inode=131 dev=fd:00 mode=0100644 ouid=0 ogid=0 rdev=00:00 `
	none    = ` cap_fp=0 cap_fi=0 cap_fe=0 cap_fver=0 cap_frootid=0`
	parent  = `name="/etc/"` + node + `nametype=PARENT` + none
)

func TestAudit(t *testing.T) {
	alice := integrity.Who{User: "0", Login: "alice", Process: "/usr/bin/vi", PID: 902, PPID: 811}
	with := func(change func(w *integrity.Who)) *integrity.Who { w := alice; change(&w); return &w }
	const id = "1700000000.123:456"
	for _, tt := range []struct {
		name, log, path string
		want            *integrity.Who
	}{
		{"created", records(id, byAlice, `"/root"`, parent, `name="/etc/hosts"`+node+`nametype=CREATE`+none), "/etc/hosts", &alice},
		{"written", records(id, byAlice, `"/root"`, `name="/etc/hosts"`+node+`nametype=NORMAL`+none), "/etc/hosts", &alice},
		{"by a relative name", records(id, byAlice, `"/etc/ssh"`, parent, `name="../hosts"`+node+`nametype=NORMAL`), "/etc/hosts", &alice},
		{"names in hexadecimal", records(id, byAlice, "2F6574632F6120C3A4", `name=622063`+node+`nametype=DELETE`), "/etc/a ä/b c", &alice},
		{"program in hexadecimal", records(id, strings.Replace(byAlice, `"/usr/bin/vi"`, "2F746D702F6120622028646C6574656429", 1), `"/"`,
			`name="/etc/hosts" nametype=CREATE`), "/etc/hosts", with(func(w *integrity.Who) { w.Process = "/tmp/a b (dleted)" })},
		{"nobody logged in", records(id, strings.Replace(byAlice, "auid=1000", "auid=4294967295", 1), `"/"`, `name="/etc/hosts" nametype=CREATE`),
			"/etc/hosts", with(func(w *integrity.Who) { w.Login = "" })},
		{"enriched", records(id, byAlice+"\x1d"+`ARCH=x86_64 SYSCALL=openat AUID="bob" UID="root" GID="root"`, `"/"`, `name="/etc/hosts" nametype=CREATE`+
			"\x1d"+`OUID="root" OGID="root"`), "/etc/hosts", with(func(w *integrity.Who) { w.User, w.Login = "root", "bob" })},
		{"several keys", records(id, strings.Replace(byAlice, `"yagura_fim"`, "657463017961677572615F66696D", 1), `"/"`, `name="/etc/hosts" nametype=NORMAL`),
			"/etc/hosts", &alice},
		{"of another host's log", "node=web1 " + strings.ReplaceAll(strings.TrimSpace(records(id, byAlice, `"/"`, `name="/etc/hosts" nametype=CREATE`)), "\n", "\nnode=web1 "),
			"/etc/hosts", &alice},
		{"mixed with another", "type=SYSCALL msg=audit(1700000000.124:457): success=yes pid=1 ppid=0 auid=1000 uid=1000 exe=\"/bin/sh\" key=(null)\n" +
			records(id, byAlice, `"/"`, `name="/etc/hosts" nametype=CREATE`) + "type=PATH msg=audit(1700000000.124:457): item=0 name=\"/etc/passwd\" nametype=CREATE",
			"/etc/passwd", &integrity.Who{User: "alice", Login: "alice", Process: "/bin/sh", PID: 1}},
		{"read, by a rule of another", records(id, strings.Replace(byAlice, "yagura_fim", "readers", 1), `"/"`, `name="/etc/hosts" nametype=NORMAL`), "/etc/hosts", nil},
		{"made, by a rule of another", records(id, strings.Replace(byAlice, "yagura_fim", "others", 1), `"/"`, `name="/etc/hosts" nametype=CREATE`), "/etc/hosts", &alice},
		{"refused", strings.Replace(records(id, byAlice, `"/"`, `name="/etc/hosts" nametype=CREATE`), "success=yes", "success=no", 1), "/etc/hosts", nil},
		{"the directory only", records(id, byAlice, `"/"`, parent), "/etc", nil},
		{"too early", records("1699999980.000:456", byAlice, `"/"`, `name="/etc/hosts" nametype=CREATE`), "/etc/hosts", nil},
		{"no name", records(id, byAlice, `"/"`, `name=(null) nametype=CREATE`), "/", nil},
		{"no time", records("x:1", byAlice, `"/"`, `name="/etc/hosts" nametype=CREATE`), "/etc/hosts", nil},
		{"no working directory", records(id, byAlice, `(null)`, `name="hosts" nametype=CREATE`), "/hosts", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(tempDir(t), "audit.log")
			write(t, path, tt.log+"\n")
			got, err := syscheck.NewAudit(path).Who(tt.path, time.Unix(1_700_000_001, 0))
			if err != nil || fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Errorf("%+v, want %+v; %v", got, tt.want, err)
			}
		})
	}
}

// TestAuditFollows asks while the log grows, is rotated, is cut and is far ahead.
func TestAuditFollows(t *testing.T) {
	path := filepath.Join(tempDir(t), "audit.log")
	a := syscheck.NewAudit(path)
	if _, err := a.Who("/etc/0", time.Unix(1_700_000_000, 0)); !os.IsNotExist(err) {
		t.Errorf("no log: %v", err)
	}
	n := 0
	log := func() string {
		n++
		return records(fmt.Sprintf("1700000000.000:%d", n), byAlice, `"/"`, fmt.Sprintf(`name="/etc/%d" nametype=CREATE`, n))
	}
	add := func(text string) {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		must(t, err)
		_, err = f.WriteString(text)
		must(t, err, f.Close())
	}
	known := func(n int) {
		t.Helper()
		who, err := a.Who(fmt.Sprintf("/etc/%d", n), time.Unix(1_700_000_000, 0))
		if err != nil || who == nil || who.PID != 902 {
			t.Errorf("%d: %+v, %v", n, who, err)
		}
	}
	add(log())
	known(1)
	half := log()
	add(half[:300])
	if who, err := a.Who("/etc/2", time.Unix(1_700_000_000, 0)); who != nil || err != nil {
		t.Errorf("half a line: %+v, %v", who, err)
	}
	add(half[300:] + log())
	known(2)
	known(3)
	add(log())
	must(t, os.Rename(path, path+".1"))
	add(log() + log())
	known(4)
	known(5)
	known(6)
	must(t, os.Truncate(path, 0))
	add(log())
	known(7)
	add(strings.Repeat("x", 100_000) + "\n" + strings.Repeat(strings.Repeat("y", 99)+"\n", 20_000) + log())
	known(8)
}

func TestAuditForgets(t *testing.T) {
	a := syscheck.NewAudit("")
	for i := range 20_000 {
		for line := range strings.Lines(records(fmt.Sprintf("1700000000.000:%d", i), byAlice, `"/"`, fmt.Sprintf(`name="/etc/%d" nametype=CREATE`, i))) {
			a.Add(line)
		}
	}
	if n := a.Kept(); n > 8192 {
		t.Errorf("%d are remembered", n)
	}
}

// FuzzAudit: whatever stands in the log, what is remembered is bounded, and a path that is known is a whole one.
func FuzzAudit(f *testing.F) {
	f.Add(records("1700000000.123:456", byAlice, "2F6574632F6120C3A4", `name="a"`+node+`nametype=CREATE`+none), "/etc/a ä/a")
	f.Add(records("1700000000.123:456", byAlice, `"/"`, `name="../../a" nametype=CREATE`), "/a")
	f.Fuzz(func(t *testing.T, log, path string) {
		file := filepath.Join(tempDir(t), "audit.log")
		write(t, file, log)
		who, err := syscheck.NewAudit(file).Who(path, time.Unix(1_700_000_000, 0))
		if err != nil || who != nil && (!filepath.IsAbs(path) || filepath.Clean(path) != path) {
			t.Errorf("%q: %+v, %v", path, who, err)
		}
	})
}
