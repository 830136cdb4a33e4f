package local

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/yagura-hids/yagura/agent/logcollector"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/predecode"
)

const (
	replayName  = "replay"
	replayLines = 5000    // lines of a batch
	headBytes   = 4 << 10 // of a log, by which it is known again
)

// replayed is what is kept of a log that was replayed.
type replayed struct {
	Next int64     `json:"next"` // lines that begin before this offset are done
	Ref  time.Time `json:"ref"`  // what its clock began with
}

// Replayer is a Source of finished logs.
type Replayer struct {
	store   *Store
	opts    ReplayOptions
	paths   []string
	sizes   []int64
	batches chan replayBatch
	stop    context.CancelFunc
	ended   chan struct{}
	known   map[string]replayed // by key; what this replay has given out is not all stored yet
	current atomic.Pointer[logcollector.Reader]
	before  atomic.Int64 // bytes of the logs that are through
}

type replayBatch struct {
	Batch
	err error
}

// ReplayOptions are a replay's surroundings.
type ReplayOptions struct {
	Agent string           // the host's name in the events' ids
	Zone  *time.Location   // of stamps that name none; nil for time.Local
	Now   func() time.Time // dates the standard input; nil for time.Now
	Lines int              // lines of a batch, and so of a commit; 0 for 5000
}

