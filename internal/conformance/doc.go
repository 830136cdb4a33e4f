// Package conformance compares the engine with verdicts that were written down before: OSSEC's own, where a recording of them is at hand, and
// always those of our starter rules.
//
//	ORACLE/*.jsonl       {"t", "log", "decoder", "fields", "rule", "level", …}, one line each
//	  seq-*.jsonl        one state, the lines in order, each at its t
//	  others             a fresh state for each line
//	OSSEC_RULESET        the directory of the ruleset that the recordings were made with
//
// It has no code of its own: go test -v ./internal/conformance prints a table of the shares of equal lines, writes every difference below
// .cache/conformance, and fails where too much differs.
package conformance
