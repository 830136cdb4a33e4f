package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/yagura-hids/yagura/internal/ruleset"
	"github.com/yagura-hids/yagura/internal/ruletest"
	"github.com/yagura-hids/yagura/rules"
)

type rulesTestCmd struct {
	rulesFlags
	Dir     string `arg:"" optional:"" help:"A ruleset's folder (its tests are in DIR/tests), or a folder of .ini files." type:"path"`
	Verbose bool   `short:"v" help:"Name the rules that no case reaches."`
}

// Help adds what the flags don't say.
func (rulesTestCmd) Help() string {
	return `Without DIR it runs the built-in cases; with --rules they show what a ruleset of your own changes. A case in a .ini file:

  [a failed login]
  log 1 pass = Nov 23 10:00:00 web1 sshd[7]: Failed password for root from 198.51.100.7 port 22 ssh2
  rule = 5716
  alert = 5
  decoder = sshd

Exit code 0: all cases hold; 1: some don't, or the ruleset has faults.`
}

// Run tries all cases and tells which fail.
func (c rulesTestCmd) Run() error {
	tests, err := c.cases()
	if err != nil {
		return err
	}
	conf, set, err := c.load()
	if err != nil {
		return err
	}
	opts := c.options(conf)
	covered := map[int]bool{}
	logs, failed := 0, 0
	for _, test := range tests {
		failures, err := ruletest.Run(set, opts, test, covered)
		if err != nil {
			return err
		}
		for _, f := range failures {
			fmt.Println(clean(fmt.Sprint(f)))
		}
		logs += len(test.Logs)
		failed += len(failures)
	}
	fmt.Printf("%d cases, %d logs: %d passed, %d failed; %s\n", len(tests), logs, logs-failed, failed, c.coverage(set, covered))
	if failed > 0 {
		return &codeError{code: 1}
	}
	return nil
}

// cases finds the tests: those of the folder, or the built-in ones. A folder that is a ruleset is tested with itself.
func (c *rulesTestCmd) cases() ([]ruletest.Case, error) {
	if c.Dir == "" {
		return ruletest.Read(rules.FS, "tests")
	}
	if _, err := os.Stat(c.Dir); err != nil {
		return nil, fmt.Errorf("look for cases: %w", err)
	}
	tests := filepath.Join(c.Dir, "tests")
	if info, err := os.Stat(tests); err == nil && info.IsDir() {
		if c.Rules == "" {
			c.Rules = c.Dir
		}
		return ruletest.Read(os.DirFS(c.Dir), "tests")
	}
	return ruletest.Read(os.DirFS(c.Dir), ".")
}

// coverage says how many rules the cases reach.
func (c rulesTestCmd) coverage(set *ruleset.Set, covered map[int]bool) string {
	all := set.Rules.Rules()
	var missing []string
	for _, r := range all {
		if !covered[r.ID] && r.ID >= 10 {
			missing = append(missing, fmt.Sprint(r.ID))
		}
	}
	text := fmt.Sprintf("%d of %d rules reached", len(all)-len(missing), len(all))
	if c.Verbose && len(missing) > 0 {
		text += "; not reached: " + strings.Join(missing, " ")
	}
	return text
}