// Replay returns a source that reads logs one after another, "-" being the standard input, and gives events their lines' own times.
// It goes on where the store says that the same logs were left; s may be nil.
//
// A log is known by its base name and its first 4 KiB, unpacked, and an event by its offset: so the same log gives the same ids wherever
// and whenever it is replayed. A log shorter than that which has grown since is another log.
//
// A log that can't be opened or read to its end doesn't stop the others: Next returns all such errors, joined, instead of io.EOF.
func Replay(s *Store, paths []string, opts ReplayOptions) *Replayer {
	if opts.Zone == nil {
		opts.Zone = time.Local
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Lines == 0 {
		opts.Lines = replayLines
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &Replayer{
		store: s, opts: opts, paths: paths, stop: stop,
		batches: make(chan replayBatch, 1), ended: make(chan struct{}), known: map[string]replayed{},
	}
	for _, path := range paths {
		r.sizes = append(r.sizes, sizeOf(path))
	}
	go r.readAll(ctx)
	return r
}

func sizeOf(path string) int64 {
	st, err := os.Stat(path)
	switch {
	case path == "-":
		return -1
	case err != nil:
		return 0 // its opening will say so
	case !st.Mode().IsRegular():
		return -1
	}
	return st.Size()
}

// Name returns "replay".
func (r *Replayer) Name() string { return replayName }

// Progress returns how many bytes of all logs have been read and how many there are, as stored; size is -1 if nobody knows: with a pipe.
func (r *Replayer) Progress() (read, size int64) {
	for _, n := range r.sizes {
		if n < 0 {
			size = -1
			break
		}
		size += n
	}
	read = r.before.Load()
	if c := r.current.Load(); c != nil {
		n, _ := c.Progress()
		read += n
	}
	return read, size
}

// Next returns the next lines of one log.
func (r *Replayer) Next(ctx context.Context) (Batch, error) {
	if err := ctx.Err(); err != nil {
		return Batch{}, err
	}
	select {
	case b := <-r.batches:
		return b.Batch, b.err
	case <-ctx.Done():
		return Batch{}, ctx.Err()
	}
}

// Close ends the reading. It doesn't wait for a standard input that says nothing.
func (r *Replayer) Close() error {
	r.stop()
	if !slices.Contains(r.paths, "-") {
		<-r.ended
	}
	return nil
}

func (r *Replayer) readAll(ctx context.Context) {
	defer close(r.ended)
	var errs []error
	for i, path := range r.paths {
		if err := r.readLog(ctx, path); err != nil && !errors.Is(err, context.Canceled) {
			errs = append(errs, err)
		}
		r.current.Store(nil)
		r.before.Add(max(r.sizes[i], 0))
	}
	err := errors.Join(errs...)
	if err == nil {
		err = io.EOF
	}
	for r.send(ctx, replayBatch{err: err}) == nil {
	}
}

func (r *Replayer) send(ctx context.Context, b replayBatch) error {
	select {
	case r.batches <- b:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *Replayer) readLog(ctx context.Context, path string) (err error) {
	in, err := logcollector.Open(path)
	if err != nil {
		return err
	}
	r.current.Store(in)
	defer func() { err = errors.Join(err, in.Close()) }()
	l := &replayLog{Replayer: r, in: in}
	if err := l.begin(path); err != nil {
		return err
	}
	for {
		b, err := l.batch()
		if len(b.Events) > 0 {
			if err := r.send(ctx, replayBatch{Batch: b}); err != nil {
				return err
			}
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

// replayLog is the log that is being replayed.
type replayLog struct {
	*Replayer
	in    *logcollector.Reader
	head  []logcollector.Line // read to know the log, not given out yet
	err   error               // what ended the log while its head was read
	epoch uint64
	saved replayed
	clock *predecode.Clock
}

// begin finds out which log this is, and what is known of it.
func (l *replayLog) begin(path string) error {
	sum := sha256.New()
	base := filepath.Base(path)
	fmt.Fprintf(sum, "%s\n", base)
	l.readHead(sum)
	l.epoch = binary.BigEndian.Uint64(sum.Sum(nil))
	l.saved.Ref = l.opts.Now()
	if st, err := os.Stat(path); err == nil && path != "-" && event.Plausible(st.ModTime()) {
		l.saved.Ref = st.ModTime()
	}
	if err := l.recall(); err != nil {
		return err
	}
	l.clock = predecode.NewClock(l.opts.Zone, l.saved.Ref)
	return nil
}

// recall finds how far the log was replayed before: a moment ago, or in an earlier life.
func (l *replayLog) recall() error {
	if saved, ok := l.known[l.key()]; ok {
		l.saved = saved
		return nil
	}
	if l.store == nil {
		return nil
	}
	return l.store.position(l.key(), &l.saved)
}

func (l *replayLog) key() string { return fmt.Sprintf("%s/%016x", replayName, l.epoch) }

// readHead adds the beginning of the log to sum, as far as it lies in whole lines.
func (l *replayLog) readHead(sum hash.Hash) {
	for {
		line, err := l.in.Next()
		if err != nil {
			l.err = err
			return
		}
		l.head = append(l.head, line)
		room := max(headBytes-line.Offset, 0)
		fmt.Fprintf(sum, "%d %s\n", line.Offset, line.Text[:min(int64(len(line.Text)), room)])
		if int64(len(line.Text)) >= room {
			return
		}
	}
}

func (l *replayLog) next() (logcollector.Line, error) {
	if len(l.head) > 0 {
		line := l.head[0]
		l.head = l.head[1:]
		return line, nil
	}
	if l.err != nil {
		return logcollector.Line{}, l.err
	}
	return l.in.Next()
}

// batch returns the next lines. Lines that are done pass the clock only, so that it shows the rest the same time as in an undisturbed run.
func (l *replayLog) batch() (b Batch, err error) {
	var line logcollector.Line
	for len(b.Events) < l.opts.Lines {
		if line, err = l.next(); err != nil {
			break
		}
		t := l.clock.Time(line.Text)
		if line.Offset < l.saved.Next {
			continue
		}
		l.saved.Next = line.Offset + 1
		ev := newEvent(event.ID{Agent: l.opts.Agent, Epoch: l.epoch, Seq: uint64(line.Offset)}, line)
		ev.Time = t
		b.Events = append(b.Events, ev)
		b.Bytes += int64(len(line.Text)) + 1
	}
	l.known[l.key()] = l.saved
	text, bad := json.Marshal(l.saved)
	if bad != nil {
		return Batch{}, fmt.Errorf("encode position of %s: %w", line.Location, bad)
	}
	b.Positions = map[string]json.RawMessage{l.key(): text}
	return b, err
}

// newEvent makes an event of a line.
func newEvent(id event.ID, l logcollector.Line) *event.Event {
	text, cut := event.Clip(l.Text)
	return &event.Event{ID: id, Location: strings.ToValidUTF8(l.Location, "\uFFFD"), Text: text, Cut: l.Cut || cut}
}
