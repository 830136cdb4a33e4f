package main

import (
	"crypto/md5" //nolint:gosec // dpkg's database has no other
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/yagura-hids/yagura/internal/night"
	words "github.com/yagura-hids/yagura/internal/syscheck"
)

// database is what a machine's dpkg knows of its files: the package, as name:arch, and the MD5 of a path, "" where it has none.
type database map[string]map[string]string

// readDatabase reads dpkg's lists below root: what is in a package, the contents of most of that, and the settings that it brought.
func readDatabase(root string) (database, error) {
	info := filepath.Join(root, "var/lib/dpkg/info")
	lists, err := filepath.Glob(filepath.Join(info, "*.list"))
	if err != nil || len(lists) == 0 {
		return nil, fmt.Errorf("%s: no packages: %w", info, err)
	}
	db := database{}
	for _, list := range lists {
		base := strings.TrimSuffix(list, ".list")
		name, _, _ := strings.Cut(filepath.Base(base), ":")
		files := map[string]string{}
		text, err := os.ReadFile(list)
		if err != nil {
			return nil, err
		}
		for p := range strings.Lines(string(text)) {
			files[merged(strings.TrimSpace(p))] = ""
		}
		sums, err := os.ReadFile(base + ".md5sums")
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for line := range strings.Lines(string(sums)) {
			if sum, p, ok := strings.Cut(strings.TrimSpace(line), "  "); ok {
				files[merged("/"+p)] = sum
			}
		}
		db[name] = files
	}
	status, err := os.ReadFile(filepath.Join(root, "var/lib/dpkg/status"))
	if err != nil {
		return nil, err
	}
	for stanza := range strings.SplitSeq(string(status), "\n\n") {
		name := field(stanza, "Package")
		for _, m := range regexp.MustCompile(`(?m)^ (/\S+) ([0-9a-f]{32})$`).FindAllStringSubmatch(stanza, -1) {
			if db[name] != nil {
				db[name][merged(m[1])] = m[2]
			}
		}
	}
	return db, nil
}

func field(stanza, name string) string {
	if m := regexp.MustCompile(`(?m)^` + name + `: (.*)$`).FindStringSubmatch(stanza); m != nil {
		return m[1]
	}
	return ""
}

// merged returns where a path is since /bin, /sbin and /lib lie in /usr.
func merged(p string) string {
	for _, dir := range []string{"/bin/", "/sbin/", "/lib/", "/lib64/"} {
		if strings.HasPrefix(p, dir) {
			return "/usr" + p
		}
	}
	return path.Clean(p)
}

// run is one of apt: what it did, by its own history.
type run struct {
	id       string
	from, to time.Time
	packages map[string]*words.Package // by name
}

var aptPackage = regexp.MustCompile(`([^ ,]+):([^ ,]+) \(([^ ,)]+)(?:, ([^ )]+))?[^)]*\)`)

// readRuns reads apt's history from a time on.
func readRuns(root string, since time.Time) (runs []run, err error) {
	text, err := os.ReadFile(filepath.Join(root, "var/log/apt/history.log"))
	if err != nil {
		return nil, err
	}
	for stanza := range strings.SplitSeq(string(text), "\n\n") {
		r := run{packages: map[string]*words.Package{}}
		for at, name := range map[*time.Time]string{&r.from: "Start-Date", &r.to: "End-Date"} {
			if *at, err = time.Parse("2006-01-02  15:04:05", field(stanza, name)); err != nil {
				break
			}
		}
		if err != nil || r.to.Before(since) {
			continue
		}
		r.id = "apt " + r.from.Format(time.RFC3339)
		for _, what := range []string{"Install", "Upgrade", "Remove", "Purge"} {
			for _, m := range aptPackage.FindAllStringSubmatch(field(stanza, what), -1) {
				p := &words.Package{Manager: "dpkg", Name: m[1], Arch: m[2], From: m[3], To: m[4], Transaction: r.id, Time: r.from}
				if what == "Install" {
					p.From, p.To = "", m[3]
				}
				r.packages[p.Name] = p
			}
		}
		runs = append(runs, r)
	}
	return runs, nil
}

// link tells of each change whose package's own it is, by the databases before and after, and of each run of apt what it did. It is done after the night,
// when an agent does it at once: of a file that changed several times, only the last content can be known.
func link(root string, before, after database, runs []run, began time.Time, told *night.Recording) error {
	for _, r := range runs {
		files := map[string]int{}
		for i := range told.Changes {
			c := &told.Changes[i]
			at := began.Add(c.At)
			if at.Before(r.from) || at.After(r.to.Add(30*time.Second)) || c.Change.Package != nil {
				continue
			}
			p, err := owner(root, before, after, r, &c.Change)
			if err != nil {
				return err
			}
			if p != nil {
				c.Change.Package = p
				files[p.Name]++
			}
		}
		sum := night.Change{At: r.to.Sub(began) + 2*quiet, Change: words.Change{Type: words.Packages}}
		for name, p := range r.packages {
			all := *p
			all.Files = files[name]
			sum.Change.Packages = append(sum.Change.Packages, all)
		}
		slices.SortFunc(sum.Change.Packages, func(a, b words.Package) int { return strings.Compare(a.Name, b.Name) })
		told.Changes = append(told.Changes, sum)
	}
	slices.SortStableFunc(told.Changes, func(a, b night.Change) int { return int(a.At - b.At) })
	return nil
}

// owner returns the package of a run whose work a change is, nil if dpkg doesn't say that it is.
func owner(root string, before, after database, r run, c *words.Change) (*words.Package, error) {
	for name, p := range r.packages {
		_, had := before[name][c.Path]
		sum, has := after[name][c.Path]
		switch {
		case c.After == nil && had && !has:
			return p, nil
		case c.Before == nil && c.After != nil && has && c.After.Mode&0o170000 == 0o120000: // of a link dpkg knows the path only
			return p, nil
		case c.After == nil || !has || sum == "" || c.After.SHA256 == "":
			continue
		}
		content, err := os.ReadFile(filepath.Join(root, c.Path))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		sum5, sum256 := md5.Sum(content), sha256.Sum256(content)
		if hex.EncodeToString(sum5[:]) == sum && hex.EncodeToString(sum256[:]) == c.After.SHA256 {
			return p, nil
		}
	}
	return nil, nil
}
