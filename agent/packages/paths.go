package packages

import (
	"os"
	"path"
	"path/filepath"
	"strings"
)

// aliases are the directories under which others are found, too: where /bin is a symbolic link to usr/bin, lists may name a file by either path. A path
// ─► the one that it stands for.
type aliases map[string]string

// merged are the directories in which systems keep such links.
var merged = []string{"/", "/usr", "/var"}

func newAliases(root string) aliases {
	a := aliases{"": root}
	for _, dir := range merged {
		entries, err := os.ReadDir(filepath.Join(root, dir))
		if err != nil {
			continue
		}
		for _, e := range entries {
			if e.Type()&os.ModeSymlink == 0 {
				continue
			}
			from := path.Join(dir, e.Name())
			to, err := os.Readlink(filepath.Join(root, from))
			if err != nil {
				continue
			}
			if !path.IsAbs(to) {
				to = path.Join(dir, to)
			}
			a[from] = path.Clean(to)
		}
	}
	return a
}

// within returns what a path of the host is for its packages.
func (a aliases) within(p string) string { return a.real(strings.TrimPrefix(p, a[""])) }

// real returns the path by which a file is known.
func (a aliases) real(p string) string {
	for range 4 { // a link may lead to another one
		to, rest, ok := a.cut(p)
		if !ok {
			return p
		}
		p = path.Join(to, rest)
	}
	return p
}

// cut finds such a directory, the first of a path or the second: they lie no deeper.
func (a aliases) cut(p string) (to, rest string, ok bool) {
	end := 0
	for range 2 {
		next := strings.IndexByte(p[min(end+1, len(p)):], '/')
		if next < 0 {
			break
		}
		end += 1 + next
		if to, ok := a[p[:end]]; ok {
			return to, p[end:], true
		}
	}
	return "", "", false
}
