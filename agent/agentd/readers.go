package agentd

import (
	"context"
	"encoding/json"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"github.com/yagura-hids/yagura/agent/config"
	"github.com/yagura-hids/yagura/agent/logcollector"
	"github.com/yagura-hids/yagura/agent/rootcheck"
	"github.com/yagura-hids/yagura/agent/syscheck"
	"github.com/yagura-hids/yagura/internal/event"
)

// parts returns the readers that conf asks for, by name.
func (a *Agent) parts(conf *config.Config) map[string]*reader {
	out := map[string]*reader{}
	if len(conf.Sources) > 0 {
		out["logs"] = &reader{name: "logs", conf: conf.Sources, begin: func() (func(context.Context) error, func() any, error) {
			return a.beginLogs(conf.Sources)
		}}
	}
	if !conf.Syscheck.Disabled && len(conf.Syscheck.Directories)+len(conf.Syscheck.Registry) > 0 {
		out["syscheck"] = &reader{name: "syscheck", conf: conf.Syscheck, begin: func() (func(context.Context) error, func() any, error) {
			s, err := syscheck.New(conf.Syscheck, syscheck.Options{Spool: a.opts.Spool, Report: a.opts.Report, Now: a.opts.Now})
			if err != nil {
				return nil, nil, err
			}
			return s.Run, func() any { return s.Stats() }, nil
		}}
	}
	if !conf.Rootcheck.Disabled {
		out["rootcheck"] = &reader{name: "rootcheck", conf: conf.Rootcheck, begin: func() (func(context.Context) error, func() any, error) {
			r, err := rootcheck.New(conf.Rootcheck, rootcheck.Options{Spool: a.opts.Spool, Databases: a.opts.Databases, Report: a.opts.Report, Now: a.opts.Now})
			if err != nil {
				return nil, nil, err
			}
			return r.Run, func() any { return r.Stats() }, nil
		}}
	}
	return out
}

var bucketLogs, keyPositions = []byte("logs"), []byte("positions")

// The lines of a log that are kept in one transaction, at most.
const keepLines = 4096

// beginLogs opens the logs where they were left.
func (a *Agent) beginLogs(sources []logcollector.Source) (func(context.Context) error, func() any, error) {
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
	run := func(ctx context.Context) error {
		defer c.Close() // the files were only read
		return a.readLogs(ctx, c)
	}
	return run, nil, nil
}

// readLogs brings the lines of all sources into the spool, together with how far each has been read.
func (a *Agent) readLogs(ctx context.Context, c *logcollector.Collector) error {
	for {
		b, err := c.Next(ctx, keepLines)
		if err != nil {
			return nil // ctx ended, or the standard input did
		}
		if err := a.keepLines(ctx, b); err != nil {
			return err
		}
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
