package syscheck

import (
	"fmt"
	"strconv"
	"strings"
)

// What speaks for a change being no news, as the field "expected" has it: one word, the first that fits, and Unexpected if none does. Of a change
// of which something speaks against it, it's always that.
const (
	Unexpected    = "no"
	ByPackage     = "package"     // the package manager's own work
	Repeated      = "repeated"    // the fourth change or a later one, of the content only, of a file that is only data
	InMaintenance = "maintenance" // a maintenance window is open
	OnMost        = "most"        // with this host more than half of the profile's hosts, which are three or more, have the file so
	Common        = "common"      // … and were that without this host already, which was told then
)

// quietAfter is how many changes of a file are told before its further ones are no news: OSSEC's auto_ignore.
const quietAfter = 3

// expected returns what speaks for the change being no news.
func (c *Change) expected() string {
	n := c.Notes
	switch {
	case len(c.doubts()) > 0:
		return Unexpected
	case n.Folded:
		return ByPackage
	case c.repeated():
		return Repeated
	case n.Maintenance != "":
		return InMaintenance
	case n.prevalence() == OnMost && n.Same-1 > n.Hosts/2:
		return Common
	case n.prevalence() == OnMost:
		return OnMost
	}
	return Unexpected
}

// doubts returns what speaks against the change: that its package isn't believed, that its host's own record was another, that it's not as
// in the image, or that the file now runs as its owner or its group.
func (c *Change) doubts() (list []string) {
	n := c.Notes
	for _, d := range []struct {
		word string
		is   bool
	}{{"package", n.Disbelieved != ""}, {"cache", n.Cache}, {"image", n.Image != "" && c.Path != ""}} {
		if d.is {
			list = append(list, d.word)
		}
	}
	if power := c.gained(); power != "" {
		list = append(list, power)
	}
	return list
}

// gained returns "set-user-id" or "set-group-id" if the file was neither before, or belonged to somebody else.
func (c *Change) gained() string {
	if c.After == nil || kind(c.After.Mode) == "directory" {
		return ""
	}
	var before Record
	if c.Before != nil {
		before = *c.Before
	}
	switch {
	case c.After.Mode&setUser != 0 && (before.Mode&setUser == 0 || before.UID != c.After.UID):
		return "set-user-id"
	case c.After.Mode&setGroup != 0 && (before.Mode&setGroup == 0 || before.GID != c.After.GID):
		return "set-group-id"
	}
	return ""
}

// repeated tells whether a file that is only data has changed its content once more than is told.
func (c *Change) repeated() bool {
	a, b := c.Before, c.After
	return c.Type == Modified && c.From == "" && c.Notes.Changes > quietAfter && c.Notes.Privileged == "" && a != nil && b != nil &&
		a.Mode == b.Mode && a.UID == b.UID && a.GID == b.GID && a.Link == b.Link
}

// prevalence tells how common the file's state is among the hosts of its profile; "" if there are no others.
func (n *Notes) prevalence() string {
	switch {
	case n.Hosts < 2:
		return ""
	case n.Same <= 1:
		return "only here"
	case n.Hosts >= 3 && n.Same > n.Hosts/2:
		return OnMost
	}
	return "some"
}

// notes adds what the server knows of a file's change:
//
//	It is the file's 4th change.                     Only here, of 50 hosts of profile web.
//	It is set-user-id now.                           The same on 12 of 50 hosts of profile web.
//	It is of package openssl 3.0.13-1 -> 3.0.14-1.   It is not as in image ami-0123456789abcdef0.
//	Maintenance: window 'patch-1' is open.           The host's own cache said otherwise.
func (t *text) notes(c *Change) {
	n := c.Notes
	if n == nil {
		return
	}
	if n.Changes > 1 {
		t.line("It is the file's %s change.", ordinal(n.Changes))
	}
	if power := c.gained(); power != "" {
		t.line("It is %s now.", power)
	} else if n.Privileged != "" {
		t.line("It is %s.", n.Privileged)
	}
	t.packaged(c)
	if n.Maintenance != "" {
		t.line("Maintenance: window '%s' is open.", n.Maintenance)
	}
	switch n.prevalence() {
	case "":
	case "only here":
		t.line("Only here, of %d hosts of profile %s.", n.Hosts, n.Profile)
	default:
		t.line("The same on %d of %d hosts of profile %s.", n.Same, n.Hosts, n.Profile)
	}
	if n.Image != "" {
		t.line("It is not as in image %s.", n.Image)
	}
	if n.Cache {
		t.line("The host's own cache said otherwise.")
	}
}

func (t *text) packaged(c *Change) {
	switch p := c.Package; {
	case p == nil:
	case c.Notes.Disbelieved != "":
		t.line("The host says that it is of package %s, which is not believed: %s", p.what(), c.Notes.Disbelieved)
	default:
		t.line("It is of package %s.", p.what())
	}
}

// what returns "openssl 3.0.13-1 -> 3.0.14-1", "curl 8.5.0-2 installed" or "nano 7.2-1 removed".
func (p *Package) what() string {
	switch {
	case p.From == "":
		return p.Name + " " + p.To + " installed"
	case p.To == "":
		return p.Name + " " + p.From + " removed"
	case p.From == p.To:
		return p.Name + " " + p.To + " installed again"
	}
	return p.Name + " " + p.From + " -> " + p.To
}

