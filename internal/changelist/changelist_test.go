package changelist_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/internal/baseline"
	"github.com/yagura-hids/yagura/internal/changelist"
	"github.com/yagura-hids/yagura/internal/syscheck"
)

var night = time.Date(2026, 11, 25, 4, 0, 0, 0, time.UTC)

// change is a change of a file to some content, so many minutes into the night.
type change struct {
	agent  string
	minute int
	syscheck.Change
}

func modified(agent string, minute int, path, sum string, n syscheck.Notes) change {
	c := syscheck.Change{Type: syscheck.Modified, Path: path, Before: &syscheck.Record{Mode: 0o100644, SHA256: "old"}, After: &syscheck.Record{Mode: 0o100644, SHA256: sum}, Notes: &n}
	return change{agent, minute, c}
}

func (c change) with(edit func(*syscheck.Change)) change {
	edit(&c.Change)
	return c
}

var openssl = syscheck.Package{Manager: "dpkg", Name: "openssl", Arch: "amd64", From: "3.0.13-1", To: "3.0.14-1", Transaction: "t1"}

func packaged(agent string, minute int, path string) change {
	return modified(agent, minute, path, "new", syscheck.Notes{Folded: true, Profile: "web"}).with(func(c *syscheck.Change) { c.Package = &openssl })
}

// web is what is known of a change in the profile web.
func web(same, hosts int) syscheck.Notes {
	return syscheck.Notes{Profile: "web", Same: same, Hosts: hosts, Changes: 1}
}

// lines lists the changes, each as a text.
func lines(t *testing.T, o changelist.Options, changes []change) []string {
	t.Helper()
	l := changelist.New(o)
	hosts, order := map[string]*changelist.Host{}, []string{}
	for i := len(changes) - 1; i >= 0; i-- { // the newest first
		c := changes[i]
		if hosts[c.agent] == nil {
			hosts[c.agent] = l.Host(c.agent)
			order = append(order, c.agent)
		}
		hosts[c.agent].Add(baseline.Entry{Agent: c.agent, Time: night.Add(time.Duration(c.minute) * time.Minute), Change: c.Change})
	}
	for _, agent := range order {
		hosts[agent].Done()
	}
	list, dropped := l.Lines()
	var texts []string
	for _, line := range list {
		texts = append(texts, text(line))
	}
	if dropped > 0 {
		texts = append(texts, fmt.Sprint(dropped, " more"))
	}
	return texts
}

func text(l changelist.Line) string {
	return strings.TrimSpace(fmt.Sprintf("%s%s %s %s | %s | %s", l.Mark, l.Time.Format("04"), l.What, l.Path, l.Where(), strings.Join(l.Why(), "; ")))
}

// many is the same change on n hosts, one a minute; each host knows of those before it.
func many(n, of int, path string) (list []change) {
	for i := range n {
		list = append(list, modified(fmt.Sprintf("web%02d", i+1), i, path, "new", web(i+1, of)))
	}
	return list
}

