package syscheck_test

import (
	"slices"
	"testing"

	"github.com/yagura-hids/yagura/internal/syscheck"
)

func TestNotesText(t *testing.T) {
	data, tool := &syscheck.Record{Size: 1, Mode: 0o100755, UID: "0"}, &syscheck.Record{Size: 1, Mode: 0o104755, UID: "0"}
	ssl := &syscheck.Package{Manager: "dpkg", Name: "openssl", From: "3.0.13-1", To: "3.0.14-1"}
	for _, c := range []struct {
		change syscheck.Change
		want   string
	}{
		{syscheck.Change{Type: "modified", Path: "/usr/bin/x", Before: data, After: tool, Package: ssl, Notes: &syscheck.Notes{
			Changes: 4, Privileged: "set-user-id", Maintenance: "m1", Profile: "web", Hosts: 50, Same: 1, Image: "ami-1", Cache: true,
		}}, `Integrity checksum changed for: '/usr/bin/x'
Permissions changed from 'rwxr-xr-x' to 'rwsr-xr-x'
It is the file's 4th change.
It is set-user-id now.
It is of package openssl 3.0.13-1 -> 3.0.14-1.
Maintenance: window 'm1' is open.
Only here, of 50 hosts of profile web.
It is not as in image ami-1.
The host's own cache said otherwise.`},
		{syscheck.Change{Type: "re-added", Path: "/x", Package: ssl, Notes: &syscheck.Notes{Profile: "web", Hosts: 50, Same: 12, Disbelieved: "web2 told\nanother"}},
			`File '/x' was re-added.
The host says that it is of package openssl 3.0.13-1 -> 3.0.14-1, which is not believed: web2 told\x0aanother
The same on 12 of 50 hosts of profile web.`},
		{syscheck.Change{Type: "packages", More: 1, Packages: []syscheck.Package{
			{Manager: "dpkg", Name: "openssl", From: "3.0.13-1", To: "3.0.14-1", Files: 41}, {Manager: "dpkg", Name: "curl", To: "8.5.0-2", Files: 16},
			{Manager: "dpkg", Name: "nano", From: "7.2-1", Files: 1},
		}}, `Packages changed by dpkg: 4 packages, 58 files
 openssl 3.0.13-1 -> 3.0.14-1: 41 files
 curl 8.5.0-2 installed: 16 files
 nano 7.2-1 removed: 1 file
 1 more`},
		{syscheck.Change{Type: "disagreement", Notes: &syscheck.Notes{Buckets: []int{17, 200}, Missing: []string{"/a\n", "/b"}, Gone: 3}},
			`Integrity baseline: the host does not know its files as the server does, in 2 of 256 buckets: 17 200
The host says nothing of 3 files that the server knows:
 '/a\x0a'
 '/b'
 1 more`},
		{syscheck.Change{Type: "scanned", Notes: &syscheck.Notes{Files: 50000, Differ: []string{"/etc/hostname"}, Differing: 2, Image: "ami-1"}},
			`Integrity baseline: the first scan has ended: 50000 files, 2 of them not as in image ami-1
 '/etc/hostname'
 1 more`},
	} {
		if got := c.change.Text(); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.change, got, c.want)
		}
	}
}

// Rules may ask for every field there is.
func TestFieldNames(t *testing.T) {
	r := &syscheck.Record{Size: 1, Mode: 1, UID: "0", GID: "0", User: "u", Group: "g", Inode: 1, MD5: "a", SHA1: "b", SHA256: "c", Link: "d", MTime: full.MTime}
	p := syscheck.Package{Manager: "rpm", Name: "n", From: "1", To: "2", Files: 1}
	c := syscheck.Change{
		Type: "modified", Path: "/x", From: "/y", Before: r, After: r, Who: &syscheck.Who{User: "u", Login: "l", Process: "p", PID: 1, PPID: 1},
		Package: &p, Packages: []syscheck.Package{p}, Notes: &syscheck.Notes{
			Changes: 1, Privileged: "executable", Maintenance: "m", Profile: "p", Hosts: 2, Same: 1, Folded: true, Disbelieved: "d", Image: "i", Cache: true,
			Buckets: []int{1}, Missing: []string{"a"}, Gone: 1, Files: 1, Differ: []string{"b"}, Differing: 1,
		},
	}
	found := map[string]bool{}
	for _, f := range c.Fields() {
		found[f.Name] = true
		if !slices.Contains(syscheck.FieldNames, f.Name) {
			t.Errorf("%s is no name of a field", f.Name)
		}
	}
	for _, name := range syscheck.FieldNames {
		if !found[name] {
			t.Errorf("no field is called %s", name)
		}
	}
}
