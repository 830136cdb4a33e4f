package packages

import (
	"cmp"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// logTail is how much of a log is read, from its end.
const logTail = 4 << 20

// times reads dpkg's log, in local time:
//
//	2026-11-24 22:35:56 startup archives unpack
//	2026-11-24 22:35:56 upgrade openssl:amd64 3.0.13-1 3.0.14-1
//
// dpkg knows no runs: one is what apt has it do without a pause, and its name is the time of its first line.
func (d *dpkg) times(changed map[string]state) map[string]deed {
	l := dpkgLog{changed: changed, out: map[string]deed{}}
	for _, name := range []string{"dpkg.log.1", "dpkg.log"} {
		f, err := os.Open(filepath.Join(d.root, "/var/log", name))
		if err != nil {
			continue // there is no need for a log
		}
		if info, err := f.Stat(); err == nil && info.Size() > logTail {
			_, _ = f.Seek(-logTail, io.SeekEnd) // else all is read
		}
		_ = l.read(f) // what can't be read isn't known
		_ = f.Close() // it was only read
	}
	return l.out
}

type dpkgLog struct {
	changed   map[string]state
	out       map[string]deed
	run, last time.Time
}

func (l *dpkgLog) read(r io.Reader) error {
	lines := scanLines(r)
	for lines.Scan() {
		l.line(lines.Text())
	}
	return lines.Err()
}

func (l *dpkgLog) line(line string) {
	if len(line) < len(time.DateTime)+1 {
		return
	}
	at, err := time.ParseInLocation(time.DateTime, line[:len(time.DateTime)], time.Local)
	words := strings.Fields(line[len(time.DateTime):])
	if err != nil || len(words) == 0 {
		return
	}
	if l.run.IsZero() || words[0] == "startup" && at.Sub(l.last).Abs() > runGap {
		l.run = at
	}
	l.last = at
	if len(words) < 4 {
		return
	}
	to, removes := words[3], false
	switch words[0] {
	case "install", "upgrade":
	case "remove", "purge", "disappear":
		removes = true
	default:
		return
	}
	if s, ok := l.changed[words[1]]; ok && (removes && !s.installed || !removes && s.installed && s.version == to) {
		l.out[words[1]] = deed{at: at, run: runName(cmp.Or(l.run, at))}
	}
}
