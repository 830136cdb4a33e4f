package rootcheck

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"

	"github.com/yagura-hids/yagura/internal/osxml"
)

// Bounds of the files that hold signatures and policies.
const (
	maxFile = 4 << 20
	maxLine = 8 << 10
)

// databases is what is looked for. It is read at the start of a check and dropped at its end.
type databases struct {
	files    []rootkit
	names    map[string]rootkit // by the base name that is looked for everywhere
	trojans  []trojan
	policies map[audience][]*policy
}

// rootkit is a line of rootkit_files.txt:
//
//	path ! name :: link
//
// A path without a leading slash is relative to the base directory; */name is a base name that is looked for in each directory.
type rootkit struct{ path, name string }

// trojan is a line of rootkit_trojans.txt:
//
//	file !POSIX extended regular expression!description       the description may be missing
//
// A file without a leading slash is looked for in bin, sbin, usr/bin and usr/sbin.
type trojan struct {
	file, regex, desc string
	re                *regexp.Regexp
}

// load reads all databases. What is wrong with them is in faults, the rest works.
func (r *Rootcheck) load() (*databases, *osxml.Faults) {
	db, faults := &databases{names: map[string]rootkit{}, policies: map[audience][]*policy{}}, &osxml.Faults{}
	r.each(faults, r.conf.Files, []string{"rootkit_files.txt"}, func(file, text string) {
		db.addRootkits(file, text, faults)
	})
	r.each(faults, r.conf.Trojans, []string{"rootkit_trojans.txt"}, func(file, text string) {
		db.trojans = append(db.trojans, parseTrojans(file, text, faults)...)
	})
	policies := func(a audience, names []string) {
		r.each(faults, names, builtin[a], func(file, text string) {
			db.policies[a] = append(db.policies[a], parsePolicy(file, text, faults))
		})
	}
	policies(systemAudit, r.conf.Audits)
	policies(windowsAudit, r.conf.WindowsAudits)
	policies(windowsMalware, r.conf.WindowsMalware)
	policies(windowsApp, r.conf.WindowsApps)
	return db, faults
}

// each calls fn with the text of each file that the configuration names, or of the built-in ones if it names none or none can be read.
func (r *Rootcheck) each(faults *osxml.Faults, named, own []string, fn func(file, text string)) {
	read := 0
	for _, name := range named {
		f, err := os.Open(name)
		if err == nil {
			var text string
			if text, err = readAll(f); err == nil {
				fn(name, text)
				read++
				continue
			}
		}
		faults.Add(osxml.Pos{File: name}, "leave it out to use the built-in one", "%v", cause(err))
	}
	if read > 0 {
		return
	}
	for _, name := range own {
		name = path.Join("rootcheck", name)
		f, err := r.opts.Databases.Open(name)
		if err == nil {
			var text string
			if text, err = readAll(f); err == nil {
				fn(name, text)
				continue
			}
		}
		faults.Add(osxml.Pos{File: name}, "", "%v", cause(err))
	}
}

// cause is an error without the path that a fault has anyway.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

func readAll(f io.ReadCloser) (string, error) {
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = errors.New("larger than 4 MiB")
	}
	return string(data), err
}

// eachLine calls fn with the lines that are neither empty nor comments, without blanks around them.
func eachLine(file, text string, faults *osxml.Faults, fn func(pos osxml.Pos, line string)) {
	n := 0
	for line := range strings.SplitSeq(text, "\n") {
		n++
		line = strings.Trim(line, " \t\r")
		pos := osxml.Pos{File: file, Line: n, Col: 1}
		switch {
		case line == "" || line[0] == '#':
		case len(line) > maxLine:
			faults.Add(pos, "split it", "line longer than %d bytes", maxLine)
		default:
			fn(pos, line)
		}
	}
}

func (db *databases) addRootkits(file, text string, faults *osxml.Faults) {
	eachLine(file, text, faults, func(pos osxml.Pos, line string) {
		where, rest, ok := strings.Cut(line, "!")
		where = strings.TrimRight(where, " \t")
		name, _, _ := strings.Cut(rest, "::")
		name = strings.TrimSpace(name)
		if !ok || where == "" || name == "" {
			faults.Add(pos, "write: path ! name :: link", "no rootkit's file")
			return
		}
		base, everywhere := strings.CutPrefix(where, "*/")
		switch {
		case !everywhere:
			db.files = append(db.files, rootkit{where, name})
		case base == "" || strings.Contains(base, "/"):
			faults.Add(pos, "write */name, without further slashes", "%s is no base name", base)
		default:
			db.names[base] = rootkit{where, name}
		}
	})
}

func parseTrojans(file, text string, faults *osxml.Faults) (list []trojan) {
	eachLine(file, text, faults, func(pos osxml.Pos, line string) {
		name, rest, ok := strings.Cut(line, "!")
		name = strings.TrimRight(name, " \t")
		regex, desc, _ := strings.Cut(rest, "!")
		if !ok || name == "" || regex == "" {
			faults.Add(pos, "write: file !regular expression!description", "no trojan's signature")
			return
		}
		re, err := regexp.CompilePOSIX(regex)
		if err != nil {
			pos.Col += strings.Index(line, "!") + 1
			faults.Add(pos, "write a POSIX extended regular expression", "%v", err)
			return
		}
		list = append(list, trojan{file: name, regex: regex, desc: strings.TrimSpace(desc), re: re})
	})
	return list
}
