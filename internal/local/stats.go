package local

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/event"
)

// Stats are the figures of one Run.
type Stats struct {
	Lines   int
	Bytes   int64
	Decoded int           // events that a decoder knew
	Alerts  int           // all of them
	Levels  map[int]int   // alerts by level
	Elapsed time.Duration // from the first event's reading to the end
	rules   map[int]*RuleCount
}

// RuleCount is how many alerts a rule raised.
type RuleCount struct {
	ID, Level   int
	Description string
	Count       int
}

func newStats() *Stats { return &Stats{Levels: map[int]int{}, rules: map[int]*RuleCount{}} }

func (s *Stats) add(v analysis.Verdict) {
	if d := v.Decoded; d == nil || d.Kind == event.Log || d.Kind == event.Command {
		s.Lines++
	}
	if v.Decoded != nil && v.Decoded.Decoder != "" {
		s.Decoded++
	}
	for _, a := range [...]*event.Alert{v.Excess, v.Alert} {
		if a != nil {
			s.alert(&a.Rule)
		}
	}
}

// judged adds what came of a batch that was judged elsewhere.
func (s *Stats) judged(b Batch, decoded int, alerts []*event.Alert) {
	s.Lines += len(b.Events)
	s.Bytes += b.Bytes
	s.Decoded += decoded
	for _, a := range alerts {
		s.alert(&a.Rule)
	}
}

func (s *Stats) alert(r *event.Rule) {
	s.Alerts++
	s.Levels[r.Level]++
	if s.rules[r.ID] == nil {
		s.rules[r.ID] = &RuleCount{ID: r.ID, Level: r.Level, Description: r.Description}
	}
	s.rules[r.ID].Count++
}

// TopRules returns the n rules with the most alerts, the most frequent first, equals by id.
func (s *Stats) TopRules(n int) []RuleCount {
	var list []RuleCount
	for r := range maps.Values(s.rules) {
		list = append(list, *r)
	}
	slices.SortFunc(list, func(a, b RuleCount) int { return cmp.Or(b.Count-a.Count, a.ID-b.ID) })
	return list[:min(n, len(list))]
}

// EventsPerSecond returns lines by elapsed time, 0 if none has elapsed.
func (s *Stats) EventsPerSecond() float64 {
	if s.Elapsed <= 0 {
		return 0
	}
	return float64(s.Lines) / s.Elapsed.Seconds()
}
