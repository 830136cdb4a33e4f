// Package logcollector reads log lines where they are written: in files, in the systemd journal, on the standard input.
//
//	<localfile> ─► paths (strftime, glob) ─► file ──┐
//	<localfile> ─► journalctl --follow ─────────────┼─► Batch{Lines, Positions} ─► the owner stores both in one transaction
//	"-"         ─► standard input ──────────────────┘                             └► hands Positions back to New at the next start
//
// A [Batch] holds lines together with the positions that are true after exactly these lines, for all sources. An owner that stores the
// effects of the lines and the positions in one transaction therefore neither loses nor repeats a line, whenever it is killed.
//
// A file is known by its device, its inode and a fingerprint of its first KiB, not by its name. So a rotated file is read to its end before
// its successor is begun, also when it was rotated while nobody was looking, and a file that was truncated is read from its start.
package logcollector

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/yagura-hids/yagura/internal/event"
)

// Source is one <localfile> of the configuration.
type Source struct {
	// Location is a path, with * ? [ as in a shell and %Y-%m-%d as in strftime, both looked up again at each look; "-" is the standard
	// input, which has no position: a pipe can't be read twice. With the format journald it is an identifier to select; "all" or an
	// absolute path selects everything.
	Location string
	// Format is OSSEC's log_format.
	Format string
	// FromStart reads what is there at the very first start, too. Later, new files are always read from their start.
	FromStart bool
	// Command is run every Every by the formats command and full_command, in place of a location; Alias stands for it in what is sent.
	Command string
	Every   time.Duration // 0 for 6 minutes
	Alias   string
	Query   string // XPath, of eventchannel
	Future  bool   // only-future-events: what was written to an eventchannel while nobody read is passed over
}

// Line is one line of a log: without its line end ("\n" or "\r\n"), never empty, any bytes otherwise.
type Line struct {
	Kind     event.Kind // Log or Command
	Location string     // the file's path, "journald", "stdin", a command's alias or text, "WinEvtLog"
	Text     string     // at most event.MaxText bytes
	Cut      bool       // the line was longer
	Time     time.Time  // when it was written, if the source itself knows that: the journal
	Offset   int64      // of its first byte in a file or stream (unpacked); 0 for what has no offsets
}

// Batch is some lines and the positions that hold after them. The lines may be none: then only positions changed, and are to be stored as well.
type Batch struct {
	Lines     []Line
	Positions Positions // complete: replaces the positions stored before
}

// Positions says how far everything has been read. It is stored as JSON and opaque to its owner.
type Positions struct {
	Sources  []string           `json:"sources,omitempty"` // locations that were looked at before: what is new in them is read from its start
	Files    []Position         `json:"files,omitempty"`   // of one path, the older file first
	Journals map[string]Journal `json:"journals,omitempty"`

	Commands map[string]time.Time `json:"commands,omitempty"` // when each began last
	Channels map[string]string    `json:"channels,omitempty"` // bookmarks in Windows' event channels
}

// Position is how far one file has been read.
type Position struct {
	Source  string    `json:"source"` // the location that found it
	Path    string    `json:"path"`   // where it was last seen; its own name if it has been rotated out of sight
	Dev     uint64    `json:"dev"`
	Inode   uint64    `json:"inode"`
	Head    string    `json:"head,omitempty"` // fingerprint of its first HeadLen bytes
	HeadLen int       `json:"head_len,omitempty"`
	Offset  int64     `json:"offset"`
	Skip    bool      `json:"skip,omitempty"` // Offset lies in the rest of a line that was cut
	Gone    time.Time `json:"gone,omitzero"`  // since when it is not to be found

	Prev    string    `json:"prev,omitempty"` // as Head, of the file read before under this path; "-" if there was none
	PrevLen int       `json:"prev_len,omitempty"`
	Seen    time.Time `json:"seen,omitzero"`    // when it was last known to be written to, by the file system's clock
	Copied  bool      `json:"copied,omitempty"` // it is a copy of what was truncated
	Width   string    `json:"width,omitempty"`  // of its characters: le or be for UTF-16
	Carry   string    `json:"carry,omitempty"`  // what its format remembers
}

// Journal is how far the journal has been read: after Cursor, or from Since if no entry came yet.
type Journal struct {
	Cursor string    `json:"cursor,omitempty"`
	Since  time.Time `json:"since,omitzero"`
}

