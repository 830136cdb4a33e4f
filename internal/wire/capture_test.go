package wire_test

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yagura-hids/yagura/internal/wire"
)

// capture is what an unmodified agent and a remoted of OSSEC said to each other.
type capture struct {
	key      wire.Key
	sections []section
}

type section struct {
	name     string
	sent     [][]byte // by the agent
	received [][]byte
}

func readCapture(t *testing.T, path string) capture {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var c capture
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		kind, rest, _ := strings.Cut(line, " ")
		switch {
		case kind == "#" && c.key.ID != "":
			c.sections = append(c.sections, section{name: rest})
		case kind == "#":
		case c.key.ID == "":
			if c.key, err = wire.ParseKey(line); err != nil {
				t.Fatal(err)
			}
		default:
			datagram, err := hex.DecodeString(rest)
			if err != nil {
				t.Fatal(err)
			}
			last := &c.sections[len(c.sections)-1]
			if kind == ">" {
				last.sent = append(last.sent, datagram)
			} else {
				last.received = append(last.received, datagram)
			}
		}
	}
	return c
}

func TestCaptures(t *testing.T) {
	paths, err := filepath.Glob("testdata/captures/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatal("no captures", err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) { testCapture(t, readCapture(t, path)) })
	}
}

// testCapture opens all that was said. The counters of both sides only rise, but for the agent's where they were wiped; what was sent opens
// with the prefix that an agent with such a key sets, and seals to what opens to the same.
func testCapture(t *testing.T, c capture) {
	codec, said := wire.NewCodec(c.key), map[string]bool{}
	var sent, received uint64
	for _, s := range c.sections {
		if strings.HasSuffix(s.name, "wiped") {
			sent = 0
		}
		sent = opened(t, codec, s.sent, sent, prefix(c.key), said)
		received = opened(t, codec, s.received, received, "", said)
	}
	for _, want := range []string{
		"#!-agent startup ", "#!-agent ack ", "#!-close file ", "#!-syscheck restart", "1:disk:ossec: output: 'disk': disk 42%",
		"8:syscheck:-1 /srv/www/file-7", "9:rootcheck:Ending rootcheck scan.", "1:/srv/log/app.log:x",
	} {
		if !said[want] {
			t.Errorf("nobody said %q", want)
		}
	}
}

func prefix(k wire.Key) string {
	if _, single := k.Address.Single(); single {
		return ""
	}
	return k.ID
}

func opened(t *testing.T, codec *wire.Codec, datagrams [][]byte, last uint64, id string, said map[string]bool) uint64 {
	t.Helper()
	var s wire.Scratch
	for _, datagram := range datagrams {
		d, err := wire.Split(datagram)
		if err != nil || string(d.ID) != id {
			t.Fatalf("%x: prefix %q, want %q: %v", datagram, d.ID, id, err)
		}
		m, err := codec.Open(d, wire.MaxMessage, &s)
		if err != nil {
			t.Fatalf("%x: %v", datagram, err)
		}
		if m.Seq() <= last {
			t.Errorf("%s came with %d after %d", m.Text, m.Seq(), last)
		}
		last = m.Seq()
		said[string(m.Text)] = true
		again(t, codec, m, id)
	}
	return last
}

// again seals what was opened, and opens it.
func again(t *testing.T, codec *wire.Codec, m wire.Message, id string) {
	t.Helper()
	sealed, err := codec.Seal(nil, id, m)
	if err != nil {
		t.Fatal(err)
	}
	d, err := wire.Split(sealed)
	if err != nil {
		t.Fatal(err)
	}
	var s wire.Scratch
	if got, err := codec.Open(d, wire.MaxMessage, &s); err != nil || got.Seq() != m.Seq() || !bytes.Equal(got.Inner, m.Inner) {
		t.Fatalf("%s sealed and opened is %s: %v", m.Inner, got.Inner, err)
	}
}
