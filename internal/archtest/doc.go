// Package archtest holds the import directions, and what the engine may not do, as tests.
//
//	event, pattern, osxml ◄─ predecode, decoder, rule, config ◄─ ruleset ◄─ analysis ◄─ logtest, ruletest, local ◄─ cmd/yagura
//
// It has no code of its own. A new package must be given its line in the table.
package archtest
