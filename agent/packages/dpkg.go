package packages

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// dpkg is Debian's database: files of lines in /var/lib/dpkg.
//
//	status, updates/0000…    Package: openssl            info/openssl.list       one path a line
//	                         Status: install ok …        info/openssl.md5sums    MD5, two spaces, path without its first slash
//	                         Architecture: amd64         info/NAME:ARCH.list     where several architectures may be there
//	                         Version: 3.0.13-1           diversions              three lines each: path, where it lies, for whom it doesn't
//	                         Conffiles:
//	                          /etc/x MD5
//
// While dpkg works, updates/ holds what is newer than status.
type dpkg struct{ root string }

func (*dpkg) name() string { return "dpkg" }

func (d *dpkg) file(names ...string) string {
	return filepath.Join(append([]string{d.root, "/var/lib/dpkg"}, names...)...)
}

func (d *dpkg) stamp() string {
	status := stampOf(d.file("status"))
	if status == "" {
		return ""
	}
	return status + " " + stampOf(d.file("updates"))
}

// stampOf returns another text when a file is another one, or was changed; "" if there is none.
func stampOf(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%d.%d.%d", info.ModTime().UnixNano(), info.Size(), inode(info))
}

func (d *dpkg) busy() bool { return locked(d.file("lock-frontend")) || locked(d.file("lock")) }

// stanza is what is read of a package in status.
type stanza struct {
	name, arch, version, status string
	conffiles                   [][2]string // path, MD5; only if wanted
}

func (s *stanza) key() string { return s.name + ":" + s.arch }

func nameOf(key string) string {
	name, _, _ := strings.Cut(key, ":")
	return name
}

func archOf(key string) string {
	_, arch, _ := strings.Cut(key, ":")
	arch, _, _ = strings.Cut(arch, "=")
	return arch
}

// statusWord is the third one: what is there of the package.
func (s *stanza) statusWord() string {
	if words := strings.Fields(s.status); len(words) == 3 {
		return words[2]
	}
	return ""
}

// maxLine is the longest line that is read.
const maxLine = 1 << 20

func scanLines(r io.Reader) *bufio.Scanner {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 4<<10), maxLine)
	return lines
}

// parseStatus calls fn for each package of a status file. The stanza is gone after it.
func parseStatus(r io.Reader, fn func(s *stanza)) error {
	var s stanza
	conffiles := false
	end := func() {
		if s.name != "" {
			fn(&s)
		}
		s, conffiles = stanza{conffiles: s.conffiles[:0]}, false
	}
	lines := scanLines(r)
	for lines.Scan() {
		line := lines.Bytes()
		switch {
		case len(line) == 0:
			end()
		case line[0] == ' ':
			if conffiles {
				if words := strings.Fields(string(line)); len(words) >= 2 {
					s.conffiles = append(s.conffiles, [2]string{words[0], words[1]})
				}
			}
		default:
			conffiles = s.field(line)
		}
	}
	end()
	return lines.Err()
}

var colon = []byte(":")

// field takes a line, and tells whether conffiles follow.
func (s *stanza) field(line []byte) (conffiles bool) {
	name, value, _ := bytes.Cut(line, colon)
	var into *string
	switch string(name) {
	case "Package":
		into = &s.name
	case "Status":
		into = &s.status
	case "Architecture":
		into = &s.arch
	case "Version":
		into = &s.version
	case "Conffiles":
		return true
	default:
		return false
	}
	*into = string(bytes.TrimSpace(value))
	return false
}

