package logcollector

import (
	"strings"
	"time"
)

// identity is what a file keeps when it is renamed: device and inode, or a volume's serial number and the file's index there.
type identity struct{ dev, inode uint64 }

// info is what there is to know of a file from outside.
type info struct {
	id      identity
	size    int64
	mtime   time.Time
	regular bool
	linked  bool // it has a name
}

// replaceVars puts in the value of each %NAME% that lookup knows.
func replaceVars(path string, lookup func(string) (string, bool)) string {
	var out strings.Builder
	for {
		before, rest, ok := strings.Cut(path, "%")
		out.WriteString(before)
		if !ok {
			return out.String()
		}
		name, after, closed := strings.Cut(rest, "%")
		value, known := lookup(name)
		if !closed || !known || name == "" {
			out.WriteByte('%')
			path = rest
			continue
		}
		out.WriteString(value)
		path = after
	}
}
