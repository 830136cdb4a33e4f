package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/yagura-hids/yagura/internal/alertstore"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/local"
)

type alertsCmd struct {
	Data string `help:"Where the alerts are kept (default: ${data})." type:"path" placeholder:"DIR" xor:"where"`
	stackFlags
	Level int    `short:"l" help:"From this level on." placeholder:"N"`
	Rule  []int  `short:"r" help:"Of these rules." placeholder:"ID"`
	Group string `short:"g" help:"Of rules of this group, such as authentication_failed." placeholder:"NAME"`
	SrcIP string `name:"srcip" help:"From this source address." placeholder:"IP"`
	Agent string `help:"Of the agent with this id. On AWS, this finds more quickly than --host." placeholder:"ID"`
	Host  string `help:"Of this host." placeholder:"NAME"`
	Text  string `help:"With this text in the log or the description." placeholder:"TEXT"`
	Since string `help:"Not older than this: a time like 2026-11-23T08:00, a day, or how long ago, like 90m, 24h or 7d." placeholder:"WHEN"`
	Until string `help:"Older than this." placeholder:"WHEN"`
	Limit int    `short:"n" default:"20" help:"At most so many; 0 for all (default: ${default})." placeholder:"N"`
	JSON  bool   `help:"One JSON object a line, with all that is known."`
}

// Help adds what the flags don't say.
func (alertsCmd) Help() string {
	return `The newest alert comes first. It works while yagura local runs.

  yagura alerts --level 10 --since 24h
  yagura alerts --srcip 198.51.100.7 --json | jq .full_log
  yagura alerts --aws --stack yagura --agent i-0123456789abcdef0

With --aws, region and credentials are the AWS CLI's: AWS_REGION, AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. --agent, --rule and
--srcip are looked up; --level and times are nearly as quick; --group, --host and --text read alert after alert.`
}

// Run lists the alerts.
func (c alertsCmd) Run(ctx context.Context) error {
	filter, err := c.filter(time.Now())
	if err != nil {
		return &codeError{2, err}
	}
	if c.Data == "" { // a default that kong knows would stand against --aws
		c.Data = defaultData()
	}
	ask := pages(func(ctx context.Context, f alertstore.Filter) (alertstore.Page, error) {
		return local.Query(ctx, c.Data, f)
	})
	if c.AWS {
		stack, err := c.open(ctx)
		if err != nil {
			return err
		}
		ask = stack.alerts
	}
	none := "no alerts yet"
	if len(filter.Values()) > 0 {
		none = "no alert is like that"
	}
	shown, more, err := c.list(ctx, ask, filter, alertPrinter(os.Stdout, c.JSON))
	switch {
	case err != nil || c.JSON:
	case shown == 0:
		fmt.Fprintln(os.Stderr, none)
	case more:
		fmt.Fprintf(os.Stderr, "these are the newest %d; -n 0 shows all, --help tells how to filter\n", shown)
	}
	return err
}

func (c alertsCmd) filter(now time.Time) (alertstore.Filter, error) {
	from, err1 := parseWhen("--since", c.Since, now)
	to, err2 := parseWhen("--until", c.Until, now)
	var err3 error
	if c.Limit < 0 {
		err3 = fmt.Errorf("--limit %d: write how many to list, or 0 for all", c.Limit)
	}
	return alertstore.Filter{
		From: from, To: to, Level: c.Level, Rules: c.Rule, Group: c.Group, SrcIP: c.SrcIP, Agent: c.Agent, Host: c.Host, Text: c.Text,
	}, errors.Join(err1, err2, err3)
}

// pageSize is how many alerts are asked for at once.
const pageSize = 1000

// list shows what the filter lets through, up to the limit, and tells whether there is more.
func (c alertsCmd) list(ctx context.Context, ask pages, filter alertstore.Filter, show func(*event.Alert)) (shown int, more bool, err error) {
	for {
		filter.Limit = pageSize
		if c.Limit > 0 {
			filter.Limit = min(pageSize, c.Limit-shown+1)
		}
		page, err := ask(ctx, filter)
		if err != nil {
			return shown, false, err
		}
		for _, a := range page.Alerts {
			if c.Limit > 0 && shown == c.Limit {
				return shown, true, nil
			}
			show(a)
			shown++
		}
		if filter.After = page.Next; page.Next == "" {
			return shown, false, nil
		}
	}
}

// whenLayouts are the ways to write a moment, in this machine's zone unless they say otherwise.
var whenLayouts = []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"}

// parseWhen reads a flag's moment, or how long ago it was. "" is no bound.
func parseWhen(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range whenLayouts {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return t, nil
		}
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return now.AddDate(0, 0, -int(n)), nil
		}
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	return time.Time{}, fmt.Errorf("%s: %q is no time: write 2026-11-23, 2026-11-23T08:00, 90m, 24h or 7d", flag, text)
}

// alertPrinter returns what shows an alert: to a person, or as a line of JSON.
func alertPrinter(f *os.File, asJSON bool) func(*event.Alert) {
	if asJSON {
		enc := json.NewEncoder(safeOnTerminal(f))
		enc.SetEscapeHTML(false)
		return func(a *event.Alert) { written(enc.Encode(a)) }
	}
	s := newScreen(f)
	return func(a *event.Alert) { written(s.alert(a)) }
}
