package agentd_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/agent/agentd"
	"github.com/yagura-hids/yagura/agent/config"
	"github.com/yagura-hids/yagura/agent/logcollector"
	"github.com/yagura-hids/yagura/agent/spool"
)

// mixed returns lines of many programs: those of ORACLE if that is set, else some that are made here.
func mixed(b *testing.B) []byte {
	if dir := os.Getenv("ORACLE"); dir != "" {
		f, err := os.Open(filepath.Join(dir, "logs", "mixed-40k.log.gz"))
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		z, err := gzip.NewReader(f)
		if err != nil {
			b.Fatal(err)
		}
		text, err := io.ReadAll(z)
		if err != nil {
			b.Fatal(err)
		}
		return text
	}
	var out bytes.Buffer
	for n := range 40_000 {
		switch n % 4 {
		case 0:
			fmt.Fprintf(&out, "Nov 24 12:%02d:%02d web1 sshd[%d]: Failed password for invalid user admin%d from 198.51.100.%d port %d ssh2\n", n/60%60, n%60, n%9000, n%17, n%250, 1024+n%60000)
		case 1:
			fmt.Fprintf(&out, "198.51.100.%d - - [24/Nov/2026:12:%02d:%02d +0000] \"GET /shop/item/%d?ref=%x HTTP/1.1\" 200 %d \"-\" \"Mozilla/5.0\"\n", n%250, n/60%60, n%60, n%3000, n*7919, n%50_000)
		case 2:
			fmt.Fprintf(&out, "Nov 24 12:%02d:%02d web1 systemd[1]: Started Session %d of User user%d.\n", n/60%60, n%60, n, n%40)
		default:
			fmt.Fprintf(&out, "Nov 24 12:%02d:%02d web1 kernel: [%d.%06d] IN=eth0 OUT= SRC=203.0.113.%d DST=10.0.0.5 LEN=%d PROTO=TCP SPT=%d DPT=%d\n", n/60%60, n%60, n, n*31%1000000, n%250, 40+n%1400, 1024+n%60000, n%1024)
		}
	}
	return out.Bytes()
}

// discard is an uplink that counts.
type discard struct{ events chan int }

func (d discard) Send(_ context.Context, data []byte) error {
	d.events <- len(data)
	return nil
}

// BenchmarkPath is the whole way of log lines: collector, spool on disk, encoder; the uplink takes all at once. lines/cpu-s is what one core does.
func BenchmarkPath(b *testing.B) {
	text := mixed(b)
	log := filepath.Join(b.TempDir(), "mixed.log")
	if err := os.WriteFile(log, text, 0o600); err != nil {
		b.Fatal(err)
	}
	lines := bytes.Count(text, []byte("\n"))
	wire, n := 0, 0
	start := cpu(b)
	for b.Loop() {
		wire += once(b, log, lines)
		n++
	}
	b.ReportMetric(float64(n*lines)/(cpu(b)-start), "lines/cpu-s")
	b.ReportMetric(float64(n*len(text))/float64(wire), "raw/wire")
	b.SetBytes(int64(len(text)))
}

// once brings a log through an agent and returns how many bytes left it.
func once(b *testing.B, log string, lines int) (wire int) {
	s, err := spool.Open(filepath.Join(b.TempDir(), fmt.Sprint(time.Now().UnixNano())), spool.Options{Agent: "web1", Random: rand.Reader, Gather: 200 * time.Millisecond})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	conf := &config.Config{Sources: []logcollector.Source{{Location: log, Format: "syslog", FromStart: true}}}
	a := agentd.New(agentd.Options{Config: conf, Spool: s, Version: "bench"})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	up := discard{make(chan int, 1000)}
	ended := make(chan error, 2)
	go func() { ended <- a.Run(ctx) }()
	go func() { ended <- a.Send(ctx, up) }()
	for a.Status().Sent.Events < uint64(lines) {
		select {
		case n := <-up.events:
			wire += n
		case err := <-ended:
			b.Fatal(err)
		case <-time.After(10 * time.Millisecond):
		}
	}
	cancel()
	<-ended
	<-ended
	for len(up.events) > 0 {
		wire += <-up.events
	}
	return wire
}

func cpu(b *testing.B) float64 {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return float64(r.Utime.Nano()+r.Stime.Nano()) / 1e9
}
