package packages

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

// What is remembered, by the beginning of its key:
//
//	m/dpkg                   the database that was read
//	b/dpkg/openssl:amd64     flags │ version │ written (varint) │ hashes of its paths, eight bytes each, rising
//	w/dpkg/openssl:amd64     Work as JSON │ hashes of the paths that are gone
//
// A text is its length (uvarint) and its bytes; flags are a uvarint: 1 installed, 2 settled.
const (
	spaceDatabase = "m/"
	spaceBefore   = "b/"
	spaceWork     = "w/"
)

func split(key string) (space, name string) {
	if len(key) < 2 {
		return "", ""
	}
	return key[:2], key[2:]
}

var errRecord = errors.New("damaged record of a package")

// hashOf is what stands for a path.
func hashOf(path string) uint64 {
	var b [256]byte
	sum := sha256.Sum256(append(b[:0], path...))
	return binary.BigEndian.Uint64(sum[:])
}

func appendBefore(s state, paths []uint64) []byte {
	flags := uint64(0)
	if s.installed {
		flags |= 1
	}
	if s.settled {
		flags |= 2
	}
	b := make([]byte, 0, 16+len(s.version)+8*len(paths))
	b = appendText(binary.AppendUvarint(b, flags), s.version)
	return appendHashes(binary.AppendVarint(b, s.written), paths)
}

// parseBefore reads what appendBefore wrote; the hashes are still bytes.
func parseBefore(b []byte) (s state, paths []byte, err error) {
	flags, n := binary.Uvarint(b)
	if n <= 0 {
		return s, nil, errRecord
	}
	s.installed, s.settled = flags&1 != 0, flags&2 != 0
	if s.version, b, err = cutText(b[n:]); err != nil {
		return s, nil, err
	}
	if s.written, n = binary.Varint(b); n <= 0 || len(b[n:])%8 != 0 {
		return s, nil, errRecord
	}
	return s, b[n:], nil
}

func (w *Work) bytes() []byte {
	text, err := json.Marshal(w)
	if err != nil {
		return nil // no value of these types fails
	}
	return appendHashes(appendText(nil, string(text)), w.gone)
}

func parseWork(key string, b []byte) (*Work, error) {
	text, rest, err := cutText(b)
	if err != nil || len(rest)%8 != 0 {
		return nil, errRecord
	}
	w := &Work{key: key}
	if json.Unmarshal([]byte(text), w) != nil {
		return nil, errRecord
	}
	w.gone = slices.Collect(hashes(rest))
	return w, nil
}

func (x *Index) keep(w *Work) { x.o.Put(spaceWork+w.key, w.bytes()) }

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func cutText(b []byte) (string, []byte, error) {
	length, n := binary.Uvarint(b)
	if n <= 0 || length > uint64(len(b)-n) {
		return "", nil, errRecord
	}
	return string(b[n : n+int(length)]), b[n+int(length):], nil
}

func appendHashes(b []byte, list []uint64) []byte {
	for _, h := range list {
		b = binary.BigEndian.AppendUint64(b, h)
	}
	return b
}

// hashes goes over what appendHashes wrote.
func hashes(b []byte) func(yield func(uint64) bool) {
	return func(yield func(uint64) bool) {
		for ; len(b) >= 8; b = b[8:] {
			if !yield(binary.BigEndian.Uint64(b)) {
				return
			}
		}
	}
}

// ofManager returns a package's key, if the key of a record is that of a package of this manager.
func ofManager(key, space, manager string) (string, bool) {
	rest, ok := strings.CutPrefix(key, space+manager+"/")
	return rest, ok
}
