package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/yagura-hids/yagura/internal/baseline"
)

type baselineListCmd struct {
	JSON bool `short:"j" help:"One JSON object a line."`
}

// Run lists the baselines.
func (c baselineListCmd) Run(ctx context.Context, at *syscheckCmd) error {
	var all []baseline.Summary
	err := at.baselines(ctx, func(s *baseline.Store) error {
		agents, err := s.Agents(ctx)
		if err != nil {
			return err
		}
		var mu sync.Mutex
		return eachAgent(ctx, agents, func(ctx context.Context, agent string) error {
			sum, err := s.Summary(ctx, agent)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, sum)
			return err
		})
	})
	slices.SortFunc(all, func(a, b baseline.Summary) int { return strings.Compare(a.Agent, b.Agent) })
	switch {
	case err != nil:
		return err
	case c.JSON:
		return each(all, func(s baseline.Summary) error { return jsonTo(os.Stdout)(s) })
	case len(all) == 0:
		fmt.Fprintln(os.Stderr, "no host has told of its files yet")
		return nil
	}
	return newScreen(os.Stdout).baselines(all)
}

// baselines shows baselines in a table.
func (s screen) baselines(all []baseline.Summary) error {
	rows := [][]string{{"Agent", "Profile", "Files", "Last scan", "Last change", "Image", ""}}
	for _, b := range all {
		scanned, changed, note := "never", "", ""
		if !b.Scanned.IsZero() {
			scanned = moment(b.Scanned)
		}
		if !b.Changed.IsZero() {
			changed = moment(b.Changed)
		}
		switch {
		case len(b.Asked) > 0:
			note = fmt.Sprintf("asked to tell %d of 256 parts again", len(b.Asked))
		case b.First:
			note = "the first scan has not ended"
		}
		rows = append(rows, []string{printable(b.Agent), printable(b.Profile), fmt.Sprint(b.Files), scanned, changed, printable(b.Image), note})
	}
	return s.grid(rows, 6, func(int) string { return yellow })
}

type baselineExportCmd struct {
	Agent string `arg:"" help:"The agent's id."`
	File  string `arg:"" optional:"" help:"The file to write; standard output if there is none." type:"path"`
}

// Help adds what the flags don't say.
func (baselineExportCmd) Help() string {
	return `A line for each file, JSON, by path, after a line that says what it is: made to be compared (diff, git), and for yagura syscheck baseline import.`
}

// baselineHead is an exported baseline's first line.
type baselineHead struct {
	Format int    `json:"yagura_baseline"` // 1
	Agent  string `json:"agent"`
	Files  int    `json:"files"`
}

const baselineFormat = 1

// Run writes a baseline.
func (c baselineExportCmd) Run(ctx context.Context, at *syscheckCmd) (err error) {
	var records []baseline.Record
	err = at.baselines(ctx, func(s *baseline.Store) (err error) {
		records, err = s.Records(ctx, c.Agent)
		return err
	})
	if err != nil {
		return unknownBaseline(err)
	}
	out := os.Stdout
	if c.File != "" {
		if out, err = os.OpenFile(c.File, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, out.Close()) }()
	}
	w := bufio.NewWriter(out)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	err = enc.Encode(baselineHead{baselineFormat, c.Agent, len(records)})
	for i := range records {
		err = errors.Join(err, enc.Encode(records[i]))
	}
	if err = errors.Join(err, w.Flush()); err == nil && c.File != "" {
		fmt.Fprintf(os.Stderr, "%s of %s are in %s\n", count(len(records), "file"), printable(c.Agent), c.File)
	}
	return err
}

func unknownBaseline(err error) error {
	if errors.Is(err, baseline.ErrUnknown) {
		return fmt.Errorf("%w; yagura syscheck baseline list names those that have one", err)
	}
	return err
}

type baselineImportCmd struct {
	Agent string `arg:"" help:"The agent's id."`
	File  string `arg:"" help:"What export wrote, of this agent or of another; - for standard input."`
	Yes   bool   `short:"y" help:"Don't ask."`
}

// Help adds what the flags don't say.
func (baselineImportCmd) Help() string {
	return `What the file says is from then on how the agent's files should be. Where the host is otherwise, that is told after its next scan.`
}

// Run reads a baseline.
func (c baselineImportCmd) Run(ctx context.Context, at *syscheckCmd) error {
	var in io.Reader = os.Stdin
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	records, err := readBaseline(c.File, in)
	if err != nil {
		return err
	}
	if c.File == "-" && !c.Yes {
		return &codeError{2, errors.New("standard input is the baseline, so nobody can be asked: add --yes")}
	}
	return sure(ctx, c.Yes, fmt.Sprintf("%s become the baseline of %s; what is known of it now is replaced.", count(len(records), "file"), printable(c.Agent)), func() error {
		return at.baselines(ctx, func(s *baseline.Store) error { return unknownBaseline(s.Import(ctx, c.Agent, records)) })
	})
}

