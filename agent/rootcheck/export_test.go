package rootcheck

import (
	"io/fs"

	"github.com/yagura-hids/yagura/internal/osxml"
)

// ParsePolicy returns the number of entries, and of those that can hold.
func ParsePolicy(file, text string, faults *osxml.Faults) (entries, good int) {
	for _, e := range parsePolicy(file, text, faults).entries {
		if entries++; !e.broken {
			good++
		}
	}
	return entries, good
}

// ParseRootkits returns how many lines of rootkit_files.txt were understood.
func ParseRootkits(file, text string, faults *osxml.Faults) int {
	db := &databases{names: map[string]rootkit{}}
	db.addRootkits(file, text, faults)
	return len(db.files) + len(db.names)
}

// ParseTrojans returns how many lines of rootkit_trojans.txt were understood.
func ParseTrojans(file, text string, faults *osxml.Faults) int {
	return len(parseTrojans(file, text, faults))
}

// Lstat sets what stands for os.Lstat.
func (r *Rootcheck) Lstat(lstat func(path string) (fs.FileInfo, error)) { r.lstat = lstat }

// MatchLine tells whether a pattern holds for a line.
func MatchLine(source, line string) (bool, error) {
	p, err := parsePattern(source)
	if err != nil {
		return false, err
	}
	return p.text(line), nil
}
