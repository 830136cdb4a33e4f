package lambda

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/yagura-hids/yagura/internal/emulated"
)

// PollerOptions say what a Poller reads, and whom it calls.
type PollerOptions struct {
	Mapping     emulated.Mapping
	FunctionARN string // Host.ARN
	Invoke      func(ctx context.Context, event []byte) (Result, error)

	Kinesis *kinesis.Client         // for a mapping of Kinesis
	Streams *dynamodbstreams.Client // for one of DynamoDB
	S3      *s3.Client              // for a mapping with OnFailure

	// Idle is how long a shard is left alone after nothing new was there; 0 is a second, as on AWS, and a quarter for a table's stream. Drained
	// doesn't wait for it.
	Idle time.Duration
	// Pause waits before a batch is tried again; nil waits really. Tests return at once.
	Pause func(ctx context.Context, d time.Duration)
	// Now tells how old records are; nil is time.Now.
	Now func() time.Time
	// Log is told what can't be told to anybody else: reads that fail, records that are given up; nil writes to standard error.
	Log func(format string, args ...any)

	// Redeliver is the chance, from 0 to 1, that a part of a batch is delivered once more after success: at once, or after up to three later
	// batches. The choices come from Seed, shard by shard and lane by lane.
	Redeliver float64
	Seed      uint64
}

// Counts tell what a Poller has done.
type Counts struct {
	Read, Filtered, Delivered, GivenUp    int // records; each counts once, however often it was delivered
	Invocations, Failed, Partial, Repeats int // invocations: all, failed as a whole, failed in part, repeated after success
}

// Poller is an event source mapping at work.
type Poller struct {
	opts   PollerOptions
	source source
	filter filter
	id     string // a UUID that stays the same for the same function and mapping
	ctx    context.Context
	stop   context.CancelFunc
	work   sync.WaitGroup

	mu      sync.Mutex
	changed chan struct{} // closed, and made anew, at each change of what follows
	clock   int           // counts the reads, so that one can be after another
	wanted  int           // a read after this is waited for
	shards  map[string]*shard
	counts  Counts
}

// source is a stream as a mapping sees it.
type source interface {
	// shards lists all shards that still have records, closed ones too.
	shards(ctx context.Context) ([]shardInfo, error)
	// iterator begins after a sequence number or, if that is "", at a starting position.
	iterator(ctx context.Context, shard, after, position string) (string, error)
	// read returns what is next; next is "" at the end of a closed shard, tip tells that nothing more was there.
	read(ctx context.Context, shard, iterator string) (records []record, next string, tip bool, err error)
	// info returns the name and the content of what an invocation record tells of a batch.
	info(shard string, batch []record) (name string, content any)
}

type shardInfo struct {
	id      string
	parents []string
	closed  bool
}

// record is one of a stream.
type record struct {
	sequence string
	key      string // records of one key are delivered in order
	arrived  time.Time
	event    []byte // its JSON in an event's Records
	tree     any    // the same, for filters; nil if there are none
}

// Poll starts a mapping. Its starting position, if LATEST, is the time of this call. The Poller ends with Stop.
func Poll(ctx context.Context, opts PollerOptions) (*Poller, error) {
	p := &Poller{opts: opts, shards: map[string]*shard{}, changed: make(chan struct{})}
	if err := p.prepare(); err != nil {
		return nil, fmt.Errorf("mapping %s: %w", opts.Mapping.Name, err)
	}
	p.ctx, p.stop = context.WithCancel(context.Background())
	if err := p.discover(ctx, p.opts.Mapping.StartingPosition); err != nil {
		p.Stop()
		return nil, fmt.Errorf("mapping %s: %w", opts.Mapping.Name, err)
	}
	return p, nil
}

// prepare puts in what is not said, and refuses what this mapping can't do.
func (p *Poller) prepare() (err error) {
	o := &p.opts
	if p.filter, err = parseFilter(o.Mapping.Filters); err != nil {
		return err
	}
	switch m := o.Mapping; {
	case m.Source == emulated.SourceKinesis && len(m.Filters) > 0:
		return fmt.Errorf("filters on a Kinesis stream aren't emulated; filter in the function")
	case m.Source == emulated.SourceKinesis:
		p.source = &kinesisSource{client: o.Kinesis, mapping: m}
	case m.Source == emulated.SourceDynamoDB:
		p.source = &dynamoSource{client: o.Streams, mapping: m, trees: len(p.filter) > 0}
	default:
		return fmt.Errorf("source %q: want %s or %s", m.Source, emulated.SourceKinesis, emulated.SourceDynamoDB)
	}
	if _, err := bucket(o.Mapping.OnFailure); err != nil {
		return err
	}
	o.Mapping.BatchSize = max(1, o.Mapping.BatchSize)
	o.Mapping.ParallelizationFactor = max(1, o.Mapping.ParallelizationFactor)
	if o.Idle == 0 {
		o.Idle = time.Second
		if o.Mapping.Source == emulated.SourceDynamoDB {
			o.Idle /= 4
		}
	}
	if o.Pause == nil {
		o.Pause = sleep
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
	}
	h := sha256.Sum256([]byte(o.FunctionARN + " " + o.Mapping.Name))
	p.id = fmt.Sprintf("%x-%x-%x-%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:16])
	return nil
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Stop ends the mapping, and the invocations on their way with it.
func (p *Poller) Stop() {
	p.mu.Lock() // discover starts nothing after it
	p.stop()
	p.mu.Unlock()
	p.work.Wait()
}

// Counts returns what was done so far.
func (p *Poller) Counts() Counts {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts
}

// Drained waits until everything that was in the stream when it was called has been delivered, left out or given up, and what was to be
// repeated has been. It doesn't wait for Idle, but it does for the mapping's Window.
func (p *Poller) Drained(ctx context.Context) error {
	if err := p.discover(ctx, trimHorizon); err != nil { // children of a split that no reader has seen yet
		return fmt.Errorf("mapping %s: %w", p.opts.Mapping.Name, err)
	}
	p.mu.Lock()
	p.clock++
	since := p.clock
	p.wanted = max(p.wanted, since)
	p.signal()
	for !p.caughtUp(since) {
		changed := p.changed
		p.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("mapping %s: wait until all is done: %w", p.opts.Mapping.Name, ctx.Err())
		case <-p.ctx.Done():
			return fmt.Errorf("mapping %s: it was stopped before all was done", p.opts.Mapping.Name)
		}
		p.mu.Lock()
	}
	p.mu.Unlock()
	return nil
}

// caughtUp tells whether each shard has ended, or was read empty after since and has nothing under way. p.mu is held.
func (p *Poller) caughtUp(since int) bool {
	for _, s := range p.shards {
		if s.state != ended && (s.state != open || s.tip <= since || s.pending > 0) {
			return false
		}
	}
	return true
}

// signal wakes all that wait for a change. p.mu is held.
func (p *Poller) signal() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// change changes what is guarded by p.mu.
func (p *Poller) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	p.signal()
}
