package bolt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/yagura-hids/yagura/internal/table"
)

// A key is its parts one after another, each ended by 00 01, a 00 within it written as 00 FF: so keys have the order of their parts.
const (
	zero      = "\x00"
	escape    = "\x00\xFF"
	terminate = "\x00\x01"
)

func appendEscaped(key []byte, part string) []byte {
	for {
		before, after, found := strings.Cut(part, zero)
		key = append(key, before...)
		if !found {
			return key
		}
		key, part = append(key, escape...), after
	}
}

func appendPart(key []byte, part string) []byte {
	return append(appendEscaped(key, part), terminate...)
}

// parts reads a key back.
func parts(key []byte) ([]string, error) {
	var list []string
	for len(key) > 0 {
		part, rest, found := bytes.Cut(key, []byte(terminate))
		if !found {
			return nil, fmt.Errorf("%w: a key without an end", ErrDamaged)
		}
		list = append(list, strings.ReplaceAll(string(part), escape, zero))
		key = rest
	}
	return list, nil
}

// itemKey returns an item's key in its table's bucket.
func itemKey(s *table.Schema, k table.Key) []byte {
	key := appendPart(make([]byte, 0, len(k.Partition)+len(k.Sort)+8), k.Partition)
	if s.Sort != "" {
		key = appendPart(key, k.Sort)
	}
	return key
}

// indexKey returns an item's key in an index's bucket, nil if it isn't in it.
func indexKey(s *table.Schema, index *table.Index, item table.Fields) []byte {
	partition, sort := item.String(index.Partition), item.String(index.Sort)
	if partition == "" || sort == "" {
		return nil
	}
	own := itemKey(s, s.Key(item))
	key := make([]byte, 0, len(partition)+len(sort)+len(own)+8)
	return append(appendPart(appendPart(key, partition), sort), own...)
}

// The sorts of a field's value.
const (
	typeString = 's'
	typeBytes  = 'b'
	typeInt    = 'i'
	typeTrue   = 't'
	typeFalse  = 'f'
)

// encode writes the fields of those names that the item has: name, sort and value each, with lengths where they are needed.
func encode(item table.Fields, names []string) []byte {
	var text []byte
	for _, name := range names {
		if value, ok := item[name]; ok {
			text = appendField(text, name, value)
		}
	}
	return text
}

func encodeAll(item table.Fields) []byte {
	text := make([]byte, 0, table.Size(item)+6*len(item))
	for name, value := range item {
		text = appendField(text, name, value)
	}
	return text
}

func appendField(text []byte, name string, value any) []byte {
	text = appendText(text, name)
	switch v := value.(type) {
	case string:
		return appendText(append(text, typeString), v)
	case []byte:
		return append(binary.AppendUvarint(append(text, typeBytes), uint64(len(v))), v...)
	case int64:
		return binary.AppendVarint(append(text, typeInt), v)
	case bool:
		if v {
			return append(text, typeTrue)
		}
	}
	return append(text, typeFalse)
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// decode adds fields to item.
func decode(item table.Fields, text []byte) error {
	r := reader{text: text}
	for len(r.text) > 0 && !r.bad {
		name := string(r.bytes())
		switch r.byte() {
		case typeString:
			item[name] = string(r.bytes())
		case typeBytes:
			item[name] = append([]byte{}, r.bytes()...)
		case typeInt:
			item[name] = r.int()
		case typeTrue:
			item[name] = true
		case typeFalse:
			item[name] = false
		default:
			r.bad = true
		}
	}
	if r.bad {
		return fmt.Errorf("%w: a stored item can't be read", ErrDamaged)
	}
	return nil
}

// reader takes values off a text; bad tells that the text was not what it should be.
type reader struct {
	text []byte
	bad  bool
}

func (r *reader) byte() (b byte) {
	if len(r.text) == 0 {
		r.bad = true
		return 0
	}
	b, r.text = r.text[0], r.text[1:]
	return b
}

func (r *reader) int() int64 {
	v, n := binary.Varint(r.text)
	if n <= 0 {
		r.bad = true
		return 0
	}
	r.text = r.text[n:]
	return v
}

func (r *reader) bytes() []byte {
	size, n := binary.Uvarint(r.text)
	if n <= 0 || size > uint64(len(r.text)-n) {
		r.bad = true
		return nil
	}
	end := n + int(size)
	b := r.text[n:end]
	r.text = r.text[end:]
	return b
}
