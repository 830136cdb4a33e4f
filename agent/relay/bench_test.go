package relay_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/agent/relay/relaytest"
	"github.com/yagura-hids/yagura/internal/fleet"
	"github.com/yagura-hids/yagura/internal/wire"
)

// BenchmarkRelay sends b.N log lines of 500 hosts to a relay in a process of its own, at 50,000 a second, and tells what that process needs
// for one, and how many the kernel dropped.
func BenchmarkRelay(b *testing.B) {
	for _, c := range []wire.Cipher{wire.Blowfish, wire.AES} {
		b.Run(c.String(), func(b *testing.B) { benchRelay(b, c) })
	}
}

func benchRelay(b *testing.B, c wire.Cipher) {
	list, err := relaytest.Keys(500)
	if err != nil {
		b.Fatal(err)
	}
	var keys []fleet.Key
	for _, k := range list {
		keys = append(keys, fleet.Key{Key: k})
	}
	s, _ := newServer(b, keys, "-discard")
	hosts, err := relaytest.Own(list, s.at)
	if err != nil {
		b.Fatal(err)
	}
	defer relaytest.Close(hosts)
	for _, h := range hosts {
		h.Cipher = c
		joinAgain(b, h)
	}
	each := max(1, b.N/len(hosts))
	load, err := relaytest.Seal(hosts, each, func(host, i int) string {
		return fmt.Sprintf("1:/var/log/auth.log:Nov 25 01:02:03 web%03d sshd[%d]: Accepted publickey for deploy from 198.51.100.%d port %d ssh2", host, i, host%250, 1024+i%50000)
	})
	if err != nil {
		b.Fatal(err)
	}
	before := cpu(b, s.cmd.Process.Pid)
	b.ResetTimer()
	took, err := load.Send(50_000)
	if err != nil {
		b.Fatal(err)
	}
	quiet(b, s.cmd.Process.Pid)
	b.StopTimer()
	used := cpu(b, s.cmd.Process.Pid) - before
	b.ReportMetric(float64(load.Len())/used.Seconds(), "datagrams/cpu-s")
	b.ReportMetric(float64(load.Len())/took.Seconds(), "datagrams/s")
	b.ReportMetric(float64(drops(b, s.port)), "dropped")
}

// cpu returns the processor time that a process has used.
func cpu(b *testing.B, pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	user, err1 := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	if err := errors.Join(err1, err2); err != nil {
		b.Fatal(err)
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}

// quiet waits until a process has nothing to do any more.
func quiet(b *testing.B, pid int) {
	for last := cpu(b, pid); ; {
		time.Sleep(1500 * time.Millisecond) // longer than events are gathered
		now := cpu(b, pid)
		if now-last < 30*time.Millisecond {
			return
		}
		last = now
	}
}

// drops returns how many datagrams the kernel had no room for at a port of UDP.
func drops(b *testing.B, port uint16) (n int) {
	text, err := os.ReadFile("/proc/net/udp")
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 12 && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) {
			n, _ = strconv.Atoi(f[12])
		}
	}
	return n
}

// freePort returns a port of UDP that nobody has at the moment.
func freePort(t testing.TB) uint16 {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return uint16(c.LocalAddr().(*net.UDPAddr).Port)
}

// BenchmarkIdle tells what a host costs that is known and says nothing: its session, and all that the relay knows of it.
func BenchmarkIdle(b *testing.B) {
	const keys, each = 50, 200
	h := newHome(b)
	var shared []wire.Key
	for i := range keys {
		shared = append(shared, h.key(fmt.Sprintf("asg-%02d", i), fmt.Sprintf("127.1.%d.0/24", i)))
	}
	to := h.start()
	before := heap()
	for i, key := range shared {
		from := netip.AddrFrom4([4]byte{127, 1, byte(i), 1})
		for n := range each {
			host, err := relaytest.Dial(key, from, fmt.Sprintf("ip-10-1-%d-%d", i, n), to)
			if err != nil {
				b.Fatal(err)
			}
			joinAgain(b, host)
			if err := host.Close(); err != nil {
				b.Fatal(err)
			}
			from = from.Next()
		}
	}
	h.until("all are shown", func() bool { return h.relay.Status().Hosts == keys*each })
	h.pass(2 * time.Minute)
	h.until("all are saved", func() bool {
		list, err := h.fleet.Hosts(b.Context())
		return err == nil && len(list) == keys*each
	})
	b.ReportMetric(float64(heap()-before)/(keys*each), "B/host")
}

// heap returns what is in use after what can be is given back.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
