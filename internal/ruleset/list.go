package ruleset

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
)

// errNotConfigured is returned for a list that ossec.conf does not name.
var errNotConfigured = errors.New("no <list> of ossec.conf names it")

// list reads a text list, which a rule names as ossec.conf does, with or without ".cdb".
func (l *loader) list(name string) (map[string]string, error) {
	plain := func(s string) string { return strings.TrimSuffix(strings.TrimSpace(s), ".cdb") }
	known := slices.ContainsFunc(l.files.Lists, func(path string) bool { return l.locate(plain(path)) == l.locate(plain(name)) })
	if !known {
		return nil, errNotConfigured
	}
	path := l.locate(plain(name))
	if list, ok := l.lists[path]; ok {
		return list, nil
	}
	src, err := fs.ReadFile(l.fsys, path)
	if err != nil {
		return nil, err
	}
	l.digest(path, src)
	l.lists[path] = parseList(string(src))
	return l.lists[path], nil
}

// parseList reads lines of key:value. "###" begins a comment, lines without ":" are passed over, of repeated keys the first counts.
func parseList(src string) map[string]string {
	list := map[string]string{}
	for line := range strings.Lines(src) {
		line = strings.TrimRight(line, "\r\n")
		if text, _, commented := strings.Cut(line, "###"); commented {
			line = strings.TrimRight(text, " \t")
		}
		key, value, ok := strings.Cut(line, ":")
		if _, twice := list[key]; ok && !twice {
			list[key] = value
		}
	}
	return list
}
