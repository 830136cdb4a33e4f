// Package logtest shows what becomes of log lines, in the three phases that OSSEC's users know, or as JSON:
//
//	line ─► **Phase 1: pre-decoding  ─► **Phase 2: decoding  ─► **Phase 3: rules
//
// State lasts from line to line, so composite rules can be tried by pasting lines.
package logtest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/rule"
	"github.com/yagura-hids/yagura/internal/ruleset"
)

// Location is where logtest's lines come from, as rules see it.
const Location = "stdin"

// Options say how lines come in and how verdicts go out.
type Options struct {
	JSONLines bool           // lines are {"log": "...", "t": seconds since 1970, "kind": "syscheck", "location": "...", "priority": 34}; all but log may be left out
	JSON      bool           // verdicts are one JSON object a line
	Isolated  bool           // every line meets an empty state
	State     analysis.State // what lines meet at first; nil for an empty one
	Verbose   bool           // show the rules that were asked
	Explain   bool           // tell why each decoder and rule that was asked did or did not hold
	Most      int            // of those that did not, how many are told of each list; 0 for those that nearly did, -1 for all
	Analysis  analysis.Options
	Now       func() time.Time   // the time of lines that don't say theirs
	Stop      func(Outcome) bool // asked after each line, if not nil, whether to go on no further
}

// Outcome sums up a run for the exit code.
type Outcome struct {
	Lines         int
	Decoder, Rule string // of the last line; "" for none
	Level         string
}

// ExitNoRule is the exit code for a line that no rule holds for.
const ExitNoRule = 255

// ExitCode returns ossec-logtest's exit code where rule, level and decoder were expected: 0 all equal, 1 another level, 2 another rule,
// 3 another decoder, ExitNoRule.
func (o Outcome) ExitCode(rule, level, decoder string) int {
	switch {
	case !strings.EqualFold(o.Decoder, decoder):
		return 3
	case o.Rule == "":
		return ExitNoRule
	case o.Rule != rule:
		return 2
	case o.Level != level:
		return 1
	}
	return 0
}

// Run reads lines until in ends and writes a verdict on each.
func Run(set *ruleset.Set, opts Options, in io.Reader, out io.Writer) (Outcome, error) {
	t := &tester{opts: opts, out: bufio.NewWriter(out), state: opts.State}
	if t.state == nil {
		t.state = analysis.NewMemory(0)
	}
	if opts.Verbose && !opts.JSON || opts.Explain {
		opts.Analysis.Trace = t.trace
	}
	t.engine, t.set = analysis.New(set, opts.Analysis), set
	lines := bufio.NewReaderSize(in, 1<<16)
	for number := 1; ; number++ {
		line, err := lines.ReadString('\n')
		if line = strings.TrimRight(line, "\r\n"); len(line) > 1 {
			if err := t.line(line); err != nil {
				return t.outcome, errors.Join(fmt.Errorf("line %d: %w", number, err), t.out.Flush())
			}
		}
		stop := t.opts.Stop != nil && t.outcome.Lines > 0 && t.opts.Stop(t.outcome)
		if lines.Buffered() == 0 || err != nil || stop {
			if ferr := t.out.Flush(); ferr != nil {
				return t.outcome, ferr
			}
		}
		switch {
		case stop, errors.Is(err, io.EOF):
			return t.outcome, nil
		case err != nil:
			return t.outcome, err
		}
	}
}

type tester struct {
	opts    Options
	set     *ruleset.Set
	out     *bufio.Writer
	engine  *analysis.Engine
	state   analysis.State
	seq     uint64
	outcome Outcome
	traced  strings.Builder
	why     why
}

func (t *tester) line(line string) error {
	ev := event.Event{Time: t.opts.Now(), Location: Location, Text: strings.ToValidUTF8(line, "\uFFFD")} // as where logs are read
	if t.opts.JSONLines {
		if err := readObject(line, &ev); err != nil {
			return err
		}
	}
	if len(ev.Text) > event.MaxText {
		ev.Text, ev.Cut = ev.Text[:event.MaxText], true
	}
	t.seq++
	ev.ID = event.ID{Agent: Location, Seq: t.seq}
	if t.opts.Isolated {
		t.state = analysis.NewMemory(0)
	}
	t.why = why{engine: t.engine}
	v, err := t.engine.Analyze(&ev, t.state)
	if err != nil {
		return err
	}
	t.note(v)
	if t.opts.JSON {
		return t.json(v)
	}
	t.phases(v)
	return nil
}

// readObject reads an event of a line of --jsonl.
func readObject(line string, ev *event.Event) error {
	var in struct {
		Log            *string  `json:"log"`
		T              *float64 `json:"t"`
		Kind, Location string
		Priority       *int // as in syslog's "<34>"
	}
	if err := json.Unmarshal([]byte(line), &in); err != nil {
		return fmt.Errorf(`want {"log": "…", "t": seconds}: %w`, err)
	}
	if in.Log == nil {
		return errors.New(`the object has no "log"`)
	}
	ev.Text = *in.Log
	if in.T != nil {
		ev.Time = time.Unix(int64(*in.T), 0).In(ev.Time.Location())
	}
	if in.Kind != "" {
		kind, ok := event.ParseKind(in.Kind)
		if !ok {
			return fmt.Errorf(`"kind": %q is none; want log, syscheck, rootcheck, command or agent`, in.Kind)
		}
		ev.Kind, ev.Location = kind, in.Kind
	}
	if p := in.Priority; p != nil {
		if ev.Priority = *p + 1; ev.Priority < 1 || ev.Priority > event.MaxPriority {
			return fmt.Errorf(`"priority": want the number of a PRI, 0 to %d, not %d`, event.MaxPriority-1, *p)
		}
	}
	if in.Location != "" {
		ev.Location = in.Location
	}
	return nil
}

