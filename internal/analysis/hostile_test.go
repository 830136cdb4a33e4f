package analysis_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/ruleset"
)

// hostileHeads choose which decoders look at a line.
var hostileHeads = map[string]string{
	"none": "", "sshd": "Nov  4 12:00:00 h sshd[1]: ", "kernel": "Nov  4 12:00:00 h kernel: ", "su": "Nov  4 12:00:00 h su[1]: ",
	"named": "Nov  4 12:00:00 h named[1]: ", "windows": "2012 Mar 05 10:00:00 WinEvtLog: Security: ", "unknown": "Nov  4 12:00:00 h foo: ",
	"web": `192.0.2.1 - - [04/Nov/2026:12:00:00 +0000] "GET `,
}

// hostileUnits are repeated to 64 KiB. They are what patterns begin with and stumble over.
var hostileUnits = map[string]string{
	"letter": "a", "open": "(", "nested": "[({<", "close": ")]}>", "invalid": "\xff", "cut": "a\xc3\xe9 ", "kelvin": "\u212a", "long s": "u\u017fer \u212a ",
	"spaces": " ", "words": "a ", "colons": "a: ", "bare colons": ": ", "names": "k=v ", "quoted": `k="v" `, "quotes": `"`, "apostrophes": "'", "from": "from ",
	"from from": "from from from ", "failed": "Failed password for ", "failed from": "Failed password for invalid user a from 192.0.2.1 ", "user": "user a from b ",
	"addresses": "192.0.2.1 ", "dots": "a.", "digits": "1", "numbers": "1 1:", "brackets": "a(1): ", "paths": "/a", "dotdot": "../", "query": "GET /a?b=c HTTP/1.1 ",
	"percent": "%27", "pipes": "a|", "backslashes": `\\`, "commas": "a,", "semicolons": "a;b=", "dashes": "-a--", "tags": "<a>", "pam": "(pam_unix) session opened for user a by (uid=0) ",
	"denied": "refused denied failed error invalid ", "nearly": "aaaaaaaaaaaaaaa: ", "su": "su ", "ids": `a] "b`, "windows": "information(1): ", "newest": "é: ",
}

const hostileLength = event.MaxText

func hostileLine(head, unit string) string {
	return head + strings.Repeat(unit, (hostileLength-len(head))/len(unit))
}

// plainLine is the measure: of the hostile ones' length, of no concern to any rule.
func plainLine() string {
	return hostileLine("", "the quick brown fox jumps over the lazy dog 0123456789. ")
}

// sets returns the built-in ruleset, and OSSEC's if the tests are told where it is.
func sets(tb testing.TB) map[string]*ruleset.Set {
	all := map[string]*ruleset.Set{"own": loadSet(tb, "")}
	if dir := os.Getenv("OSSEC_RULESET"); dir != "" {
		all["ossec"] = loadSet(tb, dir)
	}
	return all
}

// stepsPerByte bounds what a hostile line may cost, in steps of the matchers on the log; steps on fields cut out of it are not counted. It
// holds the work linear. It is no measure of time: BenchmarkHostile compares that.
const stepsPerByte = 10

func TestHostile(t *testing.T) {
	for name, set := range sets(t) {
		engine := analysis.New(set, analysis.Options{Server: "vm", LogLevel: 1, MailLevel: 7})
		for headName, head := range hostileHeads {
			for unitName, unit := range hostileUnits {
				if _, err := engine.Analyze(newEvent(1, start, hostileLine(head, unit)), analysis.NewMemory(0)); err != nil {
					t.Fatal(err)
				}
				if n := analysis.Steps(engine); n > stepsPerByte*hostileLength {
					t.Errorf("%s rules, %s, %s: %d steps, %.1f a byte", name, headName, unitName, n, float64(n)/hostileLength)
				}
			}
		}
	}
}

// BenchmarkHostile analyses the hostile lines; "ratio" is the worst one's time to the plain line's, each the best of five.
func BenchmarkHostile(b *testing.B) {
	for name, set := range sets(b) {
		engine := analysis.New(set, analysis.Options{Server: "vm", LogLevel: 1, MailLevel: 7})
		analyze := func(b *testing.B, line string) float64 {
			least := time.Hour
			for range 5 {
				begin := time.Now()
				if _, err := engine.Analyze(newEvent(1, start, line), analysis.NewMemory(0)); err != nil {
					b.Fatal(err)
				}
				least = min(least, time.Since(begin))
			}
			return least.Seconds()
		}
		b.Run(name, func(b *testing.B) {
			worst, where := 0.0, ""
			for b.Loop() {
				plain := analyze(b, plainLine())
				worst, where = 0, ""
				for headName, head := range hostileHeads {
					for unitName, unit := range hostileUnits {
						if ratio := analyze(b, hostileLine(head, unit)) / plain; ratio > worst {
							worst, where = ratio, headName+", "+unitName
						}
					}
				}
			}
			b.ReportMetric(worst, "ratio")
			b.Log("worst:", where)
		})
	}
}

// An event that raises no alert costs no allocation: it runs on the engine's own memory.
func TestQuietAllocations(t *testing.T) {
	engine := analysis.New(loadSet(t, ""), analysis.Options{Server: "vm", LogLevel: 1, MailLevel: 7})
	state := analysis.NewMemory(0)
	quiet := 0
	for i, ev := range busyServer(20) {
		ev.Priority = i % 2 * 35 // half of them came by syslog
		v, err := engine.Analyze(ev, state)
		if err != nil {
			t.Fatal(err)
		}
		if v.Rule != nil && v.Rule.Level > 0 {
			continue
		}
		quiet++
		n := testing.AllocsPerRun(20, func() {
			if _, err := engine.Analyze(ev, state); err != nil {
				t.Fatal(err)
			}
		})
		if n > 0 {
			t.Errorf("%q: %v allocations", ev.Text, n)
		}
	}
	if quiet == 0 {
		t.Error("every event raises an alert")
	}
}
