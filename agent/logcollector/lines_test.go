package logcollector_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	. "github.com/yagura-hids/yagura/agent/logcollector"
)

// splitSlowly says in the plainest way what the lines of data are.
func splitSlowly(data []byte, limit int) (out []Line) {
	off := int64(0)
	for _, raw := range bytes.SplitAfter(data, []byte("\n")) {
		hole := len(raw) - len(bytes.TrimLeft(raw, "\x00"))
		raw, off = raw[hole:], off+int64(hole)
		text := strings.TrimSuffix(strings.TrimSuffix(string(raw), "\n"), "\r")
		l := Line{Text: text, Offset: off}
		if len(text) > limit {
			l.Text, l.Cut = text[:limit], true
		}
		if text != "" {
			out = append(out, l)
		}
		off += int64(len(raw))
	}
	return out
}

func FuzzLines(f *testing.F) {
	for _, seed := range []string{
		"", "\n", "\r\n", "a", "a\n", "a\r\nb\r\n", "12345678\n", "12345678\r\n", "123456789\n", "12345678\r", "123456789\r\nx\n",
		"1234567890\n\nx", "123456789012345678901234567890\nx\n", "\x00\xff\n\r\r\n", "12345678\rx\n",
	} {
		f.Add([]byte(seed), []byte{1}, uint8(8))
		f.Add([]byte(seed), []byte{3, 7}, uint8(8))
	}
	f.Fuzz(func(t *testing.T, data, sizes []byte, limit uint8) {
		n := int(limit) + 1
		reads := make([]int, len(sizes))
		for i, s := range sizes {
			reads[i] = int(s)
		}
		if got, want := SplitAll(data, n, reads), splitSlowly(data, n); !slices.Equal(got, want) {
			t.Errorf("limit %d, reads of %v:\ngot  %+v\nwant %+v", n, sizes, got, want)
		}
	})
}

func BenchmarkLines(b *testing.B) {
	data := []byte(strings.Repeat("Nov 23 10:00:00 web1 sshd[71]: Failed password for root from 198.51.100.7 port 22 ssh2\n", 1000))
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		SplitAll(data, 64<<10, nil)
	}
}
