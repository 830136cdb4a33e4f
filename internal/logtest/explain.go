package logtest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/decoder"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/rule"
	"github.com/yagura-hids/yagura/internal/ruleview"
)

// why notes, while an event is judged, why each rule that is asked does or doesn't hold.
type why struct {
	engine *analysis.Engine
	tried  []Tried
	path   []int // the places in tried of the rules that hold, from the top
}

// Tried is a rule that was asked for an event.
type Tried struct {
	Rule   int    `json:"rule"`
	Level  int    `json:"level"`
	Depth  int    `json:"depth"` // how many rules it hangs below
	Held   bool   `json:"held"`
	Why    string `json:"why,omitempty"` // not, or why it's not the verdict though it holds
	near   bool   // something that it asks holds
	parent int    // place in tried, -1 for none
}

// step is told of each step with a rule, as it is taken.
func (w *why) step(r *rule.Rule, step analysis.Step) {
	switch step {
	case analysis.Trying:
		parent := -1
		if len(w.path) > 0 {
			parent = w.path[len(w.path)-1]
		}
		w.tried = append(w.tried, Tried{Rule: r.ID, Level: r.Level, Depth: len(w.path), parent: parent})
	case analysis.Matched:
		w.last().Held = true
		w.path = append(w.path, len(w.tried)-1)
	case analysis.Mismatched:
		w.mismatch(r)
	case analysis.Unremembered:
		w.last().near, w.last().Why = true, w.past(r)
	case analysis.Silent:
		at := w.path[len(w.path)-1]
		w.path = w.path[:len(w.path)-1]
		w.tried[at].Why = "noalert, and no rule below it holds"
	}
}

func (w *why) last() *Tried { return &w.tried[len(w.tried)-1] }

func (w *why) mismatch(r *rule.Rule) {
	c, before, ok := w.engine.Unmet(r)
	if !ok {
		return
	}
	t := w.last()
	t.near = before > 0
	t.Why = "it asks that " + ruleview.Words(c)
	if got, looks := w.engine.Looks(c.Element); looks {
		t.Why += got
	}
}

// past says what a rule misses that asks for more than the event.
func (w *why) past(r *rule.Rule) string {
	switch {
	case r.Correlation == nil && r.CheckDiff:
		return "the log is the first of this host, or the same as the last one"
	case r.Correlation == nil:
		return "what the decoder's fts names was seen before, or the decoder has no fts"
	case r.Level == 0:
		return "it counts earlier events and has level 0"
	}
	f, err := w.engine.Found(r)
	if err != nil {
		return "the memory can't be read: " + err.Error()
	}
	if f.Lacking != "" {
		return "the event has no " + f.Lacking + ", which it compares"
	}
	text := fmt.Sprintf("%d of %d earlier events in %d s", f.Count, f.Need, r.Correlation.Timeframe)
	var same []string
	for name, value := range f.Same {
		same = append(same, name+" "+quoted(value))
	}
	if slices.Sort(same); len(same) > 0 {
		text += " with " + strings.Join(same, ", ")
	}
	for _, out := range []struct {
		count int
		what  string
	}{{f.Late, "beyond that time"}, {f.Alike, "alike where they must differ"}} {
		if out.count > 0 {
			text += fmt.Sprintf("; %d more %s", out.count, out.what)
		}
	}
	if f.Used {
		text += "; others were used up by a composite rule that fired"
	}
	return text
}

func quoted(s string) string {
	if len(s) > 60 {
		s = strings.ToValidUTF8(s[:60], "") + "…"
	}
	return "'" + s + "'"
}

// explanation is what JSON says of why.
type explanation struct {
	Decoders []TriedDecoder `json:"decoders"`
	Rules    []Tried        `json:"rules"`
	Alert    string         `json:"alert"` // why there is one, or none
}

// TriedDecoder is a decoder that was asked for an event.
type TriedDecoder struct {
	Decoder string `json:"decoder"`
	Parent  string `json:"parent,omitempty"`
	Held    bool   `json:"held"`
	Why     string `json:"why,omitempty"`
}

func (t *tester) explained(v analysis.Verdict) *explanation {
	x := &explanation{Decoders: []TriedDecoder{}, Rules: []Tried{}, Alert: t.outcomeOf(v)}
	decoders, _ := t.nearDecoders(t.tries(v.Decoded))
	for _, d := range decoders {
		x.Decoders = append(x.Decoders, TriedDecoder{d.Name, d.Parent, d.Held, decoderWhy(d)})
	}
	for i, shown := range t.shown(v.Rule != nil) {
		if shown {
			x.Rules = append(x.Rules, t.why.tried[i])
		}
	}
	return x
}

// tries are the decoders that were asked. What the checks of files and for rootkits tell has its decoder by its kind.
func (t *tester) tries(d *event.Decoded) []decoder.Try {
	switch {
	case d.Kind != event.Log && d.Decoder == "":
		return nil
	case (d.Kind == event.Syscheck || d.Kind == event.Rootcheck) && !strings.HasPrefix(d.Log, "ossec: "):
		return []decoder.Try{{Name: d.Decoder, Held: true}}
	}
	return t.set.Decoders.Explain(d, d.Log)
}

func decoderWhy(d decoder.Try) string {
	if d.Held {
		return ""
	}
	return fmt.Sprintf("<%s> %s doesn't match %s", d.Element, quoted(d.Text), quoted(d.Against))
}

