package ruletest_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/yagura-hids/yagura/internal/ruletest"
)

// writeCase writes a case as its author would.
func writeCase(b *strings.Builder, c ruletest.Case) {
	fmt.Fprintf(b, "[%s]\n", c.Name)
	for _, l := range c.Logs {
		verdict := "pass"
		if l.Fail {
			verdict = "fail"
		}
		for _, l := range slices.Concat(l.Before, []ruletest.Log{l}) {
			fmt.Fprintf(b, "log %s %s = %s\n", l.Number, verdict, l.Text)
			if l.Repeat > 1 {
				fmt.Fprintf(b, "repeat %s = %d\n", l.Number, l.Repeat)
			}
		}
	}
	fmt.Fprintf(b, "rule = %s\nalert = %s\ndecoder = %s\n", c.Rule, c.Level, c.Decoder)
	if c.Sequence {
		b.WriteString("sequence = yes\n")
	}
}
