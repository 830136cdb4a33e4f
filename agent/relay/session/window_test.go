package session_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/yagura-hids/yagura/agent/relay/session"
)

// slow is the window as one would explain it.
type slow struct {
	high uint64
	all  map[uint64]bool
	from uint64 // all below count as had
}

func (w *slow) had(n uint64) bool {
	return n <= w.high && (n+session.WindowSize <= w.high || n < w.from || w.all[n])
}

func TestWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w session.Window
		m := slow{all: map[uint64]bool{}}
		base := rapid.SampledFrom([]uint64{1, 1000, 1 << 40}).Draw(t, "base")
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			n := base + uint64(rapid.OneOf(rapid.IntRange(0, 20), rapid.IntRange(0, 3000), rapid.IntRange(0, 100_000)).Draw(t, "n"))
			if rapid.IntRange(0, 99).Draw(t, "restart") == 0 {
				w.Restart(n)
				m.high, m.from, m.all = n, n+1, map[uint64]bool{}
				continue
			}
			if rapid.IntRange(0, 99).Draw(t, "begin") == 0 {
				w.Begin(n, 63)
				m.high, m.from, m.all = n, max(n, 63)-63, map[uint64]bool{}
				continue
			}
			if w.Had(n) != m.had(n) {
				t.Fatalf("had %d: %v, high %d", n, w.Had(n), m.high)
			}
			if !w.Had(n) {
				w.Mark(n)
				m.all[n], m.high = true, max(m.high, n)
			}
			if !w.Had(n) {
				t.Fatalf("%d isn't had right after", n)
			}
		}
		for n := max(m.high, 2*session.WindowSize) - 2*session.WindowSize; n < m.high+10; n++ {
			if w.Had(n) != m.had(n) {
				t.Fatalf("had %d: %v, high %d", n, w.Had(n), m.high)
			}
		}
	})
}
