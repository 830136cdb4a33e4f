package session

// windowSize is how many counters below the highest are known each.
const windowSize = 1024

// window is the counters that a stream has had: all up to high - windowSize count as had, and of those above bit n%windowSize says it of n.
type window struct {
	high uint64
	bits [windowSize / 64]uint64
}

// below tells whether a counter is too far back to be known.
func (w *window) below(n uint64) bool { return n+windowSize <= w.high }

// had tells whether a counter can't be taken any more: it was, or it is below.
func (w *window) had(n uint64) bool {
	if n > w.high {
		return false
	}
	return w.below(n) || w.bits[n/64%uint64(len(w.bits))]&(1<<(n%64)) != 0
}

// mark takes a counter that isn't below.
func (w *window) mark(n uint64) {
	if n > w.high {
		w.advance(n)
	}
	w.bits[n/64%uint64(len(w.bits))] |= 1 << (n % 64)
}

// advance makes n the highest; it isn't had yet.
func (w *window) advance(n uint64) {
	if n-w.high >= windowSize {
		w.bits = [len(w.bits)]uint64{}
	} else {
		for m := w.high + 1; m <= n; m++ {
			w.bits[m/64%uint64(len(w.bits))] &^= 1 << (m % 64)
		}
	}
	w.high = n
}

// restart makes n the highest, and all below it had: what was in flight before the counters went back comes no more.
func (w *window) restart(n uint64) {
	w.high = n
	for i := range w.bits {
		w.bits[i] = ^uint64(0)
	}
}

// begin makes n the first that comes; it isn't had yet, nor are so many below, which it may have overtaken.
func (w *window) begin(n, overtaken uint64) {
	w.restart(n)
	for m := n - min(n, overtaken); m <= n; m++ {
		w.bits[m/64%uint64(len(w.bits))] &^= 1 << (m % 64)
	}
}
