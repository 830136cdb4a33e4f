package wire_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/yagura-hids/yagura/internal/wire"
)

// vector is a file of testdata/vectors: fields, an empty line, a datagram in hex. What it expects is "ok" or a failure.
type vector map[string]string

var failures = map[string]error{"ok": nil, "format": wire.ErrFormat, "checksum": wire.ErrChecksum, "too large": wire.ErrTooLarge}

func readVector(t testing.TB, path string) (vector, []byte) {
	t.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	fields, body, _ := strings.Cut(string(file), "\n\n")
	v := vector{}
	for line := range strings.Lines(fields) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		v[name] = value
	}
	datagram, err := hex.DecodeString(strings.ReplaceAll(body, "\n", ""))
	if err != nil {
		t.Fatal(err)
	}
	return v, datagram
}

func (v vector) number(t *testing.T, field string) uint32 {
	t.Helper()
	n, err := strconv.ParseUint(v[field], 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(n)
}

func (v vector) limit() int {
	if v["limit"] != "" {
		return wire.MaxWazuh
	}
	return wire.MaxMessage
}

// open splits and opens.
func open(c *wire.Codec, datagram []byte, limit int) (wire.Datagram, wire.Message, error) {
	d, err := wire.Split(datagram)
	if err != nil {
		return d, wire.Message{}, err
	}
	m, err := c.Open(d, limit, new(wire.Scratch))
	return d, m, err
}

func TestVectors(t *testing.T) {
	paths, err := filepath.Glob("testdata/vectors/*.vec")
	if err != nil || len(paths) < 60 {
		t.Fatalf("%d vectors: %v", len(paths), err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".vec"), func(t *testing.T) {
			v, datagram := readVector(t, path)
			want, known := failures[v["expect"]]
			if !known {
				t.Fatalf("expect: %q is none of %v", v["expect"], failures)
			}
			k, err := wire.ParseKey(v["key"])
			if err != nil {
				t.Fatal(err)
			}
			codec := wire.NewCodec(k)
			d, m, err := open(codec, datagram, v.limit())
			if !errors.Is(err, want) || want == nil && err != nil {
				t.Fatalf("got %v, want %v", err, want)
			}
			if want == nil {
				checkMessage(t, v, d, m)
				checkReseal(t, codec, d, m, v.limit())
			}
		})
	}
}

func checkMessage(t *testing.T, v vector, d wire.Datagram, m wire.Message) {
	t.Helper()
	text, err := strconv.Unquote(v["text"])
	if err != nil {
		t.Fatal(err)
	}
	if string(d.ID) != v["id"] || m.Cipher.String() != v["cipher"] || string(m.Text) != text {
		t.Errorf("id %q, %v, %q; want %v", d.ID, m.Cipher, m.Text, v)
	}
	if m.Random != v.number(t, "random") || m.Global != v.number(t, "global") || m.Local != v.number(t, "local") {
		t.Errorf("%d %d:%d, want %v", m.Random, m.Global, m.Local, v)
	}
}

// checkReseal seals a message and opens it again.
func checkReseal(t testing.TB, c *wire.Codec, d wire.Datagram, m wire.Message, limit int) {
	t.Helper()
	sealed, err := c.Seal([]byte("before"), string(d.ID), m)
	if err != nil {
		t.Fatalf("seal %q: %v", m.Text, err)
	}
	datagram, ok := bytes.CutPrefix(sealed, []byte("before"))
	d2, m2, err := open(c, datagram, limit)
	if !ok || err != nil {
		t.Fatalf("open what was sealed: %v %v", ok, err)
	}
	if !bytes.Equal(d.ID, d2.ID) || m2.Cipher != m.Cipher || m2.Seq() != m.Seq() || !bytes.Equal(m2.Inner, m.Inner) || !bytes.Equal(m2.Text, m.Text) {
		t.Errorf("sealed %+v, opened %+v", m, m2)
	}
}
