package logcollector

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/yagura-hids/yagura/internal/event"
)

const (
	commandEvery   = 6 * time.Minute
	commandTimeout = time.Minute
	commandOutput  = 1 << 20 // bytes of a command's output that are read; the rest is dropped, and reported
	commandsAtOnce = 4
)

// command is what the formats command and full_command run:
//
//	due ─► shell ─► lines, or all in one ─► push ─► Next        a run's lines and the time when it began come in one batch
//
// Positions keep the time, so a restart runs nothing before it is due, and a run that a crash cut off is begun anew.
type command struct {
	stream
	run    string
	alias  string
	every  time.Duration
	full   bool
	last   time.Time // when the last run began of which all was given out
	starts time.Time // the current one
}

func newCommand(s Source, last time.Time) *command {
	every := s.Every
	if every <= 0 {
		every = commandEvery
	}
	return &command{
		stream: stream{location: commandKey(s)}, run: s.Command, alias: commandAlias(s), every: every, full: s.Format == "full_command", last: last,
	}
}

// commandAlias is what stands for the command in events. OSSEC takes the colon for the end of a location.
func commandAlias(s Source) string {
	alias := s.Alias
	if alias == "" {
		alias = s.Command
	}
	return strings.ReplaceAll(alias, ":", `\`)
}

// commandKey names the command in positions.
func commandKey(s Source) string { return s.Format + " " + s.Alias + " " + s.Command }

// startCommands runs what is due.
func (c *Collector) startCommands() {
	for _, cmd := range c.commands {
		late := c.now.Sub(cmd.last)
		if cmd.running || late >= 0 && late < cmd.every { // a clock that was set back makes it due
			continue
		}
		cmd.running, cmd.starts, cmd.done = true, c.now, make(chan struct{})
		go func() {
			defer close(cmd.done)
			c.push(c.runCommand(cmd))
		}()
	}
}

// runCommand runs cmd once and returns what it said.
func (c *Collector) runCommand(cmd *command) push {
	p := push{command: cmd}
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-c.ctx.Done():
		return p
	}
	ctx, cancel := context.WithTimeout(c.ctx, min(cmd.every, commandTimeout))
	defer cancel()
	out := limited{max: commandOutput}
	var stderr lastWords
	run := shell(ctx, cmd.run)
	run.Stdout, run.Stderr, run.WaitDelay = &out, &stderr, time.Second
	err := run.Run()
	p.lines = cmd.lines(out.buf.Bytes())
	said := strings.TrimSpace(stderr.text)
	switch {
	case ctx.Err() != nil:
		p.err = fmt.Errorf("stopped after %v, its time limit", min(cmd.every, commandTimeout))
	case err != nil && !errors.Is(err, exec.ErrWaitDelay):
		p.err = fmt.Errorf("%w: %s", err, said)
	case out.more:
		p.err = fmt.Errorf("more than %d bytes of output; the rest is dropped", commandOutput)
	}
	return p
}

// lines makes events of what the command said.
func (cmd *command) lines(out []byte) []Line {
	head := "ossec: output: '" + cmd.alias + "':"
	line := Line{Kind: event.Command, Location: cmd.alias}
	if cmd.full {
		text := squeeze(out)
		if text == "" {
			return nil
		}
		line.Text, line.Cut = event.Clip(head + "\n" + text)
		return []Line{line}
	}
	var all []Line
	r := newLineReader(bytes.NewReader(out), event.MaxText)
	r.blank = true
	for {
		l, err := r.next()
		if err != nil {
			return all
		}
		line.Text, line.Cut = event.Clip(head + " " + string(l.text))
		line.Cut = line.Cut || l.cut
		all = append(all, line)
	}
}

// squeeze returns what out holds without carriage returns and empty lines.
func squeeze(out []byte) string {
	var b strings.Builder
	for l := range bytes.SplitSeq(bytes.ReplaceAll(out, []byte{'\r'}, nil), []byte{'\n'}) {
		if len(l) == 0 {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		b.Write(l)
	}
	return b.String()
}

// endCommand notes that a run is over, and tells when it fails otherwise than the last one did.
func (c *Collector) endCommand(cmd *command, err error) {
	cmd.running, cmd.last, c.dirty = false, cmd.starts, true
	msg := ""
	if err != nil {
		msg = err.Error()
	}
	switch {
	case msg == cmd.said:
		return
	case msg == "":
		c.opts.Report(fmt.Sprintf("command %q: works again", cmd.run))
	default:
		c.opts.Report(fmt.Sprintf("command %q: %s; running it again every %v", cmd.run, msg, cmd.every))
	}
	cmd.said = msg
}

// limited keeps the first max bytes written to it.
type limited struct {
	buf  bytes.Buffer
	max  int
	more bool
}

func (w *limited) Write(p []byte) (int, error) {
	n := min(len(p), w.max-w.buf.Len())
	w.more = w.more || n < len(p)
	w.buf.Write(p[:n])
	return len(p), nil
}
