package logcollector_test

import (
	"fmt"
	"strings"
	"testing"

	. "github.com/yagura-hids/yagura/agent/logcollector"
)

const sample = "Nov 23 10:00:00 web1 sshd[71]: Failed password for root from 198.51.100.7 port 22 ssh2\n"

// BenchmarkIdle is what a look costs when nothing has changed: it happens twice a second.
func BenchmarkIdle(b *testing.B) {
	for _, n := range []int{10, 1000} {
		b.Run(fmt.Sprintf("files=%d", n), func(b *testing.B) {
			o := newOwner(b, syslog("*.log"))
			for i := range n {
				o.append(fmt.Sprintf("%d.log", i), sample)
			}
			o.start()
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := o.c.Step(1000); ok {
					b.Fatal("something new")
				}
			}
		})
	}
}

// BenchmarkFollow reads a file that has grown by 100,000 lines, in batches of 1000 with their positions.
func BenchmarkFollow(b *testing.B) {
	o := newOwner(b, Source{Location: "log", Format: "syslog", FromStart: true})
	o.append("log", strings.Repeat(sample, 100_000))
	b.SetBytes(int64(100_000 * len(sample)))
	b.ReportAllocs()
	for b.Loop() {
		c, err := New(o.sources, Positions{}, Options{})
		if err != nil {
			b.Fatal(err)
		}
		n := 0
		for batch, ok := c.More(1000); ok; batch, ok = c.More(1000) {
			n += len(batch.Lines)
		}
		if n != 100_000 {
			b.Fatalf("%d lines", n)
		}
		if err := c.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
