package syscheck_test

import (
	"strings"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/internal/syscheck"
)

func TestText(t *testing.T) {
	at := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	before := &syscheck.Record{Size: 100, Mode: 0o100644, UID: "0", GID: "0", User: "root", MD5: "aa", SHA1: "bb", SHA256: "cc", MTime: at, Inode: 7}
	after := &syscheck.Record{Size: 105, Mode: 0o104755, UID: "1000", GID: "4", User: "ann", MD5: "ab", SHA256: "cd", MTime: at.Add(time.Hour), Inode: 9}
	for _, c := range []struct {
		change syscheck.Change
		want   string
	}{
		{syscheck.Change{Type: "modified", Path: "/etc/hosts", Before: before, After: after, Diff: "1c1\n< a\n\n** Alert 1.2: - x\n> b\x1b[2J\n",
			Who: &syscheck.Who{User: "root", Login: "ann", Process: "/usr/bin/vim", PID: 71}},
			`Integrity checksum changed for: '/etc/hosts'
Size changed from '100' to '105'
Permissions changed from 'rw-r--r--' to 'rwsr-xr-x'
Ownership was '0', now it is '1000' (root -> ann)
Group ownership was '0', now it is '4'
Old md5sum was: 'aa'
New md5sum is : 'ab'
Old sha256sum was: 'cc'
New sha256sum is : 'cd'
Modification time was '2026-11-24T10:00:00Z', now it is '2026-11-24T11:00:00Z'
Inode was '7', now it is '9'
Changed by 'root', logged in as 'ann', with '/usr/bin/vim' (process 71)
What changed:
1c1
< a
 
 ** Alert 1.2: - x
> b\x1b[2J`},
		{syscheck.Change{Type: "modified", Path: "/etc/hosts", From: "/etc/new"}, "Integrity checksum changed for: '/etc/hosts'\nFile '/etc/new' was moved over it."},
		{syscheck.Change{Type: "modified", Path: "/etc/hosts"}, `Integrity checksum changed for: '/etc/hosts'`},
		{syscheck.Change{Type: "modified", Path: "/b", Before: &syscheck.Record{Mode: 0o100777}, After: &syscheck.Record{Mode: 0o120777, Link: "/etc/shadow"}},
			"Integrity checksum changed for: '/b'\nType was 'file', now it is 'symbolic link'"},
		{syscheck.Change{Type: "modified", Path: "/l", Before: &syscheck.Record{Mode: 0o120777, Link: "/a"}, After: &syscheck.Record{Mode: 0o120777, Link: "/b"}},
			"Integrity checksum changed for: '/l'\nLink was to '/a', now it is to '/b'"},
		{syscheck.Change{Type: "modified", Path: "/tmp", Before: &syscheck.Record{Mode: 0o040700}, After: &syscheck.Record{Mode: 0o041777}},
			"Integrity checksum changed for: '/tmp'\nPermissions changed from 'rwx------' to 'rwxrwxrwt'"},
		{syscheck.Change{Type: "added", Path: "/etc/x\nRule: 5 %s", After: after},
			"New file '/etc/x\\x0aRule: 5 %s' added to the file system.\nNew md5sum is : 'ab'\nNew sha256sum is : 'cd'"},
		{syscheck.Change{Type: "deleted", Path: "/etc/x", Before: before}, "File '/etc/x' was deleted. Unable to retrieve checksum."},
		{syscheck.Change{Type: "moved", Path: "/b", From: "/a", Before: before, After: before}, "File '/a' was moved to '/b'."},
	} {
		if got := c.change.Text(); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.change, got, c.want)
		}
	}
}

func TestFields(t *testing.T) {
	c := syscheck.Change{
		Type: "moved", Path: "/b", From: "/a\n", Before: &syscheck.Record{Mode: 0o100644, UID: "0"}, After: &syscheck.Record{Size: 3, GID: "S-1-5-32", MD5: "x"},
		Who: &syscheck.Who{Process: "/bin/mv", PID: 71, PPID: -1},
	}
	var got []string
	for _, f := range c.Fields() {
		got = append(got, f.Name+"="+f.Value)
	}
	want := `size_before=0 perm_before=33188 owner_before=0 size_after=3 gowner_after=S-1-5-32 md5_after=x moved_from=/a\x0a process_name=/bin/mv process_id=71`
	if text := strings.Join(got, " "); text != want {
		t.Errorf("%s\nwant\n%s", text, want)
	}
}

// FuzzText reads what strangers send. What can be read becomes a text of lines that are plain, and none of which but the first is OSSEC's own to
// begin a record with; written again it is read as the same.
func FuzzText(f *testing.F) {
	f.Add(`{"type":"modified","path":"/etc/hosts","before":{"size":1,"mode":33188,"md5":"a"},"after":{"size":2,"mode":41471,"mtime":"2026-11-24T10:00:00Z"},"diff":"< a\n** Alert"}`)
	f.Add(`{"type":"added","path":"a\u0000\n","who":{"user":"\u001b","pid":-1}}`)
	f.Fuzz(func(t *testing.T, in string) {
		c, err := syscheck.Parse(in)
		if err != nil {
			return
		}
		text := c.Text()
		for line := range strings.SplitSeq(text, "\n") {
			if line != syscheck.Plain(line) || line == "" || line[0] == '*' {
				t.Fatalf("line %q of %q", line, in)
			}
		}
		for _, field := range c.Fields() {
			if field.Value != syscheck.Plain(field.Value) {
				t.Fatalf("field %q", field)
			}
		}
		if again, err := syscheck.Parse(c.String()); err != nil || again.Text() != text {
			t.Fatalf("written again: %v\n%s\n%s", err, text, again.Text())
		}
	})
}