// Options are the collector's surroundings. The zero value is what a program wants; tests bring their own.
type Options struct {
	Now        func() time.Time // the clock; time.Now by default
	Wake       <-chan time.Time // when to look at the files; every 500 ms by default
	Report     func(msg string) // told what the user should know, once per change: a file missing, unreadable, readable again
	Stdin      io.Reader        // os.Stdin by default
	Journalctl string           // the program; "journalctl" by default
	Host       string           // the host's name, for lines that get a header; os.Hostname's by default
	Zone       *time.Location   // of the times in such headers; time.Local by default
}

const (
	pollEvery  = 500 * time.Millisecond
	batchBytes = 1 << 20 // a batch ends when the sources have gone forward by so much
	turnLines  = 256     // lines a source may give before the next one has its turn
)

// Collector reads from all its sources. It belongs to one goroutine.
type Collector struct {
	opts     Options
	sources  []*source
	files    []*file            // sorted by source and path; of one path, the older file first
	ids      map[identity]*file // the same, as of the current scan
	streams  []*stream
	commands []*command
	slots    chan struct{}     // one for each command that may run at a time
	turn     int               // the file whose turn it is
	scans    int               // number of the current scan
	now      time.Time         // of the current scan
	trouble  map[string]string // what was last reported, by path
	folders  map[string]folder
	spare    []byte // memory to read into
	dirty    bool   // positions changed otherwise than by lines

	pushed chan push // what the streams' goroutines read
	held   []push    // received, and not yet given out
	stop   context.CancelFunc
	ctx    context.Context // the streams' life
	ticker *time.Ticker
}

// source is a Source of files.
type source struct {
	Source
	format  *format
	host    string
	zone    *time.Location
	index   int
	started bool // it has been looked at, now or in an earlier life
}

// New returns a collector that goes on where saved ends; the zero Positions is the very first start. It looks at the files once, so what is
// written from now on will be read. The error names every source that it does not take.
func New(sources []Source, saved Positions, opts Options) (*Collector, error) {
	if err := check(sources); err != nil {
		return nil, err
	}
	c := &Collector{opts: opts, trouble: map[string]string{}, folders: map[string]folder{}, pushed: make(chan push, 64), slots: make(chan struct{}, commandsAtOnce)}
	c.defaults()
	c.ctx, c.stop = context.WithCancel(context.Background())
	c.now = c.opts.Now()
	seen := map[string]bool{}
	for i, s := range sources {
		key := s.key()
		if seen[key] {
			c.opts.Report(fmt.Sprintf("localfile %q is listed twice; the first one counts", cmp.Or(s.Location, s.Command)))
			continue
		}
		seen[key] = true
		c.add(i, s, saved)
	}
	c.restore(saved.Files)
	c.scan()
	return c, nil
}

func (c *Collector) defaults() {
	if c.opts.Now == nil {
		c.opts.Now = time.Now
	}
	if c.opts.Report == nil {
		c.opts.Report = func(string) {}
	}
	if c.opts.Stdin == nil {
		c.opts.Stdin = os.Stdin
	}
	if c.opts.Journalctl == "" {
		c.opts.Journalctl = "journalctl"
	}
	if c.opts.Host == "" {
		c.opts.Host, _ = os.Hostname() // without one "localhost" will do
		c.opts.Host = cmp.Or(c.opts.Host, "localhost")
	}
	if c.opts.Zone == nil {
		c.opts.Zone = time.Local
	}
	if c.opts.Wake == nil {
		c.ticker = time.NewTicker(pollEvery)
		c.opts.Wake = c.ticker.C
	}
}

func (c *Collector) add(i int, s Source, saved Positions) {
	switch {
	case s.Format == "journald":
		at, ok := saved.Journals[s.Location]
		if !ok {
			c.dirty = true
			if !s.FromStart {
				at.Since = c.now
			}
		}
		c.streams = append(c.streams, &stream{location: s.Location, journal: true, at: at})
	case s.Format == "command" || s.Format == "full_command":
		c.commands = append(c.commands, newCommand(s, saved.Commands[commandKey(s)]))
	case s.Format == "eventlog" || s.Format == "eventchannel":
		st := &stream{location: channelKey(s), channel: &s}
		if !s.Future {
			st.at.Cursor = saved.Channels[st.location]
		}
		c.streams = append(c.streams, st)
	case s.Location == "-":
		c.streams = append(c.streams, &stream{location: s.Location})
	default:
		format, _ := formatOf(s.Format) // checked before
		c.sources = append(c.sources, &source{
			Source: s, format: format, host: c.opts.Host, zone: c.opts.Zone, index: i, started: slices.Contains(saved.Sources, s.Location),
		})
	}
}

