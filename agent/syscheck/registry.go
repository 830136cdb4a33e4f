package syscheck

import (
	"cmp"
	"context"
	"crypto/md5"  //nolint:gosec // OSSEC's
	"crypto/sha1" //nolint:gosec // OSSEC's
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/yagura-hids/yagura/internal/pattern"
)

// hive is the registry of Windows, as far as it is read.
type hive interface {
	// open opens a key in the view of 32- or 64-bit programs; 0 is the system's own. Its error wraps fs.ErrNotExist if there is no such key.
	open(path string, bits int) (hiveKey, error)
}

// hiveKey is an open key.
type hiveKey interface {
	subkeys() ([]string, error)
	values() ([]value, error)
	close()
}

// value is one of a key's values.
type value struct {
	name string
	kind uint32 // REG_SZ, …
	data []byte // as the registry has it
}

// maxDepth is how many keys deep is gone; the registry itself has 512 levels, but links among them may lead in a circle.
const maxDepth = 64

// keySeen is what a walk tells of a key. Of one that can't be read, or whose subkeys can't be listed, it tells why: what is known stays.
type keySeen struct {
	path string // with "[x64] " before it if it is the view of 64-bit programs
	text []byte // its values, see valuesText
	err  error  // why there is no text
	deep error  // why not all that is below is told
}

// registryWalk goes over keys and all below them.
type registryWalk struct {
	hive   hive
	ignore registryIgnore
	tell   func(k keySeen) error
}

// walk goes over a key of the configuration.
func (w *registryWalk) walk(ctx context.Context, r *Registry) error {
	return w.key(ctx, r, strings.TrimRight(r.Key, `\`), 0)
}

func (w *registryWalk) key(ctx context.Context, r *Registry, path string, depth int) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if w.ignore.match(path) {
		return nil
	}
	seen := keySeen{path: r.named(path)}
	k, err := w.hive.open(path, r.Bits)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		seen.err, seen.deep = err, err
		return w.tell(seen)
	}
	var names []string
	if names, seen.deep = k.subkeys(); seen.deep == nil && len(names) > 0 && depth == maxDepth {
		names, seen.deep = nil, fmt.Errorf("more than %d keys deep", maxDepth)
	}
	values, err := k.values()
	k.close()
	if seen.err = err; err == nil {
		seen.text = valuesText(values)
	}
	if err := w.tell(seen); err != nil {
		return err
	}
	for _, name := range names {
		if err := w.key(ctx, r, path+`\`+name, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// view64 stands before the path of a key as 64-bit programs see it. OSSEC's agent is one of 32 bits, and its paths are plain.
const view64 = "[x64] "

func (r *Registry) named(path string) string {
	if r.Bits == 64 {
		return view64 + path
	}
	return path
}

// registryIgnore is what keys are not looked at, with all below them: those that are named, whatever their case, and those that fit a pattern.
type registryIgnore struct {
	keys     map[string]bool // lower case
	patterns []*pattern.Pattern
}

func newRegistryIgnore(list []Match) (ri registryIgnore, err error) {
	ri.keys = map[string]bool{}
	for _, m := range list {
		if !m.Pattern {
			ri.keys[strings.ToLower(strings.TrimRight(m.Text, `\`))] = true
			continue
		}
		p, err := pattern.Compile(pattern.OSMatch, m.Text)
		if err != nil {
			return ri, fmt.Errorf("syscheck: registry_ignore %q: %w", m.Text, err)
		}
		ri.patterns = append(ri.patterns, p)
	}
	return ri, nil
}

func (ri registryIgnore) match(path string) bool {
	return ri.keys[strings.ToLower(path)] || slices.ContainsFunc(ri.patterns, func(p *pattern.Pattern) bool { return p.MatchString(path) })
}

// Kinds of values that are text or numbers.
const (
	regSZ       = 1
	regExpandSZ = 2
	regDWord    = 4
	regMultiSZ  = 7
	regQWord    = 11
)

// valuesText returns a key's values as the text that is hashed and compared, a line for each, ordered by name:
//
//	"Name"=sz:"text"      expand_sz, multi_sz: "a" "b", dword:10, qword:10, others by number: 3:0a0b
func valuesText(values []value) []byte {
	slices.SortFunc(values, func(a, b value) int { return cmp.Compare(a.name, b.name) })
	var out []byte
	for _, v := range values {
		out = fmt.Appendf(out, "%q=%s\n", v.name, v.text())
	}
	return out
}

// text returns a value's kind and data. No two have the same.
func (v value) text() string {
	s, whole := utf16Text(v.data)
	one, ended := strings.CutSuffix(s, "\x00")
	plain := whole && ended && !strings.Contains(one, "\x00")
	switch {
	case v.kind == regDWord && len(v.data) == 4:
		return fmt.Sprintf("dword:%d", binary.LittleEndian.Uint32(v.data))
	case v.kind == regQWord && len(v.data) == 8:
		return fmt.Sprintf("qword:%d", binary.LittleEndian.Uint64(v.data))
	case v.kind == regSZ && plain:
		return fmt.Sprintf("sz:%q", one)
	case v.kind == regExpandSZ && plain:
		return fmt.Sprintf("expand_sz:%q", one)
	case v.kind == regMultiSZ && whole && strings.HasSuffix(one, "\x00"):
		return "multi_sz:" + strings.Trim(fmt.Sprintf("%q", strings.Split(one[:len(one)-1], "\x00")), "[]")
	}
	return fmt.Sprintf("%d:%s", v.kind, hex.EncodeToString(v.data))
}

// utf16Text returns a text in UTF-16, and whether it is one.
func utf16Text(data []byte) (string, bool) {
	if len(data)%2 != 0 {
		return "", false
	}
	units := make([]uint16, len(data)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(data[2*i:])
	}
	runes := utf16.Decode(units)
	return string(runes), slices.Equal(utf16.Encode(runes), units)
}

// knownKey returns what the cache is to know of a key.
func knownKey(text []byte) *known {
	k := &known{check: hashes, hashed: hashes}
	k.md5, k.sha1, k.sha256 = md5.Sum(text), sha1.Sum(text), sha256.Sum256(text) //nolint:gosec // OSSEC's
	return k
}
