package lambda

import (
	"math/rand/v2"
	"sync"
	"time"
)

// KillAtRandom returns a HostOptions.Kill that has a share of the invocations, from 0 to 1, killed within so long of their start. Its choices
// come from seed, one after the other; which invocations they meet depends on the order in which these come.
func KillAtRandom(seed uint64, share float64, within time.Duration) func(Invocation) (time.Duration, bool) {
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(seed, 0))
	return func(Invocation) (time.Duration, bool) {
		mu.Lock()
		defer mu.Unlock()
		kill := random.Float64() < share
		return time.Duration(random.Int64N(int64(max(within, 1)))), kill
	}
}