func TestFolding(t *testing.T) {
	for _, c := range []struct {
		name    string
		o       changelist.Options
		changes []change
		want    []string
	}{
		{"nothing", changelist.Options{}, nil, nil},
		{"most have it, although the first did so alone", changelist.Options{}, many(31, 50, "/etc/resolv.conf"),
			[]string{"30 modified /etc/resolv.conf | 31 of 50 hosts of web | most have it"}},
		{"a few have it", changelist.Options{}, many(2, 50, "/etc/resolv.conf"), []string{"!01 modified /etc/resolv.conf | 2 of 50 hosts of web: web01, web02 |"}},
		{"one has it", changelist.Options{}, many(1, 50, "/etc/resolv.conf"), []string{"!!00 modified /etc/resolv.conf | only here: web01 |"}},
		{"two hosts are no crowd", changelist.Options{}, many(1, 2, "/etc/resolv.conf"), []string{"!00 modified /etc/resolv.conf | web01 |"}},
		{"nobody counted", changelist.Options{}, []change{modified("db1", 3, "/etc/a", "x", syscheck.Notes{})}, []string{"!03 modified /etc/a | db1 |"}},
		{"no notes at all", changelist.Options{}, []change{modified("db1", 3, "/etc/a", "x", syscheck.Notes{}).with(func(c *syscheck.Change) { c.Notes = nil })},
			[]string{"!03 modified /etc/a | db1 |"}},
		{"another content is another line", changelist.Options{}, []change{
			modified("web1", 1, "/etc/a", "x", web(1, 9)), modified("web2", 2, "/etc/a", "y", web(1, 9)), modified("web3", 3, "/etc/a", "x", web(2, 9))},
			[]string{"!03 modified /etc/a | 2 of 9 hosts of web: web1, web3 |", "!!02 modified /etc/a | only here: web2 |"}},
		{"another mode, too", changelist.Options{}, []change{modified("web1", 1, "/etc/a", "x", web(2, 2)),
			modified("web2", 2, "/etc/a", "x", web(2, 2)).with(func(c *syscheck.Change) { c.After.Mode = 0o104755 })},
			[]string{"!!02 modified /etc/a | web2 | rw-r--r-- → rwsr-xr-x; the same on 2 of 2 hosts of web", "!01 modified /etc/a | web1 | the same on 2 of 2 hosts of web"}},
		{"times and inodes are each host's own", changelist.Options{}, []change{modified("web1", 1, "/etc/a", "x", web(1, 2)),
			modified("web2", 2, "/etc/a", "x", web(2, 2)).with(func(c *syscheck.Change) { c.After.Inode, c.After.MTime = 7, night })},
			[]string{"!02 modified /etc/a | 2 of 2 hosts of web: web1, web2 |"}},
		{"without sums, times count", changelist.Options{}, []change{modified("web1", 1, "/etc/a", "", web(1, 2)),
			modified("web2", 2, "/etc/a", "", web(2, 2)).with(func(c *syscheck.Change) { c.After.MTime = night })},
			[]string{"!02 modified /etc/a | web2 | the same on 2 of 2 hosts of web", "!01 modified /etc/a | web1 |"}},
		{"two profiles", changelist.Options{}, append(many(3, 5, "/etc/a"), modified("db1", 9, "/etc/a", "new", syscheck.Notes{Profile: "db", Hosts: 8, Same: 1})),
			[]string{"!09 modified /etc/a | 4 hosts of db and web |"}},
		{"one of two profiles", changelist.Options{Profile: "db"}, append(many(3, 5, "/etc/a"), modified("db1", 9, "/etc/a", "new", syscheck.Notes{Profile: "db", Hosts: 8, Same: 1})),
			[]string{"!!09 modified /etc/a | only here: db1 |"}},
		{"one host of many that have it", changelist.Options{}, []change{modified("web1", 1, "/etc/a", "x", web(31, 50))},
			[]string{"01 modified /etc/a | web1 | the same on 31 of 50 hosts of web"}},
		{"some paths", changelist.Options{Path: func(p string) bool { return p == "/etc/b" }}, []change{
			packaged("web1", 1, "/etc/b"), packaged("web1", 1, "/etc/c"), modified("web1", 2, "/etc/d", "x", web(1, 1)), packagesOf("web1", 3, openssl)},
			[]string{"01 upgraded openssl | web1 | 3.0.13-1 → 3.0.14-1; 1 file"}},
	} {
		if got := lines(t, c.o, c.changes); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
	}
}

// packagesOf is the message at the end of a package manager's run.
func packagesOf(agent string, minute int, list ...syscheck.Package) change {
	return change{agent, minute, syscheck.Change{Type: syscheck.Packages, Packages: list}}
}