// sure does something if the user is sure.
func sure(ctx context.Context, yes bool, what string, do func() error) error {
	if !yes {
		if err := confirm(ctx, newQuestions(), what+"\nGo on?"); err != nil {
			return err
		}
	}
	if err := do(); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "done")
	return nil
}

// The bounds of an imported baseline.
const (
	maxBaselineLine   = 256 << 10
	maxBaselineFaults = 20
)

// readBaseline reads what export wrote. The error names all faulty lines, up to 20.
func readBaseline(name string, in io.Reader) ([]baseline.Record, error) {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxBaselineLine)
	var records []baseline.Record
	var faults []error
	fault := func(n int, format string, values ...any) {
		faults = append(faults, fmt.Errorf("%s:%d: %s", name, n, fmt.Sprintf(format, values...)))
	}
	seen, n, promised := map[string]bool{}, 0, 0
	for lines.Scan() && len(faults) < maxBaselineFaults {
		line := bytes.TrimSpace(lines.Bytes())
		if n++; n == 1 {
			var head baselineHead
			if err := json.Unmarshal(line, &head); err != nil || head.Format != baselineFormat {
				return nil, fmt.Errorf(`%s:1: no exported baseline: it begins with {"yagura_baseline":%d,…}`, name, baselineFormat)
			}
			promised = head.Files
			continue
		}
		if len(line) == 0 {
			continue
		}
		var r baseline.Record
		switch err := json.Unmarshal(line, &r); {
		case err != nil:
			fault(n, "%v", err)
		case !utf8.Valid(line):
			fault(n, `bytes that are no UTF-8; such a byte of a path is written \\xff`)
		case r.Path == "" || len(r.Path) > maxBaselinePath:
			fault(n, "want a path of 1 to %d bytes", maxBaselinePath)
		case seen[r.Path]:
			fault(n, "%s is there twice", printable(r.Path))
		case r.Changes < 0 || r.Record.Size < 0:
			fault(n, "%s: numbers below zero", printable(r.Path))
		}
		seen[r.Path] = true
		records = append(records, r)
	}
	if err := lines.Err(); err != nil {
		fault(n+1, "%v", err)
	}
	switch {
	case n == 0 && len(faults) == 0:
		return nil, fmt.Errorf("%s: it is empty", name)
	case len(records) != promised && len(faults) == 0:
		fault(1, `"files" is %d, but there are %d: if the file is whole, and they are meant, write their number there`, promised, len(records))
	}
	return records, errors.Join(faults...)
}

const maxBaselinePath = 32 << 10

type baselineAcceptCmd struct {
	Agent string   `arg:"" help:"The agent's id."`
	Path  []string `arg:"" optional:"" help:"These files; all if none is named."`
}

// Help adds what the flags don't say.
func (baselineAcceptCmd) Help() string {
	return `The next change of these files is again their first: rule 550. Without that the fourth change of a file that is only data is silent, and so are later ones.`
}

// Run sets counts of changes to zero.
func (c baselineAcceptCmd) Run(ctx context.Context, at *syscheckCmd) error {
	n := 0
	err := at.baselines(ctx, func(s *baseline.Store) (err error) {
		n, err = s.Accept(ctx, c.Agent, c.Path)
		return err
	})
	if err == nil {
		fmt.Fprintf(os.Stderr, "of %s the changes are counted anew\n", count(n, "file"))
	}
	return unknownBaseline(err)
}

type baselineClearCmd struct {
	Agent string `arg:"" help:"The agent's id."`
	Yes   bool   `short:"y" help:"Don't ask."`
}

// Help adds what the flags don't say.
func (baselineClearCmd) Help() string {
	return `For a host that was set up anew. What the agent tells next is believed, whatever it is: a new baseline begins, and until its scan has ended nothing is
compared. The history of changes stays.`
}

// Run forgets a baseline.
func (c baselineClearCmd) Run(ctx context.Context, at *syscheckCmd) error {
	what := fmt.Sprintf("What is known of the files of %s is forgotten, and its next scan believed.", printable(c.Agent))
	return sure(ctx, c.Yes, what, func() error {
		return at.baselines(ctx, func(s *baseline.Store) error { return unknownBaseline(s.Clear(ctx, c.Agent)) })
	})
}
