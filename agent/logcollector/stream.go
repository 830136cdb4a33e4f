package logcollector

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"github.com/yagura-hids/yagura/internal/event"
)

const (
	backoffMin   = time.Second
	backoffMax   = time.Minute
	journalEntry = 16 << 20 // bytes of JSON that one entry may take
	cursorOnly   = 64       // entries without a line before their cursor is worth storing
)

// stream is a source that is waited for: a goroutine reads it and pushes what it finds.
//
//	journal: journalctl ─► entry ─► push ─┐                    ended: started again, later and later
//	channel: EvtNext ─► event ────► push ─┤                    the same
//	stdin:   line ────────────────► push ─┴─► pushed ─► Next   ended: for good
type stream struct {
	location string
	journal  bool
	channel  *Source // of Windows
	at       Journal // a channel's cursor is its bookmark

	done    chan struct{} // closed when the goroutine has ended; nil before the first start
	running bool
	ended   bool // stdin: nothing will follow
	retry   time.Time
	backoff time.Duration
	silent  int    // entries since the last batch that gave no lines
	said    string // what was reported last
}

// push is what a stream's goroutine hands over: the lines of one entry and the cursor after it, or its end.
type push struct {
	from    *stream
	command *command // in its place: a whole run
	lines   []Line
	cursor  string // "" for an entry that was skipped
	note    string // for the user
	ended   bool
	err     error // why it ended
}

// endless tells whether it is begun again when it ends.
func (s *stream) endless() bool { return s.journal || s.channel != nil }

// name is what the user calls it.
func (s *stream) name() string {
	if s.channel != nil {
		return "event channel " + s.channel.Location
	}
	return "journald"
}

// startStreams starts what does not run and is not to wait longer.
func (c *Collector) startStreams() {
	for _, s := range c.streams {
		if s.running || s.ended || c.now.Before(s.retry) {
			continue
		}
		s.running, s.done = true, make(chan struct{})
		run := c.readStdin
		if s.journal {
			args := journalArgs(s.location, s.at)
			run = func(s *stream) error { return c.readJournal(s, args) }
		}
		if s.channel != nil {
			at := s.at.Cursor
			run = func(s *stream) error { return c.readChannel(s, at) }
		}
		go func() {
			defer close(s.done)
			err := run(s)
			c.push(push{from: s, ended: true, err: err})
		}()
	}
}

// push hands p over; false when the collector has been closed.
func (c *Collector) push(p push) bool {
	select {
	case c.pushed <- p:
		return true
	case <-c.ctx.Done():
		return false
	}
}

// wait waits for the goroutine. Not for the one at the standard input: nothing can take it out of its read.
func (s *stream) wait() {
	if s.endless() && s.done != nil {
		<-s.done
	}
}

// drainStreams takes what the streams have pushed, as long as the batch has room for it.
func (c *Collector) drainStreams(b *batch) {
	for range turnLines {
		if b.full() {
			return
		}
		if len(c.held) == 0 {
			select {
			case p := <-c.pushed:
				c.held = append(c.held, p)
			default:
				return
			}
		}
		p := c.held[0]
		c.held = c.held[1:]
		c.take(p, b)
	}
}

func (c *Collector) take(p push, b *batch) {
	if p.command != nil {
		b.lines = append(b.lines, p.lines...)
		b.busy = true
		c.endCommand(p.command, p.err)
		return
	}
	s := p.from
	if p.note != "" {
		c.opts.Report(p.note)
	}
	if p.ended {
		c.endStream(s, p.err)
		return
	}
	for _, l := range p.lines {
		b.took(int64(len(l.Text)) + 1)
	}
	b.busy = true
	b.lines = append(b.lines, p.lines...)
	if s.endless() && p.cursor != "" {
		s.at = Journal{Cursor: p.cursor}
		s.backoff, s.said = 0, ""
		if s.silent++; len(p.lines) > 0 {
			s.silent = 0
		} else if s.silent >= cursorOnly {
			s.silent, c.dirty = 0, true
		}
	}
}

func (c *Collector) endStream(s *stream, err error) {
	s.running = false
	if !s.endless() {
		s.ended = true
		if err != nil {
			c.opts.Report(fmt.Sprintf("stdin: read: %v; reading no further", err))
		}
		return
	}
	s.backoff = min(max(2*s.backoff, backoffMin), backoffMax)
	s.retry = c.opts.Now().Add(s.backoff)
	msg := fmt.Sprintf("%s: %v; starting it again, at first after %v, later every %v", s.name(), err, backoffMin, backoffMax)
	if errors.Is(err, exec.ErrNotFound) {
		msg = "journald: journalctl is not installed here; install systemd, or remove the localfile of format journald; still looking"
	}
	if s.said != msg {
		s.said = msg
		c.opts.Report(msg)
	}
}

func (c *Collector) readStdin(s *stream) error {
	r := newLineReader(c.opts.Stdin, event.MaxText)
	for {
		l, err := r.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		text := []Line{{Location: "stdin", Text: string(l.text), Cut: l.cut, Offset: l.off}}
		if !c.push(push{from: s, lines: text}) {
			return nil
		}
	}
}

// journalArgs returns journalctl's arguments to go on at at.
func journalArgs(location string, at Journal) []string {
	args := []string{
		"--follow", "--no-tail", "--output=json", "--all", "--no-pager", "--quiet",
		"--output-fields=MESSAGE,SYSLOG_IDENTIFIER,SYSLOG_PID,_COMM,_PID,_HOSTNAME",
	}
	if location != "all" && !strings.HasPrefix(location, "/") {
		args = append(args, "--identifier="+location)
	}
	switch {
	case at.Cursor != "":
		args = append(args, "--after-cursor="+at.Cursor)
	case !at.Since.IsZero():
		args = append(args, fmt.Sprintf("--since=@%d.%06d", at.Since.Unix(), at.Since.Nanosecond()/1000))
	}
	return args
}

// readJournal runs journalctl and pushes its entries until it ends, and returns why it ended.
func (c *Collector) readJournal(s *stream, args []string) error {
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.opts.Journalctl, args...)
	var stderr lastWords
	cmd.Stderr = &stderr
	cmd.WaitDelay = backoffMin
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("start journalctl: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start journalctl: %w", err)
	}
	c.pushEntries(s, out)
	cancel()
	if err := cmd.Wait(); stderr.text != "" {
		return fmt.Errorf("journalctl ended: %s", strings.TrimSpace(stderr.text))
	} else if err != nil {
		return fmt.Errorf("journalctl ended: %w", err)
	}
	return errors.New("journalctl ended")
}

func (c *Collector) pushEntries(s *stream, out io.Reader) {
	r := newLineReader(out, journalEntry)
	for {
		l, err := r.next()
		if err != nil {
			return
		}
		p := push{from: s}
		e, err := parseEntry(l.text)
		switch {
		case l.cut:
			p.note = fmt.Sprintf("journald: skipped an entry of more than %d bytes", journalEntry)
		case r.err != nil && err != nil:
			return // half an entry: journalctl was killed; it will come again
		case err != nil:
			p.note = fmt.Sprintf("journald: skipped what journalctl said: %v", err)
		default:
			p.lines, p.cursor = e.lines(time.Local), e.Cursor
		}
		if !c.push(p) {
			return
		}
	}
}

// lastWords keeps the beginning of what a program says on its standard error.
type lastWords struct{ text string }

func (w *lastWords) Write(p []byte) (int, error) {
	w.text += string(p[:min(len(p), 512-min(len(w.text), 512))])
	return len(p), nil
}