func ordinal(n int) string {
	end := "th"
	if n%100 < 11 || n%100 > 13 {
		switch n % 10 {
		case 1:
			end = "st"
		case 2:
			end = "nd"
		case 3:
			end = "rd"
		}
	}
	return strconv.Itoa(n) + end
}

// count returns "1 file" or "3 files".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// packages tells what the package manager has done:
//
//	Packages changed by dpkg: 3 packages, 57 files
//	openssl 3.0.13-1 -> 3.0.14-1: 41 files
//	curl 8.5.0-2 installed: 16 files
//	1 more
func (t *text) packages(c *Change) {
	by, files := "the package manager", 0
	for _, p := range c.Packages {
		by = p.Manager
		files += p.Files
	}
	t.line("Packages changed by %s: %s, %s", by, count(len(c.Packages)+c.More, "package"), count(files, "file"))
	for _, p := range c.Packages {
		t.line(" %s: %s", p.what(), count(p.Files, "file"))
	}
	if c.More > 0 {
		t.line(" %d more", c.More)
	}
	if n := c.Notes; n != nil && n.Maintenance != "" {
		t.line("Maintenance: window '%s' is open.", n.Maintenance)
	}
}

// disagreement tells in what the host's digests aren't the server's:
//
//	Integrity baseline: the host does not know its files as the server does, in 2 of 256 buckets: 17 200
//	The host says nothing of 2 files that the server knows:
//	 '/etc/cron.d/x'
//	 '/etc/cron.d/y'
func (t *text) disagreement(n *Notes) {
	buckets := make([]string, len(n.Buckets))
	for i, b := range n.Buckets {
		buckets[i] = strconv.Itoa(b)
	}
	t.line("Integrity baseline: the host does not know its files as the server does, in %d of %d buckets: %s", len(buckets), Buckets, strings.Join(buckets, " "))
	if n.Gone > 0 {
		t.line("The host says nothing of %s that the server knows:", count(n.Gone, "file"))
		t.names(n.Missing, n.Gone)
	}
}

// scanned tells how a host's files differ from its image's:
//
//	Integrity baseline: the first scan has ended: 50000 files, 2 of them not as in image ami-0123456789abcdef0
//	 '/etc/hostname'
//	 1 more
func (t *text) scanned(n *Notes) {
	t.line("Integrity baseline: the first scan has ended: %s, %d of them not as in image %s", count(n.Files, "file"), n.Differing, n.Image)
	t.names(n.Differ, n.Differing)
}

// names adds names of files, of which there are so many.
func (t *text) names(names []string, all int) {
	for _, name := range names {
		t.line(" '%s'", name)
	}
	if all > len(names) {
		t.line(" %d more", all-len(names))
	}
}

// FieldNames are the names of all that [Change.Fields] returns. Rules may ask for these fields, though no decoder's file names them.
var FieldNames = []string{
	"size_before", "perm_before", "owner_before", "gowner_before", "uname_before", "gname_before", "mtime_before", "inode_before",
	"md5_before", "sha1_before", "sha256_before", "link_before",
	"size_after", "perm_after", "owner_after", "gowner_after", "uname_after", "gname_after", "mtime_after", "inode_after",
	"md5_after", "sha1_after", "sha256_after", "link_after",
	"moved_from", "user_name", "login_user_name", "process_name", "process_id", "ppid",
	"package", "package_from", "package_to", "package_manager", "packages", "files",
	"expected", "unexpected", "privileged", "maintenance", "profile", "prevalence", "disbelieved", "image", "folded", "cache", "changes", "hosts", "same",
	"buckets", "gone", "differing",
}

// notes returns the fields that say what the server knows, and those of packages.
func (c *Change) notes() (list []Field) {
	add := func(name, value string) { list = append(list, Field{name, value}) }
	if p := c.Package; p != nil {
		list = append(list, p.fields()...)
	}
	if len(c.Packages) > 0 {
		files := 0
		for i := range c.Packages {
			files += c.Packages[i].Files
		}
		list = append(list, c.Packages[0].fields()...)
		add("packages", strconv.Itoa(len(c.Packages)+c.More))
		add("files", strconv.Itoa(files))
	}
	n := c.Notes
	if n == nil {
		return list
	}
	add("expected", c.expected())
	add("unexpected", strings.Join(c.doubts(), ", "))
	add("privileged", n.Privileged)
	add("maintenance", n.Maintenance)
	add("profile", n.Profile)
	add("prevalence", n.prevalence())
	add("disbelieved", n.Disbelieved)
	add("image", n.Image)
	for _, word := range []struct {
		name string
		is   bool
	}{{"folded", n.Folded}, {"cache", n.Cache}} {
		if word.is {
			add(word.name, "yes")
		}
	}
	for _, number := range []struct {
		name string
		n    int
	}{{"changes", n.Changes}, {"hosts", n.Hosts}, {"same", n.Same}, {"buckets", len(n.Buckets)}, {"gone", n.Gone}, {"files", n.Files}, {"differing", n.Differing}} {
		if number.n > 0 {
			add(number.name, strconv.Itoa(number.n))
		}
	}
	return list
}

func (p *Package) fields() []Field {
	return []Field{{"package", p.Name}, {"package_from", p.From}, {"package_to", p.To}, {"package_manager", p.Manager}}
}
