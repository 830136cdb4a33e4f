package legacy_test

import (
	"fmt"
	"testing"
)

// BenchmarkRead reads messages as they come most: a line of a log, and a file's sum that is known, of many, stored or not.
func BenchmarkRead(b *testing.B) {
	sum := func(i int) string {
		return fmt.Sprintf("8:syscheck:%d:33188:0:0:%s /usr/share/doc/package-%d/changelog.Debian.gz", i, hashesA, i)
	}
	const files = 20_000
	for _, c := range []struct {
		name   string
		stored bool
		text   func(i int) string
	}{
		{"log", true, func(int) string {
			return "1:/var/log/auth.log:Nov 25 10:00:00 a sshd[12]: Failed password for root from 192.0.2.99 port 1 ssh2"
		}},
		{"unchanged", true, sum},
		{"unchanged-unstored", false, sum},
		{"unchanged-six-fields", true, func(i int) string {
			return fmt.Sprintf("8:syscheck:%d:33188:0:0:%s:%s /usr/share/doc/package-%d/changelog.Debian.gz", i, md5A, sha1A, i)
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			h := newHome(b)
			for i := range files {
				h.read(sum(i))
			}
			if c.stored {
				h.keep()
			}
			messages := make([]string, files)
			for i := range messages {
				messages[i] = c.text(i)
			}
			m := h.message(messages[0])
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				m.Text = messages[i%files][len(messages[0])-len(m.Text):]
				if m.Queue != '1' {
					m.Text = messages[i%files][len("8:syscheck:"):]
				}
				h.readOf(m)
			}
		})
	}
}

// BenchmarkKeep is a first scan: 1000 files to a transaction.
func BenchmarkKeep(b *testing.B) {
	h := newHome(b)
	m := h.message("8:syscheck:")
	for i := range b.N {
		for j := range 1000 {
			m.Text = fmt.Sprintf("%d:33188:0:0:%s /usr/share/doc/package-%d/%d", i, hashesA, i, j)
			h.readOf(m)
		}
		h.keep()
	}
	b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "files/s")
}
