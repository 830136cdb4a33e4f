package ruleset_test

import (
	"bytes"
	"encoding/binary"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/yagura-hids/yagura/internal/ruleset"
)

// makeCDB writes a constant database of keys and values, with the hash tables that its other readers need.
func makeCDB(pairs ...string) []byte {
	le := binary.LittleEndian
	type slot struct{ hash, at uint32 }
	var tables [256][]slot
	out := make([]byte, 2048)
	for i := 0; i < len(pairs); i += 2 {
		hash := uint32(5381)
		for _, c := range []byte(pairs[i]) {
			hash = hash<<5 + hash ^ uint32(c)
		}
		tables[hash%256] = append(tables[hash%256], slot{hash, uint32(len(out))})
		out = le.AppendUint32(le.AppendUint32(out, uint32(len(pairs[i]))), uint32(len(pairs[i+1])))
		out = append(append(out, pairs[i]...), pairs[i+1]...)
	}
	for i, table := range tables {
		slots := make([]slot, 2*len(table))
		le.PutUint32(out[8*i:], uint32(len(out)))
		le.PutUint32(out[8*i+4:], uint32(len(slots)))
		for _, s := range table {
			at := int(s.hash>>8) % len(slots)
			for slots[at].at != 0 {
				at = (at + 1) % len(slots)
			}
			slots[at] = s
		}
		for _, s := range slots {
			out = le.AppendUint32(le.AppendUint32(out, s.hash), s.at)
		}
	}
	return out
}

func TestParseCDB(t *testing.T) {
	for _, tt := range []struct {
		pairs []string
		want  map[string]string
	}{
		{nil, map[string]string{}},
		{[]string{"a", "1", "b:c", "", "", "2"}, map[string]string{"a": "1", "b:c": "", "": "2"}},
		{[]string{"a", "1", "a", "2"}, map[string]string{"a": "1"}},
	} {
		got, err := ruleset.ParseCDB(makeCDB(tt.pairs...))
		if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
			t.Errorf("%q: %v %s", tt.pairs, err, diff)
		}
	}
}

// What is cut off anywhere, or has a length that is too great, is told.
func TestParseCDBBroken(t *testing.T) {
	whole := makeCDB("key", "value", "another", "one")
	for n := range whole {
		if _, err := ruleset.ParseCDB(whole[:n]); err == nil {
			t.Fatalf("%d of %d bytes: no error", n, len(whole))
		}
	}
	for _, at := range []int{0, 4, 2044, 2048, 2052} {
		for _, value := range []uint32{2047, 0x7fffffff, 0x80000000, 0xffffffff} {
			broken := bytes.Clone(whole)
			binary.LittleEndian.PutUint32(broken[at:], value)
			if _, err := ruleset.ParseCDB(broken); err == nil {
				t.Errorf("%#x at %d: no error", value, at)
			}
		}
	}
}

// FuzzCDB: any records below a header with one table of any place and size are a database or none; what is read of it is no more than was
// given, and is a database again.
func FuzzCDB(f *testing.F) {
	f.Add(makeCDB("a", "1", "b", "2")[2048:], uint8(3), uint32(2048), uint32(2))
	f.Add([]byte("\x01\x00\x00\x00\x02\x00\x00\x00abc"), uint8(255), uint32(2059), uint32(0))
	f.Fuzz(func(t *testing.T, records []byte, table uint8, at, slots uint32) {
		src := makeCDB()
		for i := range 256 {
			binary.LittleEndian.PutUint32(src[8*i:], uint32(2048+len(records)))
		}
		binary.LittleEndian.PutUint32(src[8*int(table):], at)
		binary.LittleEndian.PutUint32(src[8*int(table)+4:], slots)
		list, err := ruleset.ParseCDB(append(src, records...))
		if err != nil {
			return
		}
		size, pairs := 0, []string(nil)
		for key, value := range list {
			size += len(key) + len(value)
			pairs = append(pairs, key, value)
		}
		if size > len(records) {
			t.Fatalf("%d bytes of %d", size, len(records))
		}
		if again, err := ruleset.ParseCDB(makeCDB(pairs...)); err != nil || !maps.Equal(list, again) {
			t.Errorf("%q, %v; was %q", again, err, list)
		}
	})
}