func TestPackages(t *testing.T) {
	told := openssl
	told.Files = 41
	curl, tcl := openssl, openssl
	curl.Name, curl.From = "curl", ""
	tcl.Name, tcl.To = "tcl", ""
	disbelieved := packaged("web3", 8, "/usr/bin/openssl").with(func(c *syscheck.Change) {
		c.Notes = &syscheck.Notes{Disbelieved: "web1 has another file of it", Profile: "web", Hosts: 9, Same: 1, Changes: 1}
	})
	for _, c := range []struct {
		name    string
		o       changelist.Options
		changes []change
		want    []string
	}{
		{"files on hosts, told or not", changelist.Options{}, []change{packaged("web1", 1, "/a"), packaged("web1", 1, "/b"), packagesOf("web1", 2, told),
			packaged("web2", 5, "/a"), packagesOf("web3", 6, openssl)},
			[]string{"06 upgraded openssl | 3 hosts: web1, web2, web3 | 3.0.13-1 → 3.0.14-1; 41 files"}},
		{"what came and went", changelist.Options{}, []change{packagesOf("web1", 2, curl, tcl)},
			[]string{"02 installed curl | web1 | 3.0.14-1", "02 removed tcl | web1 | 3.0.13-1"}},
		{"who is not believed stands out", changelist.Options{}, []change{packaged("web1", 1, "/usr/bin/openssl"), disbelieved}, []string{
			"!!08 modified /usr/bin/openssl | only here: web3 | said to be a package's, but web1 has another file of it",
			"01 upgraded openssl | web1 | 3.0.13-1 → 3.0.14-1; 1 file"}},
		{"a package's file that runs as its owner now stands out, too", changelist.Options{}, []change{packaged("web1", 1, "/a"), gaining(packaged("web1", 1, "/b"))},
			[]string{"!!01 modified /b | web1 | rw-r--r-- → rwsr-xr-x", "01 upgraded openssl | web1 | 3.0.13-1 → 3.0.14-1; 1 file"}},
		{"the same version once more", changelist.Options{}, []change{packagesOf("web1", 2, syscheck.Package{Name: "curl", From: "8", To: "8", Files: 3})},
			[]string{"02 installed again curl | web1 | 8; 3 files"}},
		{"unfolded", changelist.Options{Unfolded: true}, []change{packaged("web1", 1, "/a"), packaged("web2", 1, "/a"), packagesOf("web1", 2, told, curl, tcl, told)}, []string{
			"02 packages  | web1 | openssl 3.0.13-1 → 3.0.14-1, curl 3.0.14-1, tcl 3.0.13-1 and 1 more",
			"01 modified /a | web1 | package openssl 3.0.13-1 → 3.0.14-1", "01 modified /a | web2 | package openssl 3.0.13-1 → 3.0.14-1"}},
	} {
		if got := lines(t, c.o, c.changes); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
	}
}

// gaining is the change of a file that runs as its owner from then on.
func gaining(c change) change {
	return c.with(func(c *syscheck.Change) { c.After.Mode = 0o104755 })
}

