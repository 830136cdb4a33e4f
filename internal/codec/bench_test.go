package codec_test

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/internal/codec"
	"github.com/yagura-hids/yagura/internal/event"
)

// BenchmarkEncode tells what it costs to make bytes of a batch, and how few they become, by the number of events in it: of a busy host's lines,
// and, if ORACLE says where it is, of the mixed log.
func BenchmarkEncode(b *testing.B) {
	benchmarkEncode(b, "busy", logLines(50_000).Events)
	if dir := os.Getenv("ORACLE"); dir != "" {
		benchmarkEncode(b, "mixed", mixedLog(b, dir))
	}
}

func benchmarkEncode(b *testing.B, name string, events []*event.Event) {
	head := logLines(1)
	for _, n := range []int{10, 25, 50, 100, 250, 1000, 10_000} {
		b.Run(fmt.Sprintf("%s/events=%d", name, n), func(b *testing.B) {
			var text, size, batches int
			b.ReportAllocs()
			at := 0
			for b.Loop() {
				if at+n > len(events) {
					at = 0
				}
				head.Events = events[at : at+n]
				at += max(n, 1000) // from all over the log
				size += len(encode(b, head))
				batches++
				b.StopTimer()
				for _, ev := range head.Events {
					text += len(ev.Text) + 1
				}
				b.StartTimer()
			}
			b.ReportMetric(float64(n*batches)/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64(size)/float64(n*batches), "B/event")
			b.ReportMetric(float64(text)/float64(size), "ratio")
		})
	}
}

// places are the files in which a host has the lines of the mixed log.
var places = []struct{ line, location string }{
	{`^\d{4} \w{3} \d\d \S+ WinEvtLog: (Security)`, "Security"}, {`WinEvtLog`, "Application"}, {`^\d+\.\S+ \S+ \S+ \[`, "/var/log/apache2/access.log"},
	{`^\[\w{3} \w{3}`, "/var/log/apache2/error.log"}, {`^\{`, "kinesis"}, {`postfix|dovecot`, "/var/log/mail.log"}, {`sshd|sudo|pam_unix`, "/var/log/auth.log"},
	{`^type=`, "/var/log/audit/audit.log"}, {`^\w{3} [ \d]\d `, "/var/log/syslog"}, {``, "/var/log/app.log"},
}

// mixedLog is a log of many programs, read by one agent that looks each second.
func mixedLog(b *testing.B, dir string) (events []*event.Event) {
	b.Helper()
	var patterns []*regexp.Regexp
	for _, p := range places {
		patterns = append(patterns, regexp.MustCompile(p.line))
	}
	times := unzipped(b, filepath.Join(dir, "logs", "mixed-40k.times.gz"))
	for i, line := range unzipped(b, filepath.Join(dir, "logs", "mixed-40k.log.gz")) {
		at, err := strconv.ParseInt(times[i], 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		ev := &event.Event{ID: event.ID{Agent: "web1", Epoch: 7, Seq: uint64(i + 1)}, Time: time.Unix(at, at*7919%1000*1e6).UTC(), Text: strings.ToValidUTF8(line, "?")}
		for p := 0; ev.Location == ""; p++ {
			if patterns[p].MatchString(ev.Text) {
				ev.Location = places[p].location
			}
		}
		events = append(events, ev)
	}
	return events
}

func unzipped(b *testing.B, path string) (lines []string) {
	b.Helper()
	f, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		b.Fatal(err)
	}
	s := bufio.NewScanner(z)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		lines = append(lines, s.Text())
	}
	if err := cmp.Or(s.Err(), z.Close()); err != nil {
		b.Fatal(err)
	}
	return lines
}

// BenchmarkEncodeFast tells what an agent's disk costs, which gets some lines twice a second on a quiet host and thousands on a busy one.
func BenchmarkEncodeFast(b *testing.B) {
	for _, n := range []int{25, 4096} {
		b.Run(fmt.Sprintf("events=%d", n), func(b *testing.B) {
			batch := logLines(n)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := codec.EncodeFast(batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkDecode tells what it costs to get a batch back.
func BenchmarkDecode(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		b.Run(fmt.Sprintf("events=%d", n), func(b *testing.B) {
			data := encode(b, logLines(n))
			for b.Loop() {
				if _, err := codec.Decode(data); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