// check returns all that is wrong with the sources.
func check(sources []Source) error {
	var errs []error
	for i, s := range sources {
		if err := s.Check(); err != nil {
			errs = append(errs, fmt.Errorf("localfile number %d: %w", i+1, err))
		}
	}
	return errors.Join(errs...)
}

// Next returns what is new, waiting until there is something: lines, about max at most (one journal entry is never divided), or changed
// positions. It returns ctx's error when ctx ends, and io.EOF when all sources have ended, which only the standard input does.
func (c *Collector) Next(ctx context.Context, max int) (Batch, error) {
	for {
		if err := ctx.Err(); err != nil {
			return Batch{}, err
		}
		select {
		case <-c.opts.Wake: // also while there is much to read: new files are not to wait
			c.scan()
		default:
		}
		if b, ok := c.collect(max); ok {
			return b, nil
		}
		if c.ended() {
			return Batch{}, io.EOF
		}
		select {
		case <-ctx.Done():
		case <-c.opts.Wake:
			c.scan()
		case p := <-c.pushed:
			c.held = append(c.held, p)
		}
	}
}

// collect takes lines from the sources in turn, without waiting, until the batch is full or nobody has more.
func (c *Collector) collect(max int) (Batch, bool) {
	b := batch{max: max, busy: true}
	for b.busy && !b.full() {
		b.busy = false
		c.drainStreams(&b)
		for range len(c.files) {
			if b.full() {
				break
			}
			c.turn %= len(c.files)
			c.read(c.files[c.turn], &b)
			c.turn++
		}
		c.dropForgotten()
	}
	if !b.busy {
		c.turn = 0 // at rest: the order of the sources is the order of the lines again
	}
	if len(b.lines) == 0 && b.size == 0 && !c.dirty {
		return Batch{}, false
	}
	c.dirty = false
	return Batch{b.lines, c.positions()}, true
}

func (c *Collector) ended() bool {
	open := func(s *stream) bool { return !s.ended }
	return len(c.sources)+len(c.commands) == 0 && !slices.ContainsFunc(c.streams, open)
}

// positions returns how far everything has been given out.
func (c *Collector) positions() Positions {
	var p Positions
	for _, s := range c.sources {
		if s.started {
			p.Sources = append(p.Sources, s.Location)
		}
	}
	for _, f := range c.files {
		p.Files = append(p.Files, f.position())
	}
	for _, s := range c.streams {
		switch {
		case s.journal:
			put(&p.Journals, s.location, s.at)
		case s.channel != nil && s.at.Cursor != "":
			put(&p.Channels, s.location, s.at.Cursor)
		}
	}
	for _, cmd := range c.commands {
		if !cmd.last.IsZero() {
			put(&p.Commands, cmd.location, cmd.last)
		}
	}
	return p
}

// put puts a value into a map that may be nil.
func put[V any](m *map[string]V, key string, v V) {
	if *m == nil {
		*m = map[string]V{}
	}
	(*m)[key] = v
}

// report tells the user about path when what there is to tell has changed; "" means that all is well.
func (c *Collector) report(path, msg string) {
	last := c.trouble[path]
	switch {
	case msg == last:
		return
	case msg == "":
		delete(c.trouble, path)
		c.opts.Report(path + ": found and readable now")
	default:
		c.trouble[path] = msg
		c.opts.Report(path + ": " + msg)
	}
}

// Close stops reading. What was read and not yet given out is not lost: no position covers it.
func (c *Collector) Close() error {
	c.stop()
	if c.ticker != nil {
		c.ticker.Stop()
	}
	var errs []error
	for _, f := range c.files {
		errs = append(errs, f.close())
	}
	for _, s := range c.streams {
		s.wait()
	}
	for _, cmd := range c.commands {
		if cmd.done != nil {
			<-cmd.done
		}
	}
	return errors.Join(errs...)
}

// batch is a Batch in the making.
type batch struct {
	lines []Line
	max   int
	size  int64 // bytes that the sources went forward, with what was skipped
	busy  bool  // somebody had something in this round
}

func (b *batch) full() bool { return len(b.lines) >= b.max || b.size >= batchBytes }

func (b *batch) took(n int64) {
	b.size += n
	b.busy = b.busy || n > 0
}

func (b *batch) line(f *file, text string, cut bool, off int64) {
	b.lines = append(b.lines, Line{Location: f.path, Text: text, Cut: cut, Offset: off})
}
