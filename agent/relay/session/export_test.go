package session

import "unsafe"

// Window is a session's.
type Window = window

// Mark, Had and Restart are the window's own.
func (w *window) Mark(n uint64)     { w.mark(n) }
func (w *window) Had(n uint64) bool { return w.had(n) }
func (w *window) Restart(n uint64)  { w.restart(n) }

// Begin is the window's own, too.
func (w *window) Begin(n, overtaken uint64) { w.begin(n, overtaken) }

// Size is how much a session takes, without its texts and its place in a map.
const Size = unsafe.Sizeof(Session{})

// Limits of the package.
const (
	WindowSize = windowSize
	KeyBurst   = keyBurst
	SealAt     = sealAt
)

// Memory returns how many sessions of a key are live, and all that are in memory.
func (s *Sessions) Memory(keyID string) (live, all int) { return s.keys[keyID].live, s.total }

// Drift says what of the counts isn't as it should be, "" for nothing.
func (s *Sessions) Drift() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	total := 0
	for _, ks := range s.keys {
		live, ids := 0, 0
		for place, x := range ks.hosts {
			for ; x != nil; x = x.next {
				total++
				if x.live {
					live++
				}
				if x.Agent != "" && x.Key.Many {
					if ids++; ks.agents[x.Agent] != x {
						return "a session isn't found by its id " + x.Agent
					}
				}
				if x.place != place {
					return "a session is at another's place"
				}
			}
		}
		if live != ks.live || ids != len(ks.agents) && ids > 0 {
			return "wrong number of live sessions or ids"
		}
	}
	if total != s.total {
		return "wrong number of sessions"
	}
	return ""
}

// ReadRecord reads a stored session, and returns it as it would be stored again.
func ReadRecord(k, v []byte) (k2, v2 []byte, err error) {
	x, err := readRecord(k, v)
	if err != nil {
		return nil, nil, err
	}
	return x.storeKey(), x.record(), nil
}
