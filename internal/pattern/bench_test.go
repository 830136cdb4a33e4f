package pattern_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/yagura-hids/yagura/internal/pattern"
)

var benchLines = []string{
	"Failed password for invalid user admin from 198.51.100.7 port 51122 ssh2",
	"Accepted publickey for deploy from 203.0.113.9 port 40022 ssh2: ED25519 SHA256:q0T1pXyB3c4d5e6f7g8h9i0jklmnopqr",
	`203.0.113.9 - - [23/Nov/2026:10:00:00 +0000] "GET /cart.php?id=17 HTTP/1.1" 404 1234 "-" "Mozilla/5.0 (X11; Linux x86_64)"`,
	"[12345.678901] IN=eth0 OUT= MAC=00:11:22:33:44:55 SRC=198.51.100.7 DST=203.0.113.9 LEN=60 PROTO=TCP SPT=4444 DPT=22 SYN",
	"pam_unix(sudo:session): session opened for user root(uid=0) by deploy(uid=1000)",
}

var benchPatterns = []struct {
	dialect pattern.Dialect
	source  string
}{
	{pattern.PCRE, `^Failed \S+ for (?:invalid user )?(\S+) from (\S+) port (\d+)`},
	{pattern.PCRE, `^(\S+) \S+ \S+ \[[^\]]+\] "(\w+) (\S+) HTTP\S+ (\d+)`},
	{pattern.PCRE, `SRC=(\S+) DST=(\S+) .*SPT=(\d+) DPT=(\d+)`},
	{pattern.OSRegex, `session (\w+) for user (\S+) by (\S*)`},
	{pattern.OSRegex, `^\S+ \.+ from (\S+) port (\d+)`},
	{pattern.OSMatch, `authentication failure|failed password|invalid user`},
}

func prepared() []pattern.Text {
	texts := make([]pattern.Text, len(benchLines))
	for i, line := range benchLines {
		texts[i].Reset(line)
	}
	return texts
}

// BenchmarkMatch and BenchmarkFind try each pattern on each line; their regexp halves show what the standard library needs.
func BenchmarkMatch(b *testing.B) {
	for _, v := range benchPatterns {
		p, texts := compile(b, v.dialect, v.source), prepared()
		b.Run(fmt.Sprintf("%v/%.12s", v.dialect, v.source), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				for i := range texts {
					p.Match(&texts[i])
				}
			}
		})
		re := regexp.MustCompile(pattern.Translate(p))
		b.Run(fmt.Sprintf("regexp/%.12s", v.source), func(b *testing.B) {
			for b.Loop() {
				for _, line := range benchLines {
					re.MatchString(line)
				}
			}
		})
	}
}

func BenchmarkFind(b *testing.B) {
	p, subject := compile(b, benchPatterns[0].dialect, benchPatterns[0].source), text(benchLines[0])
	b.Run("PCRE2", func(b *testing.B) {
		var caps []string
		b.ReportAllocs()
		for b.Loop() {
			caps, _, _ = p.Find(subject, 0, caps[:0])
		}
	})
	re := regexp.MustCompile(pattern.Translate(p))
	b.Run("regexp", func(b *testing.B) {
		for b.Loop() {
			re.FindStringSubmatchIndex(benchLines[0])
		}
	})
}

// manyPatterns returns 1,500 patterns of made-up words: about as many literals as OSSEC's own rules have.
func manyPatterns(t testing.TB) []*pattern.Pattern {
	nouns := strings.Fields("session password user login file service module address packet request query table volume kernel device")
	verbs := strings.Fields("failed denied opened closed refused dropped expired missing invalid started")
	var all []*pattern.Pattern
	for i, noun := range nouns {
		for k, verb := range verbs {
			for n := range 10 {
				source := fmt.Sprintf(`%s %s by %c%c%d \S+`, noun, verb, 'a'+(i+n)%26, 'a'+(k*n)%26, n)
				all = append(all, compile(t, pattern.PCRE, source))
			}
		}
	}
	return all
}

func BenchmarkIndexScan(b *testing.B) {
	x, texts := pattern.NewIndex(manyPatterns(b)), prepared()
	var hits pattern.Hits
	b.ReportAllocs()
	for b.Loop() {
		for i := range texts {
			x.Scan(&texts[i], &hits)
		}
	}
}

func BenchmarkReset(b *testing.B) {
	var t pattern.Text
	b.ReportAllocs()
	for b.Loop() {
		for _, line := range benchLines {
			t.Reset(line)
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	for b.Loop() {
		for _, v := range benchPatterns {
			compile(b, v.dialect, v.source)
		}
	}
}

// BenchmarkHostile matches lines of 64 KiB made to hurt; plain is the measure.
func BenchmarkHostile(b *testing.B) {
	patterns := append(manyPatterns(b)[:50], compile(b, pattern.PCRE, `(.+): .+: (\S+): `), compile(b, pattern.PCRE, `(?:\w+,?)+;`))
	for _, v := range benchPatterns {
		patterns = append(patterns, compile(b, v.dialect, v.source))
	}
	for name, unit := range hostileUnits {
		b.Run(name, func(b *testing.B) {
			subject := text(strings.Repeat(unit, 1<<16/len(unit)))
			for b.Loop() {
				for _, p := range patterns {
					p.Match(subject)
				}
			}
		})
	}
}

var hostileUnits = map[string]string{
	"plain": benchLines[0] + " ", "letters": "a", "brackets": "[(", "invalid": "\xff\xc3a ", "spaces": " ", "words": "a ", "colons": "a: ", "names": "from SRC=a DST=b ",
}
