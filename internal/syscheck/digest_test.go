package syscheck_test

import (
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/internal/syscheck"
)

var full = syscheck.Record{
	Size: 1234, Mode: 0o100644, UID: "0", GID: "1000", User: "root", Group: "staff", MTime: time.Unix(1_800_000_000, 5).UTC(), Inode: 300,
	MD5: "d41d8cd98f00b204e9800998ecf8427e", SHA1: "da39a3ee5e6b4b0d3255bfef95601890afd80709",
	SHA256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", Link: "../x",
}

// The vectors of docs/protocol.md: the canonical bytes of records, and what is made of them.
func TestVectors(t *testing.T) {
	for _, c := range []struct {
		path      string
		record    syscheck.Record
		canonical string // hexadecimal
		bucket    int
		sum       string
	}{
		{"/etc/passwd", syscheck.Record{}, "010b2f6574632f7061737377640000000000000000000000", 116, "e71a0a4958bc8e05ecc090d6681bf0b53e8b3cc15ee95c9623aa0585717a4ae4"},
		{"/etc/passwd", full, "010b2f6574632f706173737764d209a483020130043130303080c8ceb40d05ac0220643431643863643938663030623230346539383030393938656366383432376528646133396133656535653662346230643332353562666566393536303138393061666438303730394065336230633434323938666331633134396166626634633839393666623932343237616534316534363439623933346361343935393931623738353262383535042e2e2f78", 116, "5f2a6b67031aaa44118ed8fbb24621826797ffa5f59e22de928302d0886f773c"},
		{`/tmp/\xff`, syscheck.Record{Size: 128, Mode: 0o120777, UID: "S-1-5-18", MTime: time.Unix(-1, 0)}, "01092f746d702f5c7866668001ffc30208532d312d352d31380001000000000000", 154, "52f5ba74f1094f0ae5cc8fdbaba7e2d200f61b89eec0e597d9cc6838f9096f90"},
	} {
		b := c.record.AppendCanonical(nil, c.path)
		var d syscheck.Digest
		d.Add(c.path, &c.record)
		if hex.EncodeToString(b) != c.canonical || syscheck.Bucket(c.path) != c.bucket || hex.EncodeToString(d.Sum[:]) != c.sum {
			t.Errorf("%q: {%q, %d, %q}", c.path, hex.EncodeToString(b), syscheck.Bucket(c.path), hex.EncodeToString(d.Sum[:]))
		}
	}
}

// A digest doesn't depend on the order, nor on what was there in between.
func TestDigestsAreOfTheSet(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var d, e syscheck.Digests
	records := map[string]syscheck.Record{}
	for i := range 500 {
		path, r := "/"+strings.Repeat("x", i), full
		r.Size = rnd.Int64N(1000)
		records[path] = r
		d.Add(path, &r)
	}
	for path, r := range records {
		other := full
		e[syscheck.Bucket(path)].Add(path, &other)
		e.Add(path, &r)
		e[syscheck.Bucket(path)].Remove(path, &other)
	}
	if d != e || d.Files() != 500 {
		t.Errorf("%d and %d files, and they differ", d.Files(), e.Files())
	}
	back, err := syscheck.ParseDigests(d.String())
	if err != nil || *back != d {
		t.Errorf("read back: %v", err)
	}
	if c, err := syscheck.Parse(d.String()); err != nil || c.Type != syscheck.DigestsType {
		t.Errorf("as a change: %+v, %v", c, err)
	}
	for path, r := range records {
		d[syscheck.Bucket(path)].Remove(path, &r)
	}
	if d != (syscheck.Digests{}) {
		t.Error("something is left of nothing")
	}
}

func FuzzParseDigests(f *testing.F) {
	var d syscheck.Digests
	f.Add(d.String())
	d.Add("/etc/passwd", &full)
	f.Add(d.String())
	f.Fuzz(func(t *testing.T, text string) {
		d, err := syscheck.ParseDigests(text)
		if err != nil {
			return
		}
		if again, err := syscheck.ParseDigests(d.String()); err != nil || *again != *d {
			t.Errorf("%s: %v", d, err)
		}
	})
}

func TestEscape(t *testing.T) {
	for path, want := range map[string]string{
		"/etc/passwd": "/etc/passwd", "/ü\n": "/ü\n", "/\xff\xfe": `/\xff\xfe`, `/\xff`: `/\x5cxff`, `C:\xampp`: `C:\xampp`, `\xab`: `\x5cxab`, "\ufffd": "\ufffd",
	} {
		if got := syscheck.Escape(path); got != want {
			t.Errorf("%q: %q, want %q", path, got, want)
		}
	}
}

// No two paths become one, and all fit into JSON.
func FuzzEscape(f *testing.F) {
	f.Add("/\xff", `/\xff`)
	f.Add(`/\x5c\xff`, "/\\\xff")
	f.Fuzz(func(t *testing.T, a, b string) {
		x, y := syscheck.Escape(a), syscheck.Escape(b)
		if (a == b) != (x == y) {
			t.Errorf("%q and %q became %q and %q", a, b, x, y)
		}
		if c, err := syscheck.Parse(syscheck.Change{Path: x}.String()); err != nil || c.Path != x {
			t.Errorf("%q came back as %q: %v", x, c.Path, err)
		}
	})
}
