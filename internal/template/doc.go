// Package template holds template.yaml and the code together, as tests: linters see the one, the compiler the other, nobody both.
//
//	template.yaml ─► transform.py (AWS's own translator) ─► roles, variables, filters, tables, alarms ◄─ the same by the code
//
// It has no code of its own.
package template
