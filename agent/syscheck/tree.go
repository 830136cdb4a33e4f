package syscheck

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/yagura-hids/yagura/internal/pattern"
)

// tree is which paths are watched, and how: the configuration with its patterns looked up. It doesn't change.
type tree struct {
	roots    map[string]*root // by path
	sorted   []string         // their paths, in the order of the cache
	ignore   matcher
	skipNFS  bool
	separate string // the system's separator, as text
}

// root is a path that the configuration names.
type root struct {
	Directory                  // Path is as configured
	path      string           // one that it stands for
	restrict  *pattern.Pattern // nil for all
}

// matcher is a list of Match, compiled.
type matcher struct {
	texts    []string // lower case
	patterns []*pattern.Pattern
}

func compile(what string, matches []Match) (m matcher, err error) {
	for _, match := range matches {
		if !match.Pattern {
			m.texts = append(m.texts, strings.ToLower(match.Text))
			continue
		}
		p, err := pattern.Compile(pattern.OSMatch, match.Text)
		if err != nil {
			return matcher{}, fmt.Errorf("syscheck: %s: %w", what, err)
		}
		m.patterns = append(m.patterns, p)
	}
	return m, nil
}

// match tells whether one of them chooses the path.
func (m *matcher) match(path string) bool {
	for _, text := range m.texts {
		if len(path) >= len(text) && strings.EqualFold(path[:len(text)], text) {
			return true
		}
	}
	for _, p := range m.patterns {
		if p.MatchString(path) {
			return true
		}
	}
	return false
}

// newTree looks up the patterns of the configuration. Of two entries for the same path the first counts.
func newTree(conf *Config) (*tree, error) {
	t := &tree{roots: map[string]*root{}, skipNFS: conf.SkipNFS, separate: string(filepath.Separator)}
	var err error
	if t.ignore, err = compile("ignore", conf.Ignore); err != nil {
		return nil, err
	}
	for _, d := range conf.Directories {
		var restrict *pattern.Pattern
		if d.Restrict != "" {
			if restrict, err = pattern.Compile(pattern.OSMatch, d.Restrict); err != nil {
				return nil, fmt.Errorf("syscheck: directory %s: restrict: %w", d.Path, err)
			}
		}
		paths, err := lookUp(d.Path)
		if err != nil {
			return nil, fmt.Errorf("syscheck: directory %s: %w", d.Path, err)
		}
		for _, path := range paths {
			if t.roots[path] == nil {
				t.roots[path] = &root{Directory: d, path: path, restrict: restrict}
				t.sorted = append(t.sorted, path)
			}
		}
	}
	slices.SortFunc(t.sorted, func(a, b string) int { return strings.Compare(string(key(a)), string(key(b))) })
	return t, nil
}

// lookUp returns the paths that a path of the configuration stands for.
func lookUp(path string) ([]string, error) {
	path = filepath.Clean(path)
	if !filepath.IsAbs(path) {
		return nil, fmt.Errorf("not an absolute path; write it from the root on")
	}
	if _, err := os.Lstat(path); err == nil || !strings.ContainsAny(path, "*?[") {
		return []string{path}, nil
	}
	return filepath.Glob(path)
}

// within returns path's directory, and whether there is one.
func within(path string) (string, bool) {
	up := filepath.Dir(path)
	return up, up != path
}

// rootOf returns the nearest root at or above path, nil if there is none, and how many directories lie between: -1 for the root itself.
func (t *tree) rootOf(path string) (r *root, depth int) {
	for depth = -1; ; depth++ {
		if r = t.roots[path]; r != nil {
			return r, depth
		}
		up, ok := within(path)
		if !ok {
			return nil, 0
		}
		path = up
	}
}

// directoryOf returns the entry of the configuration that says how a file of that path is watched, and nil if it isn't.
func (t *tree) directoryOf(path string) *root {
	r, depth := t.rootOf(path)
	if r == nil || !r.reaches(depth) || !r.fits(path) {
		return nil
	}
	for p := path; p != r.path; p, _ = within(p) { // an ignored directory hides all below it
		if t.ignore.match(p) {
			return nil
		}
	}
	if up, _ := within(path); t.ignore.match(r.path) || t.skips(r, up) {
		return nil
	}
	return r
}

// kind is a sort of file system.
type kind uint8

const (
	onDisk    kind = iota
	onNetwork      // NFS, CIFS
	inKernel       // what looks like files and is the kernel's state, some of it without an end
)

// skips tells whether what a directory below a root holds is left out because of its file system: the kernel's own ones are looked at only if
// the configuration names what lies there.
func (t *tree) skips(r *root, dir string) bool {
	switch kindOf(dir) {
	case onNetwork:
		return t.skipNFS
	case inKernel:
		return kindOf(r.path) != inKernel
	}
	return false
}

// reaches tells whether files are looked at that have so many directories between themselves and the root.
func (r *root) reaches(depth int) bool { return r.Recursion < 0 || depth <= r.Recursion }

func (r *root) fits(path string) bool { return r.restrict == nil || r.restrict.MatchString(path) }

// follows tells whether a symbolic link at that path is followed.
func (r *root) follows(path string) bool { return r.FollowLinks && path == r.path }

// below returns the names in dir by which one comes to roots that are named apart from it, sorted.
func (t *tree) below(dir string) (names []string) {
	prefix := strings.TrimSuffix(dir, t.separate) + t.separate
	first, _ := slices.BinarySearchFunc(t.sorted, string(key(prefix)), func(path, k string) int { return strings.Compare(string(key(path)), k) })
	for _, path := range t.sorted[first:] {
		rest, ok := strings.CutPrefix(path, prefix)
		if !ok {
			break
		}
		name, _, _ := strings.Cut(rest, t.separate)
		if name != "" && (len(names) == 0 || names[len(names)-1] != name) {
			names = append(names, name)
		}
	}
	return names
}

// tops are the roots that lie below no other.
func (t *tree) tops() (tops []*root) {
	for _, path := range t.sorted {
		if up, ok := within(path); ok {
			if r, _ := t.rootOf(up); r != nil {
				continue
			}
		}
		tops = append(tops, t.roots[path])
	}
	return tops
}
