package syscheck

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Text returns what an alert shows of the change, in OSSEC's words and behind them what OSSEC doesn't tell:
//
//	Integrity checksum changed for: '/etc/hosts'       File '/etc/hosts' was deleted. Unable to retrieve checksum.
//	Size changed from '100' to '105'
//	Permissions changed from 'rw-r--r--' to 'rwxrwxrwx'
//	Ownership was '0', now it is '1000' (root -> ann)  New file '/etc/cron.d/x' added to the file system.
//	Old md5sum was: '…'                                New sha1sum is : '…'
//	New md5sum is : '…'                                New md5sum is : '…'
//	Inode was '7', now it is '9'
//	Changed by 'root', logged in as 'ann', with '/usr/bin/vim' (process 71)
//	What changed:                                      File '/etc/hosts' was re-added.
//	< 127.0.0.1 localhost
//
// Before who did it stands what the server knows, see [Notes]. Each line stands only where it says something. What a stranger wrote (a name, a file's text) ends no line and begins no alert.
func (c Change) Text() string {
	var t text
	switch c.Type {
	case Added:
		t.line("New file '%s' added to the file system.", c.Path)
		t.hashesOf(c.After)
	case Deleted:
		t.line("File '%s' was deleted. Unable to retrieve checksum.", c.Path)
	case Readded:
		t.line("File '%s' was re-added.", c.Path)
	case Moved:
		t.line("File '%s' was moved to '%s'.", c.From, c.Path)
	case Packages:
		t.packages(&c)
	case Disagreement:
		t.disagreement(c.notesOrNone())
	case Scanned:
		t.scanned(c.notesOrNone())
	default:
		t.line("Integrity checksum changed for: '%s'", c.Path)
		if c.From != "" {
			t.line("File '%s' was moved over it.", c.From)
		}
	}
	if c.Before != nil && c.After != nil {
		t.differences(c.Before, c.After)
	}
	if c.OfFile() {
		t.notes(&c)
	}
	t.who(c.Who)
	if c.Diff != "" {
		t.line("What changed:")
		t.lines(c.Diff)
	}
	return strings.TrimSuffix(t.String(), "\n")
}

// OfFile tells whether the change is one of a file, and has a path. Others tell of many files.
func (c *Change) OfFile() bool {
	return c.Type != Packages && c.Type != Disagreement && c.Type != Scanned && c.Type != DigestsType
}

func (c *Change) notesOrNone() *Notes {
	if c.Notes == nil {
		return &Notes{}
	}
	return c.Notes
}

type text struct{ strings.Builder }

// line adds a line. Control characters in its values are shown as \x0a.
func (t *text) line(format string, values ...any) {
	for i, v := range values {
		if s, ok := v.(string); ok {
			values[i] = Plain(s)
		}
	}
	t.WriteString(fmt.Sprintf(format, values...) + "\n")
}

// lines adds a text of several lines. None is empty and none begins with the stars of alerts.log.
func (t *text) lines(s string) {
	for line := range strings.Lines(s) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" || line[0] == '*' {
			line = " " + line
		}
		t.line("%s", strings.ReplaceAll(line, "\t", "        "))
	}
}

// was adds a line if a value is known of both sides and isn't the same.
func (t *text) was(format, a, b string) {
	if a != b && a != "" && b != "" {
		t.line(format, a, b)
	}
}

func (t *text) differences(a, b *Record) {
	if a.Size != b.Size {
		t.line("Size changed from '%d' to '%d'", a.Size, b.Size)
	}
	t.was("Permissions changed from '%s' to '%s'", permissions(a.Mode), permissions(b.Mode))
	t.owner("Ownership", a.UID, b.UID, a.User, b.User)
	t.owner("Group ownership", a.GID, b.GID, a.Group, b.Group)
	for _, h := range []struct{ name, a, b string }{{"md5", a.MD5, b.MD5}, {"sha1", a.SHA1, b.SHA1}, {"sha256", a.SHA256, b.SHA256}} {
		t.was("Old "+h.name+"sum was: '%s'\nNew "+h.name+"sum is : '%s'", h.a, h.b)
	}
	t.was("Type was '%s', now it is '%s'", kind(a.Mode), kind(b.Mode))
	t.was("Link was to '%s', now it is to '%s'", a.Link, b.Link)
	t.was("Modification time was '%s', now it is '%s'", stamp(a.MTime), stamp(b.MTime))
	t.was("Inode was '%s', now it is '%s'", number(a.Inode), number(b.Inode))
}

