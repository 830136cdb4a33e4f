package session_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/agent/relay/session"
)

// BenchmarkAdmit is messages of 500 hosts, each in its turn, of 200 bytes.
func BenchmarkAdmit(b *testing.B) {
	for _, key := range []*session.Key{one, {ID: "1026", Name: "web", Many: true}} {
		b.Run(key.Name, func(b *testing.B) {
			r := newRelay(b, session.Options{})
			a := session.Arrival{Key: key, Inner: make([]byte, 200), At: start}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				a.Seq = uint64(i + 1)
				if key.Many {
					a.Seq = uint64(i/500 + 1)
				}
				if i < 500 { // they may not all come at once
					a.At = a.At.Add(time.Second)
				}
				a.From = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i % 500 >> 8), byte(i % 500)}), 1000)
				a.At = a.At.Add(20 * time.Microsecond)
				binary.BigEndian.PutUint64(a.Inner, uint64(i))
				if _, v := r.s.Admit(a); v != session.Accepted {
					b.Fatal(v)
				}
				if i++; i%5000 == 0 {
					b.StopTimer()
					r.store()
					b.StartTimer()
				}
			}
		})
	}
}

// BenchmarkAdmitReplayed is one datagram, again and again from its address.
func BenchmarkAdmitReplayed(b *testing.B) {
	r := newRelay(b, session.Options{})
	a := session.Arrival{Key: many, From: elsewhere, Seq: 1, Inner: make([]byte, 200), At: start}
	b.ReportAllocs()
	for b.Loop() {
		r.s.Admit(a)
	}
}

// BenchmarkAdmitUnknown is datagrams from addresses that have used up their limits.
func BenchmarkAdmitUnknown(b *testing.B) {
	r := newRelay(b, session.Options{})
	a := session.Arrival{Key: many, Seq: 1, Inner: make([]byte, 200), At: start, Control: true}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		a.From = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 1000)
		binary.BigEndian.PutUint64(a.Inner, uint64(i))
		r.s.Admit(a)
	}
}

// BenchmarkSegments is messages of one host when 24 hours are in files.
func BenchmarkSegments(b *testing.B) {
	r := newRelay(b, session.Options{})
	a := session.Arrival{Key: many, From: elsewhere, Seq: 1, Inner: make([]byte, 200), At: start}
	admit := func() {
		binary.BigEndian.PutUint64(a.Inner, a.Seq)
		if _, v := r.s.Admit(a); v != session.Accepted {
			b.Fatal(v)
		}
		a.Seq++
	}
	for range 24 {
		for range 100_000 {
			admit()
		}
		a.At = a.At.Add(time.Hour)
		admit()
		r.store()
	}
	b.ReportAllocs()
	for b.Loop() {
		admit()
	}
}

// BenchmarkIdle tells what 10,000 named sessions take, each.
func BenchmarkIdle(b *testing.B) {
	for b.Loop() {
		r := newRelay(b, session.Options{})
		before := heap()
		key := &session.Key{ID: "1", Name: "web-asg", Many: true, MaxHosts: 1 << 20}
		for i := range 10_000 {
			r.now = r.now.Add(time.Second)
			x, v := r.s.Admit(session.Arrival{
				Key: key, From: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 1), Seq: uint64(i), Inner: fmt.Append(nil, i), Control: true, At: r.now,
			})
			if v != session.Accepted {
				b.Fatal(v)
			}
			r.s.Name(x, fmt.Sprintf("ip-10-0-%d-%d.eu-central-1.compute.internal", i>>8, i&255))
		}
		r.store()
		b.ReportMetric(float64(heap()-before)/10_000, "B/session")
		b.ReportMetric(float64(session.Size), "B/struct")
		r.s.Stats()
	}
}