// Why a line is quiet, or is not.
func TestMarks(t *testing.T) {
	alone := web(1, 50)
	note := func(edit func(*syscheck.Notes)) syscheck.Notes {
		n := alone
		edit(&n)
		return n
	}
	often := func(n *syscheck.Notes) { n.Changes = 22 }
	maintained := func(n *syscheck.Notes) { n.Maintenance = "m-7" }
	privileged := func(n *syscheck.Notes) { n.Privileged = "set-user-id" }
	for _, c := range []struct {
		name   string
		change change
		want   string
	}{
		{"maintenance", modified("web1", 0, "/a", "x", note(maintained)), "00 modified /a | only here: web1 | maintenance m-7"},
		{"often", modified("web1", 0, "/a", "x", note(often)), "00 modified /a | only here: web1 | 22nd change"},
		{"often, but privileged", modified("web1", 0, "/a", "x", note(func(n *syscheck.Notes) { often(n); privileged(n) })), "!!00 modified /a | only here: web1 | set-user-id"},
		{"often, but its mode", modified("web1", 0, "/a", "x", note(often)).with(func(c *syscheck.Change) { c.After.Mode = 0o100666 }),
			"!!00 modified /a | only here: web1 | rw-r--r-- → rw-rw-rw-"},
		{"often, but its owner", modified("web1", 0, "/a", "x", note(often)).with(func(c *syscheck.Change) {
			c.Before.UID, c.Before.User, c.After.UID, c.After.User = "0", "root", "1000", "ann"
		}), "!!00 modified /a | only here: web1 | owner 0 (root) → 1000 (ann)"},
		{"often, but gone", modified("web1", 0, "/a", "x", note(often)).with(func(c *syscheck.Change) { c.Type, c.After = syscheck.Deleted, nil }), "!!00 deleted /a | only here: web1 |"},
		{"privileged", modified("web1", 0, "/a", "x", syscheck.Notes{Privileged: "executable"}), "!!00 modified /a | web1 | executable"},
		{"the agent's record", modified("web1", 0, "/a", "x", syscheck.Notes{Cache: true}), "!!00 modified /a | web1 | the agent's own record of it was changed"},
		{"not the image's", modified("web1", 0, "/a", "x", syscheck.Notes{Image: "ami-1"}).with(func(c *syscheck.Change) { c.Type = syscheck.Baseline }),
			"!!00 baseline /a | web1 | not as in image ami-1"},
		{"told again", modified("web1", 0, "/a", "x", syscheck.Notes{}).with(func(c *syscheck.Change) { c.Type = syscheck.Baseline }), "00 baseline /a | web1 |"},
		{"maintenance, but the agent's record", modified("web1", 0, "/a", "x", note(func(n *syscheck.Notes) { maintained(n); n.Cache = true })),
			"!!00 modified /a | only here: web1 | the agent's own record of it was changed"},
		{"maintenance, but it runs as its owner now", gaining(modified("web1", 0, "/a", "x", note(maintained))), "!!00 modified /a | only here: web1 | rw-r--r-- → rwsr-xr-x"},
		{"often, in maintenance", modified("web1", 0, "/a", "x", note(func(n *syscheck.Notes) { often(n); maintained(n) })),
			"00 modified /a | only here: web1 | 22nd change; maintenance m-7"},
		{"often, but it points elsewhere", modified("web1", 0, "/a", "x", note(often)).with(func(c *syscheck.Change) { c.Before.Link, c.After.Link = "/b", "/c" }),
			"!!00 modified /a | only here: web1 | link /b → /c"},
		{"on most, but not the image's", modified("web1", 0, "/a", "x", syscheck.Notes{Profile: "web", Same: 50, Hosts: 50, Image: "ami-1"}),
			"!!00 modified /a | web1 | not as in image ami-1; the same on 50 of 50 hosts of web"},
		{"a program on most", modified("web1", 0, "/a", "x", syscheck.Notes{Profile: "web", Same: 50, Hosts: 50, Privileged: "executable"}),
			"00 modified /a | web1 | executable; the same on 50 of 50 hosts of web"},
		{"by whom", modified("web1", 0, "/a", "x", syscheck.Notes{}).with(func(c *syscheck.Change) {
			c.Who = &syscheck.Who{User: "root", Login: "ann", Process: "/usr/bin/vim"}
		}), "!00 modified /a | web1 | by ann as root with /usr/bin/vim"},
		{"a link", modified("web1", 0, "/a", "x", syscheck.Notes{}).with(func(c *syscheck.Change) {
			c.Before, c.After = &syscheck.Record{Mode: 0o100644}, &syscheck.Record{Mode: 0o120777, Link: "/etc/shadow"}
		}), "!00 modified /a | web1 | file → symbolic link; rw-r--r-- → rwxrwxrwx"},
		{"moved over", modified("web1", 0, "/a", "x", syscheck.Notes{}).with(func(c *syscheck.Change) { c.From = "/b" }), "!00 modified /a | web1 | moved over it: /b"},
		{"disagreement", change{"web1", 0, syscheck.Change{Type: syscheck.Disagreement, Notes: &syscheck.Notes{Buckets: []int{1, 2}, Missing: []string{"/a", "/b"}, Gone: 2}}},
			"!!00 disagreement  | web1 | 2 buckets of the agent's record aren't as here; 2 files that it no longer knows: /a, /b"},
		{"scanned", change{"web1", 0, syscheck.Change{Type: syscheck.Scanned, Notes: &syscheck.Notes{Image: "ami-1", Files: 50000, Differing: 1200, Differ: []string{"/a", "/b", "/c", "/d"}}}},
			"00 scanned  | web1 | 50,000 files; 1,200 not as in image ami-1: /a, /b, /c and 1,197 more"},
	} {
		if got := lines(t, changelist.Options{Unfolded: true}, []change{c.change}); len(got) != 1 || got[0] != c.want {
			t.Errorf("%s: %q\nwant %q", c.name, got, c.want)
		}
	}
}