func (t *text) owner(what, a, b, nameA, nameB string) {
	if a == b || a == "" || b == "" {
		return
	}
	names := ""
	if nameA != "" && nameB != "" {
		names = " (" + nameA + " -> " + nameB + ")"
	}
	t.line(what+" was '%s', now it is '%s'%s", a, b, names)
}

func (t *text) hashesOf(r *Record) {
	if r == nil {
		return
	}
	for _, h := range []struct{ name, value string }{{"sha1", r.SHA1}, {"md5", r.MD5}, {"sha256", r.SHA256}} {
		if h.value != "" {
			t.line("New "+h.name+"sum is : '%s'", h.value)
		}
	}
}

func (t *text) who(w *Who) {
	if w == nil || *w == (Who{}) {
		return
	}
	parts := []string{"Changed"}
	add := func(format, value string) {
		if value != "" {
			parts = append(parts, fmt.Sprintf(format, Plain(value)))
		}
	}
	add("by '%s',", w.User)
	add("logged in as '%s',", w.Login)
	add("with '%s'", w.Process)
	if w.PID > 0 {
		add("(process %s)", strconv.Itoa(w.PID))
	}
	t.WriteString(strings.TrimSuffix(strings.Join(parts, " "), ",") + "\n")
}

// Plain makes a name fit for one line: control characters become \x0a and the like.
func Plain(s string) string {
	if !strings.ContainsFunc(s, unicode.IsControl) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if unicode.IsControl(r) {
			fmt.Fprintf(&b, `\x%02x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// The bits of st_mode.
const (
	typeBits, directory, link = 0o170000, 0o040000, 0o120000
	setUser, setGroup, sticky = 0o4000, 0o2000, 0o1000
)

// permissions returns nine characters, as ls shows them but for their first; "" for a mode that is not known.
func permissions(mode uint32) string {
	if mode == 0 {
		return ""
	}
	b := []byte("rwxrwxrwx")
	for i := range b {
		if mode>>(8-i)&1 == 0 {
			b[i] = '-'
		}
	}
	for _, s := range []struct {
		bit    uint32
		at     int
		letter byte
	}{{setUser, 2, 's'}, {setGroup, 5, 's'}, {sticky, 8, 't'}} {
		if mode&s.bit != 0 {
			b[s.at] = s.letter
		}
	}
	return string(b)
}

// kind returns what sort of file it is; "" if the mode doesn't tell.
func kind(mode uint32) string {
	switch mode & typeBits {
	case 0:
		return ""
	case directory:
		return "directory"
	case link:
		return "symbolic link"
	}
	return "file"
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func number(n uint64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatUint(n, 10)
}

// Field is a value that rules and alerts call by its name.
type Field struct{ Name, Value string }

// Fields returns what is known beside the path, by the names of alerts.json: OSSEC's for what OSSEC has (perm is st_mode in decimal, owner and gowner
// are numbers), and Wazuh's for the rest. Values are plain: one line each, but for diff.
func (c Change) Fields() []Field {
	var list []Field
	add := func(name, value string) {
		if value != "" {
			list = append(list, Field{name, Plain(value)})
		}
	}
	for _, side := range []struct {
		when string
		*Record
	}{{"_before", c.Before}, {"_after", c.After}} {
		if r := side.Record; r != nil {
			add("size"+side.when, strconv.FormatInt(r.Size, 10))
			add("perm"+side.when, number(uint64(r.Mode)))
			add("owner"+side.when, r.UID)
			add("gowner"+side.when, r.GID)
			add("uname"+side.when, r.User)
			add("gname"+side.when, r.Group)
			add("mtime"+side.when, stamp(r.MTime))
			add("inode"+side.when, number(r.Inode))
			add("md5"+side.when, r.MD5)
			add("sha1"+side.when, r.SHA1)
			add("sha256"+side.when, r.SHA256)
			add("link"+side.when, r.Link)
		}
	}
	add("moved_from", c.From)
	if w := c.Who; w != nil {
		add("user_name", w.User)
		add("login_user_name", w.Login)
		add("process_name", w.Process)
		add("process_id", number(uint64(max(w.PID, 0))))
		add("ppid", number(uint64(max(w.PPID, 0))))
	}
	for _, f := range c.notes() {
		add(f.Name, f.Value)
	}
	return list
}
