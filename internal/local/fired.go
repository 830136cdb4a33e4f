package local

import (
	"time"

	"github.com/yagura-hids/yagura/internal/event"
)

// fired counts, by rule id, the alerts of the latest full hour that had some.
type fired map[int]firings

type firings struct {
	Hour  int64 `json:"hour"` // since 1970
	Count int   `json:"count"`
}

func firedKey(memory string) []byte { return []byte("fired/" + memory) }

// count gives the alert its number among those of its rule and hour.
func (f fired) count(a *event.Alert) {
	n := f[a.Rule.ID]
	if hour := a.Time.Unix() / int64(time.Hour/time.Second); n.Hour != hour {
		n = firings{Hour: hour}
	}
	n.Count++
	f[a.Rule.ID] = n
	a.Fired = n.Count
}
