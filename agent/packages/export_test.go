package packages

import (
	"bytes"
	"io"
)

// ParseRPMStates is parseRPMStates.
func ParseRPMStates(r io.Reader, fn func(key, label string)) error {
	return parseRPMStates(r, func(key, label string, _ state) { fn(key, label) })
}

// ParseRPMFiles is parseRPMFiles.
func ParseRPMFiles(r io.Reader, fn func(label, path string, a Algorithm)) error {
	return parseRPMFiles(r, func(label, path string, sum digest) { fn(label, path, sum.algorithm) })
}

// ParseAll gives text to all parsers of dpkg's files, and returns the paths of the list.
func ParseAll(text []byte) (paths []string) {
	_ = parseStatus(bytes.NewReader(text), func(s *stanza) { _, _, _ = s.statusWord(), nameOf(s.key()), archOf(s.key()) })
	_ = parseSums(bytes.NewReader(text), func(string, digest) {})
	_, _ = parseDiversions(bytes.NewReader(text))
	l := dpkgLog{changed: map[string]state{"tool:all": {version: "2", installed: true}}, out: map[string]deed{}}
	_ = l.read(bytes.NewReader(text))
	_ = parseList(bytes.NewReader(text), func(path string) { paths = append(paths, path) })
	return paths
}

// Reencode reads what is remembered and writes it again.
func Reencode(b []byte) (before, work []byte) {
	if s, paths, err := parseBefore(b); err == nil {
		var list []uint64
		for h := range hashes(paths) {
			list = append(list, h)
		}
		before = appendBefore(s, list)
	}
	if w, err := parseWork("dpkg/tool:all", b); err == nil {
		work = w.bytes()
	}
	return before, work
}

// Remembered returns records as they are remembered.
func Remembered() [][]byte {
	w := Work{gone: []uint64{1, 2}, Live: 3}
	return [][]byte{appendBefore(state{version: "1:2", installed: true, written: 7}, []uint64{3, 4}), w.bytes()}
}

// Aliases returns the path by which p is known where these directories stand for others.
func Aliases(links map[string]string, p string) string { return aliases(links).real(p) }
