package ruletest_test

import (
	"fmt"
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
		fmt.Fprintf(b, "log %s %s = %s\nrepeat %s = %d\n", l.Number, verdict, l.Text, l.Number, l.Repeat)
	}
	fmt.Fprintf(b, "rule = %s\nalert = %s\ndecoder = %s\n", c.Rule, c.Level, c.Decoder)
	if c.Sequence {
		b.WriteString("sequence = yes\n")
	}
}
