package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/yagura-hids/yagura/internal/cost"
)

type costCmd struct {
	Events   float64 `name:"events-per-day" default:"10000000" help:"Of all hosts (default: ${default})." placeholder:"N"`
	Hosts    float64 `default:"100" help:"Hosts with an agent (default: ${default})." placeholder:"N"`
	Alerts   string  `default:"0.1%" help:"Of the events, how many raise an alert (default: ${default})." placeholder:"SHARE"`
	Shards   float64 `default:"0" help:"Shards of a provisioned stream; 0 for one on demand (default: ${default})." placeholder:"N"`
	KeepDays float64 `default:"365" help:"How long alerts are kept (default: ${default})." placeholder:"N"`
	Window   float64 `default:"0" help:"Seconds for which Lambda gathers a batch (default: ${default})." placeholder:"N"`
	Agent    float64 `name:"agent-seconds" default:"5" help:"Seconds for which an agent gathers a record (default: ${default})." placeholder:"N"`
}

// Help adds what the flags don't say.
func (costCmd) Help() string {
	return `It's a model with prices of a day; docs/cost.md tells its assumptions. The last column is what counts when there is more to watch.

  yagura cost --events-per-day 1000000 --hosts 10 --shards 1`
}

// Run prints what the parts cost.
func (c costCmd) Run() error {
	share, err := parseShare(c.Alerts)
	if err != nil {
		return &codeError{2, err}
	}
	if c.Events < 0 || c.Hosts < 1 || c.Shards < 0 || c.KeepDays < 0 || c.Window < 0 || c.Agent <= 0 {
		return &codeError{2, fmt.Errorf("numbers must not be negative, and there must be a host")}
	}
	habits := cost.Usual
	habits.WindowSeconds, habits.AgentSeconds = c.Window, c.Agent
	load := cost.Load{EventsPerDay: c.Events, Hosts: c.Hosts, Alerts: share, Shards: c.Shards, KeepDays: c.KeepDays}
	return printCost(os.Stdout, cost.Compare(load, habits, cost.Known))
}

// parseShare reads a share like 0.1% or 0.001.
func parseShare(text string) (float64, error) {
	number, percent := strings.CutSuffix(text, "%")
	share, err := strconv.ParseFloat(number, 64)
	if percent {
		share /= 100
	}
	if err != nil || !(share >= 0 && share <= 1) {
		return 0, fmt.Errorf("--alerts %q: write a share of the events, like 0.1%% or 0.001", text)
	}
	return share, nil
}

func printCost(out io.Writer, parts []cost.Part) error {
	var b strings.Builder
	row := func(p cost.Part, what string) string {
		return fmt.Sprintf("%11.2f %19.2f %27.5f  %s\n", p.USD, p.Idle, p.Marginal, what)
	}
	b.WriteString("USD a month  if nothing happens  for the next million events\n")
	for _, p := range parts {
		b.WriteString(row(p, fmt.Sprintf("%s: %.4g %s", p.Part, p.Units, p.Unit)))
	}
	b.WriteString(row(cost.Total(parts), "all") + "\nPrices: " + cost.Known.AsOf + ".\n")
	_, err := io.WriteString(out, b.String())
	return err
}
