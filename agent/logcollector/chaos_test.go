package logcollector_test

import (
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestChaos has daemons write, rotate and pack as fast as they can while the collector reads and is killed again and again: what was read
// and not stored is to come again, and nothing else.
func TestChaos(t *testing.T) {
	const rounds = 150
	o := newOwner(t, syslog("a"), syslog("b.log"), syslog("c"), syslog("d*.log"))
	writers := []*writer{{o: o, name: "a"}, {o: o, name: "b.log", copies: true}, {o: o, name: "c", copies: true}, {o: o, name: "d1.log"}}
	for _, w := range writers {
		w.write("")
	}
	o.start()
	dice := rand.New(rand.NewPCG(71, 71))
	turns := make(chan struct{}) // so that they are as quick as the collector, whatever this machine does
	var done sync.WaitGroup
	for i, w := range writers {
		done.Go(func() {
			dice := rand.New(rand.NewPCG(uint64(i), 71))
			for range rounds {
				<-turns
				w.round(dice)
			}
			w.reopen()
			w.lines(1, 0)
		})
	}
	turn := func() {
		for range dice.IntN(2 * len(writers)) {
			select {
			case turns <- struct{}{}:
			default:
			}
		}
	}
	ended := make(chan struct{})
	go func() { done.Wait(); close(ended) }()
	for running := true; running; {
		select {
		case <-ended:
			running = false
		default:
		}
		o.kill()
		o.now = o.now.Add(time.Second)
		turn()
		o.start()
		for range dice.IntN(20) {
			turn()
			o.run()
		}
		b, ok := o.c.Step(50)
		for n := dice.IntN(4); ok && n > 0; n-- { // stored, and then some that are not
			o.store(b)
			b, ok = o.c.More(50)
		}
	}
	o.kill()
	o.start()
	o.run()
	o.run()
	for _, w := range writers {
		var got []string
		for _, l := range o.lines {
			if strings.HasPrefix(filepath.Base(l.Location), w.name) {
				got = append(got, l.Text)
			}
		}
		if len(got) != len(w.want) || firstDifference(got, w.want) != firstDifference(w.want, w.want) {
			t.Errorf("%s: %s", w.name, firstDifference(got, w.want))
		}
	}
	for _, r := range o.reports {
		if strings.Contains(r, "not read") || strings.Contains(r, "lost") {
			t.Error(r)
		}
	}
}

// round is a bit of a daemon's life.
func (w *writer) round(dice *rand.Rand) {
	switch n := dice.IntN(20); {
	case n < 14:
		w.lines(1+dice.IntN(40), dice.IntN(200))
	case n < 16:
		w.pack(1+dice.IntN(3), dice.IntN(2) == 0, false)
	case n < 17:
		w.partial(dice.IntN(200))
	case w.copies:
		w.copy()
		if dice.IntN(2) == 0 {
			w.truncate()
			w.lines(60, 100) // quickly beyond where it was
		}
	default:
		w.reopen()
		w.rename(dice.IntN(2) == 0)
	}
}
