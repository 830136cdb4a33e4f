package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/yagura-hids/yagura/agent/uplink"
	"github.com/yagura-hids/yagura/internal/codec"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/local"
)

type sendCmd struct {
	Files   []string          `arg:"" name:"file" help:"Logs, plain or packed with gzip or zstd; - for standard input." type:"path"`
	Stream  string            `required:"" help:"Name of the Kinesis stream; the stack's output Send has it." placeholder:"NAME"`
	Agent   string            `help:"Name of the host whose logs these are, up to its first dot (default: this one's)." placeholder:"NAME"`
	Profile string            `help:"Profile that alerts of these logs carry." placeholder:"NAME"`
	Label   map[string]string `help:"Label that alerts of these logs carry; may be given again." mapsep:"none" placeholder:"KEY=VALUE"`
	Failed  bool              `help:"The files are not logs, but come from the stack's failure bucket: put their records on the stream again, as they were."`
}

// Help adds what the flags don't say.
func (sendCmd) Help() string {
	return `Sends finished logs to the stack on AWS, in batches, with the logs' own times. A line sent again is the same event and makes no second
alert, so a send that broke off is simply repeated. It makes the alerts of: yagura replay --host NAME FILE...

  yagura send --stream NAME /var/log/auth.log.1
  zcat old/*.gz | yagura send --stream NAME --agent web1 --label env=prod -
  aws s3 cp --recursive s3://BUCKET/set-aside failed && find failed -type f -exec yagura send --stream NAME --failed {} +

Region and credentials are the AWS CLI's: AWS_REGION, AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
Exit code 0: all was stored; 1: not all; 2: a wrong call; 130: interrupted.`
}

// Run sends the logs and sums up.
func (c sendCmd) Run(ctx context.Context) (err error) {
	if c.Failed {
		return c.failed(ctx)
	}
	agent := shortHost(c.Agent)
	head := event.Batch{AgentID: agent, Agent: event.Agent{Profile: c.Profile, Labels: c.Label}, Version: version}
	batches, err := codec.NewBuilder(head, time.Now)
	if err != nil {
		return &codeError{2, err}
	}
	client, err := uplink.Connect(ctx)
	if err != nil {
		return err
	}
	source := local.Replay(nil, c.Files, local.ReplayOptions{Agent: agent})
	defer func() { err = errors.Join(err, source.Close()) }()
	bar := newProgress(source, "sending")
	s := &sender{source: source, batches: batches, up: uplink.Kinesis(client, c.Stream, uplink.Options{
		Agent: agent, Report: func(msg string) { bar.aside(func() { warn(msg) }) },
	})}
	start := time.Now()
	err = s.run(ctx)
	bar.end()
	if s.events > 0 {
		_, bad := io.WriteString(os.Stdout, s.summary(c.Stream, time.Since(start)))
		written(bad)
	}
	switch {
	case ctx.Err() != nil:
		return &codeError{130, errors.New("interrupted; to send the rest, send the same logs again: what is there already makes no second alert")}
	case err == nil && s.events == 0:
		fmt.Fprintln(os.Stderr, "no lines in there")
	}
	return err
}

// sender sends what a source gives.
type sender struct {
	source  *local.Replayer
	batches *codec.Builder
	up      *uplink.Uplink
	events  int   // that were stored
	text    int64 // bytes of these
}

// giveUp is how long a batch is tried. Then a person should look.
const giveUp = 3 * time.Minute

// run sends all logs. One that can't be read to its end doesn't keep the others.
func (s *sender) run(ctx context.Context) error {
	for {
		b, err := s.source.Next(ctx)
		if err != nil && ctx.Err() == nil {
			if err == io.EOF {
				err = nil
			}
			return errors.Join(err, s.send(ctx, s.batches.Flush))
		}
		if err != nil {
			return err
		}
		for _, ev := range b.Events {
			if err := s.send(ctx, func() ([]codec.Encoded, error) { return s.batches.Add(ev) }); err != nil {
				return err
			}
		}
	}
}

// send sends the batches that are complete.
func (s *sender) send(ctx context.Context, complete func() ([]codec.Encoded, error)) error {
	list, err := complete()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, giveUp)
	defer cancel()
	for _, e := range list {
		if err := s.up.Send(ctx, e.Data); err != nil {
			return err
		}
		s.events += e.Events
		s.text += e.Text
	}
	return nil
}

// summary returns the figures.
func (s *sender) summary(stream string, took time.Duration) string {
	stats := s.up.Stats()
	var w strings.Builder
	fmt.Fprintf(&w, "%s (%s) sent to %s in %s, %s a second\n", count(s.events, "event"), bytesText(s.text), stream, took.Round(time.Millisecond),
		thousands(int(float64(s.events)/took.Seconds())))
	fmt.Fprintf(&w, "%s of %s in all, %.1f times smaller", count(stats.Batches, "record"), bytesText(stats.Bytes), float64(s.text)/float64(stats.Bytes))
	if retries := stats.Tries - stats.Batches; retries > 0 {
		fmt.Fprintf(&w, "; tried again %s, %d of them because the stream was busy", count(retries, "time"), stats.Throttled)
	}
	w.WriteByte('\n')
	return w.String()
}
