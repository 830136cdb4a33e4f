package prevalence

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"time"
)

// Bounds of what is remembered of a package's version.
const (
	witnesses  = 3     // hosts that told a content. What so many told stays: then nothing is noted of the path any more
	contents   = 3     // of a path
	maxFiles   = 4_000 // contents of all paths
	maxTellers = 255   // hosts that told anything: an index of them is a byte
	maxName    = 256   // bytes of a host's name

	filesLive  = 365 * 24 * time.Hour // after it was told first, or was renewed
	filesRenew = 30 * 24 * time.Hour  // it is renewed so often, if it's in use
)

// Told is what other hosts told of a file of a package's version. A host's own word never counts for itself.
type Told struct {
	Same    int    // hosts that told the same content, at most 3
	Other   int    // hosts that told another one, that which most told: at most 3
	First   string // the first of those
	Earlier bool   // that one was told before the same one was
	Full    bool   // nothing is known, and there is no room to note it
}

// Believed tells whether a host's word is to be taken: that a file's content is what the package's version brings. It is if nobody told before, and if
// more of the others told the same than another content; or as many, and the same one first.
func (t Told) Believed() bool {
	return !t.Full && (t.Same > t.Other || t.Same == t.Other && !t.Earlier)
}

// Disbelieved says why a host isn't believed, "" if it is.
func (t Told) Disbelieved() string {
	switch {
	case t.Believed():
		return ""
	case t.Full:
		return "the fleet knows too many other files of this version of the package to note it"
	case t.Other == 1:
		return fmt.Sprintf("%s told another content for this version of the package", t.First)
	case t.Other >= witnesses:
		return fmt.Sprintf("%s and at least %d more hosts told another content for this version of the package", t.First, t.Other-1)
	}
	return fmt.Sprintf("%s and %d more hosts told another content for this version of the package", t.First, t.Other-1)
}

// Brings notes what a package's version (name, architecture, version, and the system that it is for, in one text) has at a path, as a host tells, and
// returns what others told. The first three hosts that told a content are noted, and nothing more when a content has three; so what it costs doesn't
// depend on how many hosts there are.
func (v *View) Brings(host, pkg, path, sum string) (Told, error) {
	key := keyOf("brings", "files", pkg)
	empty := func() *files { return &files{kept: kept{lives: filesLive}} }
	if err := fetch(v, empty, (*files).decode, key); err != nil {
		return Told{}, fmt.Errorf("look up what other hosts have of %q: %w", pkg, err)
	}
	if len(host) > maxName {
		s := sumOf(host)
		host = hex.EncodeToString(s[:])
	}
	f, p := v.items[key].(*files), sumOf(path)
	id, s := binary.BigEndian.Uint64(p[:]), sumOf(sum)
	told := f.told(host, id, s)
	if f.note(host, id, s) || f.expires-v.opts.Now().Unix() < int64((filesLive-filesRenew)/time.Second) {
		f.changed = true
	}
	return told, nil
}

// files are what is known of a package's version.
type files struct {
	kept
	hosts []string // that told
	list  []file   // in the order in which they were told
}

// file is a content that hosts told for a path.
type file struct {
	path uint64 // a hash
	sum  sum
	by   [witnesses]uint8 // the first hosts that told it: 1 + their places in files.hosts; 0 for none
}

// others returns how many hosts told it beside one, and the first of them.
func (f *files) others(t file, host string) (n int, first string) {
	for _, by := range t.by {
		if by == 0 || f.hosts[by-1] == host {
			continue
		}
		if n++; n == 1 {
			first = f.hosts[by-1]
		}
	}
	return n, first
}

// told returns what others than a host told of a path.
func (f *files) told(host string, path uint64, sum sum) (t Told) {
	t.Full = true
	same := false
	for _, told := range f.list {
		if told.path != path {
			continue
		}
		n, first := f.others(told, host)
		t.Full = false
		switch {
		case told.sum == sum:
			t.Same, same = n, n > 0
		case n > t.Other:
			t.Other, t.First, t.Earlier = n, first, !same
		}
	}
	t.Full = t.Full && (len(f.list) >= maxFiles || f.teller(host) < 0 && len(f.hosts) >= maxTellers)
	return t
}

func (f *files) teller(host string) int { return slices.Index(f.hosts, host) }

// note notes that a host told a content, and returns whether that was new.
func (f *files) note(host string, path uint64, sum sum) bool {
	teller, same, known := f.teller(host), -1, 0
	for i, t := range f.list {
		if t.path != path {
			continue
		}
		if known++; t.sum == sum {
			same = i
		}
		if t.by[witnesses-1] != 0 || teller >= 0 && slices.Contains(t.by[:], uint8(teller+1)) {
			return false
		}
	}
	if same < 0 && (known == contents || len(f.list) >= maxFiles) || teller < 0 && len(f.hosts) >= maxTellers {
		return false
	}
	if teller < 0 {
		teller, f.hosts = len(f.hosts), append(f.hosts, host)
	}
	if same < 0 {
		same, f.list = len(f.list), append(f.list, file{path: path, sum: sum})
	}
	by := &f.list[same].by
	by[slices.Index(by[:], 0)] = uint8(teller + 1)
	return true
}