func (t *tester) note(v analysis.Verdict) {
	t.outcome = Outcome{Lines: t.outcome.Lines + 1, Decoder: v.Decoded.Decoder}
	if v.Rule != nil {
		t.outcome.Rule, t.outcome.Level = fmt.Sprint(v.Rule.ID), fmt.Sprint(v.Rule.Level)
	}
}

func (t *tester) trace(r *rule.Rule, step analysis.Step) {
	if t.opts.Explain {
		t.why.step(r, step)
	}
	if !t.opts.Verbose || t.opts.JSON {
		return
	}
	switch step {
	case analysis.Trying:
		fmt.Fprintf(&t.traced, "    Trying rule: %d - %s\n", r.ID, r.Description)
	case analysis.Matched:
		fmt.Fprintf(&t.traced, "       *Rule %d matched.\n", r.ID)
	case analysis.TryingChildren:
		fmt.Fprintf(&t.traced, "       *Trying child rules.\n")
	}
}

func (t *tester) phases(v analysis.Verdict) {
	d, w := v.Decoded, t.out
	show := func(label, value string) { fmt.Fprintf(w, "       %s: '%s'\n", label, value) }
	fmt.Fprintf(w, "\n**Phase 1: Completed pre-decoding.\n")
	show("full event", d.FullLog)
	show("hostname", d.Hostname)
	show("program_name", orNull(d.Program))
	show("log", d.Log)
	fmt.Fprintf(w, "\n**Phase 2: Completed decoding.\n")
	if d.Decoder == "" {
		fmt.Fprintf(w, "       No decoder matched.\n")
	}
	for f := range event.NumFields {
		if value, ok := d.Get(f); ok {
			show(labels(f), value)
		}
	}
	for _, f := range d.Dynamics() {
		show(f.Name, f.Value)
	}
	show("decoder", orNull(d.Decoder))
	if t.opts.Verbose {
		fmt.Fprintf(w, "\n**Rule debugging:\n%s", t.traced.String())
		t.traced.Reset()
	}
	t.verdict(v)
	if t.opts.Explain {
		t.explain(v)
	}
}

var infoLabels = map[string]string{"text": "Text", "link": "Link", "cve": "CVE", "osvdb": "OSVDB"}

func (t *tester) verdict(v analysis.Verdict) {
	if v.Rule == nil {
		return
	}
	w := t.out
	fmt.Fprintf(w, "\n**Phase 3: Completed filtering (rules).\n       Rule id: '%d'\n       Level: '%d'\n       Description: '%s'\n",
		v.Rule.ID, v.Rule.Level, v.Rule.Describe(v.Decoded))
	for _, i := range v.Rule.Info {
		fmt.Fprintf(w, "       Info - %s: '%s'\n", infoLabels[i.Type], i.Text)
	}
	if v.Alert != nil {
		fmt.Fprintf(w, "**Alert to be generated.\n\n")
	}
}

// labels is how phase 2 calls a field.
func labels(f event.Field) string {
	if f == event.Protocol {
		return "proto"
	}
	return f.String()
}

func orNull(s string) string {
	if s == "" {
		return "(null)"
	}
	return s
}

// verdict is a line of --json. Keys without a value are null or left out.
type verdict struct {
	Log         string            `json:"log"`
	Hostname    string            `json:"hostname"`
	Program     *string           `json:"program_name"`
	Prelog      string            `json:"prelog"`
	Decoder     *string           `json:"decoder"`
	Parent      string            `json:"decoder_parent,omitempty"`
	Leaf        string            `json:"decoder_leaf,omitempty"`
	Fields      map[string]string `json:"fields"`
	Rule        *int              `json:"rule,omitempty"`
	Level       *int              `json:"level,omitempty"`
	Description string            `json:"description,omitempty"`
	Groups      []string          `json:"groups,omitempty"`
	Alert       bool              `json:"alert"`
	Matched     []int             `json:"matched,omitempty"`
	Explain     *explanation      `json:"explain,omitempty"`
}

func (t *tester) json(v analysis.Verdict) error {
	d := v.Decoded
	out := verdict{
		Log: d.Text, Hostname: d.Hostname, Program: nullable(d.Program), Prelog: d.Log, Decoder: nullable(d.Decoder), Parent: d.Parent,
		Leaf: d.Leaf, Fields: map[string]string{}, Alert: v.Alert != nil, Matched: v.Matched,
	}
	for f := range event.NumFields {
		if value, ok := d.Get(f); ok {
			out.Fields[key(f)] = value
		}
	}
	for _, f := range d.Dynamics() {
		out.Fields[f.Name] = f.Value
	}
	if r := v.Rule; r != nil {
		out.Rule, out.Level, out.Description, out.Groups = &r.ID, &r.Level, r.Describe(v.Decoded), r.Groups
	}
	if t.opts.Explain {
		out.Explain = t.explained(v)
	}
	enc := json.NewEncoder(t.out)
	enc.SetEscapeHTML(false)
	return enc.Encode(out)
}

// key is how JSON calls a field.
func key(f event.Field) string {
	if f == event.SystemName {
		return "systemname"
	}
	return f.String()
}

func nullable(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
