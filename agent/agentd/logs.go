package agentd

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"

	bolt "go.etcd.io/bbolt"

	"github.com/yagura-hids/yagura/agent/logcollector"
	"github.com/yagura-hids/yagura/internal/event"
)

var bucketLogs, keyPositions = []byte("logs"), []byte("positions")

// The lines of a log that are kept in one transaction, at most.
const keepLines = 4096

// beginLogs opens the logs where they were left.
func (a *Agent) beginLogs(sources []logcollector.Source) (run, func() any, error) {
	defer a.opts.Ready()
	var saved logcollector.Positions
	err := a.opts.Spool.View(func(tx *bolt.Tx) error {
		if b := tx.Bucket(bucketLogs); b != nil {
			return json.Unmarshal(b.Get(keyPositions), &saved)
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("how far they were read: %w", err)
	}
	c, err := logcollector.New(sources, saved, a.opts.Collector)
	if err != nil {
		return nil, nil, err
	}
	a.setPositions(saved)
	run := func(ctx context.Context) error {
		defer func() { _ = c.Close() }() // the files were only read
		return a.readLogs(ctx, c)
	}
	return run, func() any { return a.logs() }, nil
}

// readLogs brings the lines of all sources into the spool, together with how far each has been read.
func (a *Agent) readLogs(ctx context.Context, c *logcollector.Collector) error {
	for {
		b, err := c.Next(ctx, keepLines)
		switch {
		case err == io.EOF:
			return nil
		case err != nil: // ctx's
			return err
		}
		if err := a.keepLines(ctx, b); err != nil {
			return err
		}
		a.setPositions(b.Positions)
	}
}

func (a *Agent) keepLines(ctx context.Context, b logcollector.Batch) error {
	positions, err := json.Marshal(b.Positions)
	if err != nil {
		return fmt.Errorf("how far the logs are read: %w", err)
	}
	now := a.opts.Now()
	events := make([]*event.Event, len(b.Lines))
	for i, l := range b.Lines {
		at := now
		if event.Plausible(l.Time) {
			at = l.Time.In(now.Location())
		}
		events[i] = &event.Event{Kind: l.Kind, Time: at, Location: l.Location, Text: l.Text, Cut: l.Cut}
	}
	return a.opts.Spool.Keep(ctx, events, func(tx *bolt.Tx) error {
		bucket, err := tx.CreateBucketIfNotExists(bucketLogs)
		if err != nil {
			return err
		}
		return bucket.Put(keyPositions, positions)
	})
}

// Logs is how far the logs are read.
type Logs struct {
	Files  int       `json:"files"`  // that are followed
	Behind int64     `json:"behind"` // bytes of them that are not read yet
	List   []LogFile `json:"list"`   // those furthest behind, at most 20
}

// LogFile is how far one file is read.
type LogFile struct {
	Path   string `json:"path"`
	Behind int64  `json:"behind"`
}

const listedLogs = 20

func (a *Agent) setPositions(p logcollector.Positions) {
	a.reading.Lock()
	defer a.reading.Unlock()
	a.positions = p
}

// logs looks how long the files have become since they were read.
func (a *Agent) logs() Logs {
	a.reading.Lock()
	files := a.positions.Files
	a.reading.Unlock()
	l := Logs{Files: len(files), List: []LogFile{}}
	for _, f := range files {
		st, err := os.Stat(f.Path)
		if err != nil {
			continue // rotated away: its reader has it open
		}
		behind := max(0, st.Size()-f.Offset)
		l.Behind += behind
		l.List = append(l.List, LogFile{f.Path, behind})
	}
	slices.SortStableFunc(l.List, func(x, y LogFile) int { return cmp.Compare(y.Behind, x.Behind) })
	l.List = l.List[:min(len(l.List), listedLogs)]
	return l
}
