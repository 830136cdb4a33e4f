package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/local"
)

type alertsCmd struct {
	Data  string `help:"Where the alerts are kept." type:"path" default:"${data}" placeholder:"DIR"`
	Level int    `short:"l" help:"From this level on." placeholder:"N"`
	Rule  []int  `short:"r" help:"Of these rules." placeholder:"ID,…"`
	Group string `short:"g" help:"Of rules of this group, such as authentication_failed." placeholder:"NAME"`
	SrcIP string `name:"srcip" help:"From this source address." placeholder:"IP"`
	Host  string `help:"Of this host." placeholder:"NAME"`
	Text  string `help:"With this text in the log or the description." placeholder:"TEXT"`
	Since string `help:"Not older than this: a time like 2026-11-23T08:00, a day, or how long ago, like 90m, 24h or 7d." placeholder:"WHEN"`
	Until string `help:"Older than this." placeholder:"WHEN"`
	Limit int    `short:"n" default:"20" help:"At most so many; 0 for all." placeholder:"N"`
	JSON  bool   `help:"One JSON object a line, with all that is known."`
}

// Help adds what the flags don't say.
func (alertsCmd) Help() string {
	return `The newest alert comes first. It works while yagura local runs.

  yagura alerts --level 10 --since 24h
  yagura alerts --srcip 198.51.100.7 --json | jq .full_log`
}

// Run lists the alerts.
func (c alertsCmd) Run(ctx context.Context) error {
	now := time.Now()
	from, err1 := parseWhen(c.Since, now)
	to, err2 := parseWhen(c.Until, now)
	if err := errors.Join(err1, err2); err != nil {
		return &codeError{2, err}
	}
	filter := local.Filter{
		From: from, To: to, Level: c.Level, Rules: c.Rule, Group: c.Group, SrcIP: c.SrcIP, Host: c.Host, Text: c.Text,
	}
	show := alertPrinter(os.Stdout, c.JSON)
	shown := 0
	for c.Limit == 0 || shown < c.Limit {
		if c.Limit > 0 {
			filter.Limit = c.Limit - shown
		}
		page, err := local.Query(ctx, c.Data, filter)
		if err != nil {
			return err
		}
		for _, a := range page.Alerts {
			show(a)
		}
		shown += len(page.Alerts)
		if filter.After = page.Next; page.Next == "" {
			break
		}
	}
	if c.JSON {
		return nil
	}
	switch {
	case shown == 0:
		fmt.Fprintln(os.Stderr, "no alerts")
	case filter.After != "":
		fmt.Fprintf(os.Stderr, "the newest %d; --limit shows more\n", shown)
	}
	return nil
}

// whenLayouts are the ways to write a moment, in this machine's zone unless they say otherwise.
var whenLayouts = []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"}

// parseWhen reads a moment, or how long ago it was. "" is no bound.
func parseWhen(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range whenLayouts {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	var days int
	if n, err := fmt.Sscanf(text, "%dd", &days); n == 1 && err == nil && text == fmt.Sprintf("%dd", days) {
		return now.AddDate(0, 0, -days), nil
	}
	if ago, err := time.ParseDuration(text); err == nil {
		return now.Add(-ago), nil
	}
	return time.Time{}, fmt.Errorf("%q is no time: write 2026-11-23, 2026-11-23T08:00, 90m, 24h or 7d", text)
}

// alertPrinter returns what shows an alert: to a person, or as a line of JSON.
func alertPrinter(f *os.File, asJSON bool) func(*event.Alert) {
	if asJSON {
		enc := json.NewEncoder(f)
		enc.SetEscapeHTML(false)
		return func(a *event.Alert) { exitOnClosed(enc.Encode(a)) }
	}
	s := newScreen(f)
	return func(a *event.Alert) { exitOnClosed(s.alert(a)) }
}