// each calls fn for the stanzas of status, then for the newer ones of updates.
func (d *dpkg) each(ctx context.Context, fn func(s *stanza)) error {
	paths := []string{d.file("status")}
	newer, err := os.ReadDir(d.file("updates"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range newer { // sorted
		if strings.Trim(e.Name(), "0123456789") == "" {
			paths = append(paths, d.file("updates", e.Name()))
		}
	}
	for _, path := range paths {
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) && path != paths[0] { // merged meanwhile
			continue
		}
		if err != nil {
			return err
		}
		err = parseStatus(f, fn)
		_ = f.Close() // it was only read
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

func (d *dpkg) states(ctx context.Context) (map[string]state, map[string]bool, error) {
	all, halfway := map[string]state{}, map[string]bool{}
	err := d.each(ctx, func(s *stanza) {
		key := s.key()
		delete(all, key)
		delete(halfway, key)
		st := state{version: s.version}
		switch s.statusWord() {
		case "installed":
			st.installed, st.settled = true, true
		case "unpacked", "half-configured", "triggers-awaited", "triggers-pending":
			st.installed = true
		case "config-files":
			st.settled = true
		case "half-installed":
			halfway[key] = true
			return
		default: // not-installed
			return
		}
		all[key] = st
	})
	for key, st := range all {
		if info, err := os.Stat(d.info(key, ".list")); err == nil {
			st.written = info.ModTime().UnixNano()
		}
		if !st.installed { // it is made anew when others are removed
			st.written = 0
		}
		all[key] = st
	}
	return all, halfway, err
}

// info returns the path of a file about a package.
func (d *dpkg) info(key, what string) string {
	path := d.file("info", key+what)
	if _, err := os.Lstat(path); err == nil {
		return path
	}
	return d.file("info", nameOf(key)+what)
}

func (d *dpkg) files(ctx context.Context, keys map[string]bool, digests bool, fn func(key, path string, sum digest)) error {
	if len(keys) == 0 {
		return nil
	}
	sums := func(string) (map[string]digest, error) { return nil, nil }
	if digests {
		settings, err := d.settings(ctx, keys)
		if err != nil {
			return err
		}
		sums = func(key string) (map[string]digest, error) { return d.sums(key, settings[key]) }
	}
	diverted, err := d.diversions()
	if err != nil {
		return err
	}
	for key := range keys {
		sums, err := sums(key)
		if err != nil {
			return err
		}
		err = readLines(d.info(key, ".list"), func(r io.Reader) error {
			return parseList(r, func(path string) {
				fn(key, diverted.of(nameOf(key), path), sums[path])
			})
		})
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// settings returns the paths and hashes of these packages' conffiles.
func (d *dpkg) settings(ctx context.Context, keys map[string]bool) (map[string][][2]string, error) {
	settings := map[string][][2]string{}
	err := d.each(ctx, func(s *stanza) {
		if key := s.key(); keys[key] {
			settings[key] = slices.Clone(s.conffiles)
		}
	})
	return settings, err
}

// readLines gives a file to parse; none is an empty one.
func readLines(path string, parse func(io.Reader) error) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // it is only read
	if err := parse(f); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// sums returns the digests of a package's files.
func (d *dpkg) sums(key string, settings [][2]string) (map[string]digest, error) {
	sums := map[string]digest{}
	err := readLines(d.info(key, ".md5sums"), func(r io.Reader) error {
		return parseSums(r, func(path string, sum digest) { sums[path] = sum })
	})
	for _, c := range settings {
		if sum, ok := parseDigest(MD5, c[1]); ok {
			sums[c[0]] = sum
		} else {
			delete(sums, c[0])
		}
	}
	return sums, err
}

// parseSums reads an md5sums file.
func parseSums(r io.Reader, fn func(path string, sum digest)) error {
	lines := scanLines(r)
	for lines.Scan() {
		text, path, ok := strings.Cut(lines.Text(), "  ")
		if sum, valid := parseDigest(MD5, text); ok && valid {
			fn("/"+strings.TrimPrefix(path, "/"), sum)
		}
	}
	return lines.Err()
}

// lengths are those of the algorithms' digests, in bytes.
var lengths = map[Algorithm]int{MD5: 16, SHA1: 20, SHA256: 32}

func parseDigest(a Algorithm, text string) (d digest, ok bool) {
	sum, err := hex.DecodeString(text)
	if err != nil || a == None || len(sum) != lengths[a] {
		return d, false
	}
	d.algorithm = a
	copy(d.sum[:], sum)
	return d, true
}

// parseList reads a list. A directory is known by what comes next, which lies in it; an empty one is taken for a link, and does no harm: nobody asks for it.
func parseList(r io.Reader, fn func(path string)) error {
	last := ""
	end := func(next string) {
		if last != "" && last != "/." && !inside(next, last) {
			fn(last)
		}
		last = next
	}
	lines := scanLines(r)
	for lines.Scan() {
		if line := lines.Text(); strings.HasPrefix(line, "/") {
			end(line)
		}
	}
	end("")
	return lines.Err()
}

func inside(path, dir string) bool {
	return len(path) > len(dir) && path[len(dir)] == '/' && strings.HasPrefix(path, dir)
}

// diversions are where a package's file lies if not where the list says: by its path.
type diversions map[string]diversion

type diversion struct{ to, by string }

func (d *dpkg) diversions() (out diversions, err error) {
	err = readLines(d.file("diversions"), func(r io.Reader) (err error) { out, err = parseDiversions(r); return err })
	return out, err
}

func parseDiversions(r io.Reader) (diversions, error) {
	out := diversions{}
	lines := scanLines(r)
	for lines.Scan() {
		from := lines.Text()
		if !lines.Scan() {
			break
		}
		to := lines.Text()
		if !lines.Scan() {
			break
		}
		out[from] = diversion{to, lines.Text()}
	}
	return out, lines.Err()
}

// of returns where a package's file lies.
func (d diversions) of(name, path string) string {
	if to, ok := d[path]; ok && to.by != name {
		return to.to
	}
	return path
}