// few is how many that did not fit are told of without being asked for: more, and only those that nearly did are.
const few = 8

// told tells whether one that did not fit is told of. place is its place among all of its list that did not.
func (t *tester) told(near bool, place, all int) bool {
	if t.opts.Most == 0 {
		return near || all <= few
	}
	return t.opts.Most < 0 || place < t.opts.Most
}

// nearDecoders leaves out decoders that nobody wants to know of, and tells how many.
func (t *tester) nearDecoders(tries []decoder.Try) (near []decoder.Try, left int) {
	all, place := map[bool]int{}, map[bool]int{} // of the top-level ones, and of those below
	failed := func(d decoder.Try) bool { return !d.Held && d.Element == "prematch" }
	for _, d := range tries {
		if failed(d) {
			all[d.Parent == ""]++
		}
	}
	for _, d := range tries {
		top := d.Parent == ""
		if failed(d) && !t.told(false, place[top], all[top]) {
			left++
		} else {
			near = append(near, d)
		}
		if failed(d) {
			place[top]++
		}
	}
	return near, left
}

// shown tells which of the rules that were tried are told of. Below a template many are for other programs: where one fits, the others there are
// of no interest.
func (t *tester) shown(fits bool) []bool {
	all, place := map[int]int{}, map[int]int{} // by parent
	for _, r := range t.why.tried {
		if !r.Held {
			all[r.parent]++
		}
	}
	shown := make([]bool, len(t.why.tried))
	for i, r := range t.why.tried {
		others := all[r.parent]
		if fits && r.Depth == 1 {
			others = few + 1
		}
		shown[i] = r.Held || t.told(r.near, place[r.parent], others)
		if !r.Held {
			place[r.parent]++
		}
	}
	return shown
}

// explain tells why, for a reader.
func (t *tester) explain(v analysis.Verdict) {
	fmt.Fprintf(t.out, "\n**Explanation:\n    Decoders:\n")
	decoders, left := t.nearDecoders(t.tries(v.Decoded))
	for _, d := range decoders {
		t.decoder(d)
	}
	t.left("       ", left, "decoder")
	if len(decoders)+left == 0 {
		fmt.Fprintf(t.out, "       none is for this program\n")
	}
	fmt.Fprintf(t.out, "    Rules:\n")
	if len(t.why.tried) == 0 {
		fmt.Fprintf(t.out, "       none was asked\n")
	}
	leftOf := map[int]int{}
	for i, shown := range t.shown(v.Rule != nil) {
		if tried := t.why.tried[i]; shown {
			t.rule(tried, v.Rule != nil && v.Rule.ID == tried.Rule)
		} else {
			leftOf[tried.parent]++
		}
	}
	for i, tried := range t.why.tried {
		if n := leftOf[i]; n > 0 {
			t.left("       ", n, fmt.Sprintf("rule below %d", tried.Rule))
		}
	}
	fmt.Fprintf(t.out, "    %s\n", t.outcomeOf(v))
}

func (t *tester) left(indent string, n int, what string) {
	if n == 0 {
		return
	}
	noun, rest, _ := strings.Cut(what, " ")
	if n > 1 {
		noun += "s"
	}
	fmt.Fprintf(t.out, "%s… and %d other %s that did not fit (--explain=all shows all)\n", indent, n, strings.TrimSpace(noun+" "+rest))
}

func (t *tester) decoder(d decoder.Try) {
	indent := "       "
	if d.Parent != "" {
		indent += "  "
	}
	switch {
	case d.Held && d.Pos.File == "":
		fmt.Fprintf(t.out, "%s%s holds: the event's kind wants it\n", indent, d.Name)
		return
	case d.Held:
		fmt.Fprintf(t.out, "%s%s holds (%s)\n", indent, d.Name, d.Pos)
		return
	}
	fmt.Fprintf(t.out, "%s%s no: %s\n", indent, d.Name, decoderWhy(d))
}

func (t *tester) rule(tried Tried, verdict bool) {
	indent := strings.Repeat("  ", tried.Depth)
	text := fmt.Sprintf("       %s%d level %d", indent, tried.Rule, tried.Level)
	switch {
	case verdict:
		text += " holds: the verdict"
	case tried.Held && tried.Why != "":
		text += " holds, but " + tried.Why
	case tried.Held:
		text += " holds"
	default:
		text += " no: " + tried.Why
	}
	fmt.Fprintln(t.out, text)
}

// outcomeOf says why there is an alert, or none.
func (t *tester) outcomeOf(v analysis.Verdict) string {
	r := v.Rule
	switch {
	case r == nil:
		return "No alert: no rule holds."
	case v.Alert != nil:
		return fmt.Sprintf("An alert: rule %d has level %d.", r.ID, r.Level)
	case r.Level == 0:
		return fmt.Sprintf("No alert: rule %d has level 0.", r.ID)
	case v.Ignored:
		return fmt.Sprintf("No alert: rule %d fired less than its ignore time ago, or is on the ignore list.", r.ID)
	case r.NoLog:
		return fmt.Sprintf("No alert: rule %d says no_log.", r.ID)
	}
	return fmt.Sprintf("No alert: rule %d has level %d, and alerts are recorded from level %d on.", r.ID, r.Level, t.opts.Analysis.LogLevel)
}
