package analysis_test

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/ruleset"
	"github.com/yagura-hids/yagura/rules"
)

func loadSet(b testing.TB, dir string) *ruleset.Set {
	b.Helper()
	fsys, files, err := ruleset.Choose(rules.FS, dir)
	if err != nil {
		b.Fatal(err)
	}
	set, err := ruleset.Load(fsys, files)
	if err != nil {
		b.Fatal(err)
	}
	return set
}

// busyServer writes the lines of a web server that is probed now and then.
func busyServer(n int) []*event.Event {
	const head = "Nov  4 12:00:00 web1 "
	list := make([]*event.Event, n)
	for i := range list {
		text := fmt.Sprintf(`198.51.100.%d - - [04/Nov/2026:12:00:00 +0000] "GET /page/%d HTTP/1.1" 200 5120 "-" "Mozilla/5.0"`, i%250, i)
		switch i % 10 {
		case 0:
			text = head + fmt.Sprintf("sshd[%d]: Failed password for root from 203.0.113.%d port %d ssh2", i, i%50, i%60000)
		case 1:
			text = head + fmt.Sprintf("sshd[%d]: Accepted publickey for joe from 192.0.2.7 port %d ssh2: ED25519 SHA256:abc", i, i%60000)
		case 2:
			text = head + fmt.Sprintf("CRON[%d]: (root) CMD (run-parts /etc/cron.hourly)", i)
		case 3:
			text = head + fmt.Sprintf("kernel: [%d.123456] usb 1-1: new high-speed device number %d", i, i%128)
		case 4:
			text = head + fmt.Sprintf("systemd[1]: Started Session %d of user joe.", i)
		}
		list[i] = newEvent(i, start.Add(time.Duration(i)*time.Second/50), text)
	}
	return list
}

func newEvent(i int, at time.Time, text string) *event.Event {
	return &event.Event{ID: event.ID{Agent: "a", Epoch: 1, Seq: uint64(i)}, Time: at, Location: "/var/log/messages", Text: text}
}

// mixedLog reads ORACLE's log of many programs, with the time of each line.
func mixedLog(b *testing.B, oracle string) []*event.Event {
	b.Helper()
	texts, times := gzLines(b, filepath.Join(oracle, "logs", "mixed-40k.log.gz")), gzLines(b, filepath.Join(oracle, "logs", "mixed-40k.times.gz"))
	if len(texts) == 0 || len(texts) != len(times) {
		b.Fatalf("%d lines and %d times", len(texts), len(times))
	}
	list := make([]*event.Event, len(texts))
	for i, text := range texts {
		t, err := strconv.ParseInt(times[i], 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		list[i] = newEvent(i, time.Unix(t, 0).UTC(), text)
	}
	return list
}

func gzLines(b *testing.B, name string) []string {
	b.Helper()
	f, err := os.Open(name)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		b.Fatal(err)
	}
	var lines []string
	scanner := bufio.NewScanner(z)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		lines = append(lines, scanner.Text())
	}
	if err := scanner.Err(); err != nil {
		b.Fatal(err)
	}
	return lines
}

// run analyses the events over and over; an op is one event. Like a store would, it takes what has changed every thousand events.
func run(b *testing.B, set *ruleset.Set, events []*event.Event) {
	b.Helper()
	engine := analysis.New(set, analysis.Options{Server: "vm", LogLevel: 1, MailLevel: 7})
	state := analysis.NewMemory(0)
	alerts, n := 0, 0
	b.ReportAllocs()
	lap := events[len(events)-1].Time.Sub(events[0].Time)
	var ev event.Event
	before := cpu(b)
	for b.Loop() {
		ev = *events[n%len(events)]
		ev.Time = ev.Time.Add(lap * time.Duration(n/len(events)))
		v, err := engine.Analyze(&ev, state)
		if err != nil {
			b.Fatal(err)
		}
		if v.Alert != nil {
			alerts++
		}
		if n++; n%1000 == 0 {
			state.Saved()
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/float64(n), "cpu-ns/event")
	b.ReportMetric(100*float64(alerts)/float64(n), "%alerts")
}

// cpu returns how long the process has computed: on a busy machine that tells more than the clock.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// quiet keeps the events that raise no alert.
func quiet(b *testing.B, set *ruleset.Set, events []*event.Event) []*event.Event {
	b.Helper()
	engine := analysis.New(set, analysis.Options{Server: "vm", LogLevel: 1, MailLevel: 7})
	state := analysis.NewMemory(0)
	var list []*event.Event
	for _, ev := range events {
		v, err := engine.Analyze(ev, state)
		if err != nil {
			b.Fatal(err)
		}
		if v.Alert == nil && (v.Rule == nil || v.Rule.Level == 0) {
			list = append(list, ev)
		}
	}
	return list
}

func BenchmarkAnalyze(b *testing.B) {
	set := loadSet(b, "")
	events := busyServer(10000)
	b.Run("own/all", func(b *testing.B) { run(b, set, events) })
	b.Run("own/quiet", func(b *testing.B) { run(b, set, quiet(b, set, events)) })
	oracle, dir := os.Getenv("ORACLE"), os.Getenv("OSSEC_RULESET")
	if oracle == "" {
		return
	}
	mixed := mixedLog(b, oracle)
	b.Run("own/mixed", func(b *testing.B) { run(b, set, mixed) })
	if dir == "" {
		return
	}
	ossec := loadSet(b, dir)
	b.Run("ossec/mixed", func(b *testing.B) { run(b, ossec, mixed) })
	b.Run("ossec/quiet", func(b *testing.B) { run(b, ossec, quiet(b, ossec, mixed)) })
}

func BenchmarkLoad(b *testing.B) {
	for name, dir := range map[string]string{"own": "", "ossec": os.Getenv("OSSEC_RULESET")} {
		if name == "ossec" && dir == "" {
			continue
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				loadSet(b, dir)
			}
		})
	}
}
