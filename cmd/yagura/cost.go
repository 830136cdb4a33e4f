package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/yagura-hids/yagura/internal/cost"
)

type costCmd struct {
	Events   float64 `name:"events-per-day" default:"10000000" help:"Of all hosts (default: ${default})." placeholder:"N"`
	Hosts    float64 `default:"100" help:"Hosts with an agent (default: ${default})." placeholder:"N"`
	Alerts   string  `default:"0.1%" help:"Of the events, how many raise an alert (default: ${default})." placeholder:"SHARE"`
	Shards   float64 `default:"0" help:"Shards of a provisioned stream; 0 for one on demand (default: ${default})." placeholder:"N"`
	KeepDays float64 `default:"365" help:"How long alerts are kept (default: ${default})." placeholder:"N"`
	Window   float64 `default:"1" help:"Seconds for which Lambda gathers a batch (default: ${default})." placeholder:"N"`
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
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "USD a month\tif nothing happens\tfor the next million events\t\n")
	row := func(p cost.Part, what string) {
		fmt.Fprintf(w, "%.2f\t%.2f\t%.5f\t", p.USD, p.Idle, p.Marginal)
		fmt.Fprintf(w, "  %s\n", what)
	}
	for _, p := range parts {
		row(p, fmt.Sprintf("%s: %.4g %s", p.Part, p.Units, p.Unit))
	}
	all := cost.Total(parts)
	row(all, "all")
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "\nPrices: %s.\n", cost.Known.AsOf)
	return err
}
