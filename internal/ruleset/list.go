package ruleset

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// errNotConfigured is returned for a list that ossec.conf does not name.
var errNotConfigured = errors.New("no <list> of ossec.conf names it")

// list reads a list, which a rule names as ossec.conf does, with or without ".cdb". The text counts; the database that OSSEC makes of it is
// read where there is no text. In Wazuh's dialect ossec.conf need not name it: rules that come with an update of Wazuh bring lists of their own.
func (l *loader) list(name string) (map[string]string, error) {
	path := l.listPath(name)
	known := slices.ContainsFunc(l.files.Lists, func(other string) bool { return l.listPath(other) == path })
	if !known && !l.files.Wazuh {
		return nil, errNotConfigured
	}
	if list, ok := l.lists[path]; ok {
		return list, nil
	}
	list, err := l.readList(path)
	if err == nil {
		l.lists[path] = list
	}
	return list, err
}

func (l *loader) listPath(name string) string {
	name = strings.TrimSuffix(strings.TrimSpace(name), ".cdb")
	for _, suffix := range []string{"", ".cdb"} {
		if path := l.locate(name + suffix); l.exists(path) {
			return strings.TrimSuffix(path, ".cdb")
		}
	}
	return l.locate(name)
}

func (l *loader) readList(path string) (map[string]string, error) {
	src, err := fs.ReadFile(l.fsys, path)
	if err == nil {
		l.digest(path, src)
		if l.files.Wazuh {
			return parseList(string(src), splitWazuh), nil
		}
		return parseList(string(src), splitOSSEC), nil
	}
	db, dbErr := fs.ReadFile(l.fsys, path+".cdb")
	if dbErr != nil {
		return nil, err
	}
	l.digest(path+".cdb", db)
	list, err := parseCDB(db)
	if err != nil {
		return nil, fmt.Errorf("%s.cdb: %w", path, err)
	}
	return list, nil
}

// parseList reads the keys and values that split finds in lines. Of repeated keys the first counts.
func parseList(src string, split func(line string) (key, value string, ok bool)) map[string]string {
	list := map[string]string{}
	for line := range strings.Lines(src) {
		key, value, ok := split(strings.TrimRight(line, "\r\n"))
		if _, twice := list[key]; ok && !twice {
			list[key] = value
		}
	}
	return list
}

// splitOSSEC reads key:value. "###" begins a comment, lines without ":" are passed over.
func splitOSSEC(line string) (key, value string, ok bool) {
	if text, _, commented := strings.Cut(line, "###"); commented {
		line = strings.TrimRight(text, " \t")
	}
	return strings.Cut(line, ":")
}

// splitWazuh reads key:value, "key":value, key:"value" or "key":"value": between quotes a key may hold ":". A quote that is never closed
// costs the line, as does a missing ":".
func splitWazuh(line string) (key, value string, ok bool) {
	rest := line
	if before, after, quoted := strings.Cut(line, `"`); quoted && !strings.Contains(before, ":") {
		if key, rest, ok = strings.Cut(after, `"`); !ok {
			return "", "", false
		}
		if _, value, ok = strings.Cut(rest, ":"); !ok {
			return "", "", false
		}
	} else if key, value, ok = strings.Cut(rest, ":"); !ok {
		return "", "", false
	}
	if _, after, quoted := strings.Cut(value, `"`); quoted {
		value, _, ok = strings.Cut(after, `"`)
	}
	return key, value, ok
}