// A file that changes all the time is one line, whatever it becomes, but for its first changes and those that tell.
func TestRestless(t *testing.T) {
	var changes []change
	for i := range 50 {
		n := web(1, 50)
		n.Changes = i + 1
		changes = append(changes, modified("web1", i, "/var/counter", fmt.Sprint(i), n))
	}
	changes[20] = changes[20].with(func(c *syscheck.Change) { c.After.Mode = 0o100777 })
	want := []string{"49 modified /var/counter | only here: web1 | changes all the time; 46 times", "!!20 modified /var/counter | only here: web1 | rw-r--r-- → rwxrwxrwx",
		"!!02 modified /var/counter | only here: web1 |", "!!01 modified /var/counter | only here: web1 |", "!!00 modified /var/counter | only here: web1 |"}
	if got := lines(t, changelist.Options{}, changes); !reflect.DeepEqual(got, want) {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
}

// The newest lines are kept of an unfolded list, and the others counted.
func TestLimit(t *testing.T) {
	changes := many(40, 50, "/etc/a")
	got := lines(t, changelist.Options{Unfolded: true, Limit: 3}, changes)
	if len(got) != 4 || !strings.Contains(got[0], "web40") || !strings.Contains(got[2], "web38") || got[3] != "37 more" {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
}

// A list is the same in whichever order its hosts come, and nothing is lost from it.
func TestOrderDoesNotMatter(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	build := func(order []int) string {
		l := changelist.New(changelist.Options{})
		var wg sync.WaitGroup
		for _, i := range order {
			wg.Go(func() {
				h := l.Host(fmt.Sprintf("web%03d", i))
				for j := 9; j >= 0; j-- {
					c := modified("", 0, fmt.Sprint("/etc/", (i*j)%7), fmt.Sprint(i%3), web(i%5+1, 200))
					h.Add(baseline.Entry{Agent: fmt.Sprintf("web%03d", i), Time: night.Add(time.Duration(j%3) * time.Minute), Change: c.Change})
				}
				h.Done()
			})
		}
		wg.Wait()
		list, _ := l.Lines()
		changes := 0
		for _, line := range list {
			changes += line.Changes
		}
		if changes != 10*len(order) {
			t.Errorf("%d changes of %d", changes, 10*len(order))
		}
		b, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	order := rnd.Perm(120)
	want := build(order)
	for range 5 {
		rnd.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		if got := build(order); got != want {
			t.Fatalf("%s\n%s", got, want)
		}
	}
}

// BenchmarkFold folds a night of 400 changed files on a host among many.
func BenchmarkFold(b *testing.B) {
	entries := make([]baseline.Entry, 400)
	for i := range entries {
		entries[i] = baseline.Entry{Agent: "web1", Time: night, Change: modified("", 0, fmt.Sprint("/usr/lib/", i), "new", web(2, 50)).Change}
	}
	l := changelist.New(changelist.Options{})
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		h := l.Host(fmt.Sprint("web", i))
		for _, e := range entries {
			h.Add(e)
		}
		h.Done()
	}
}
