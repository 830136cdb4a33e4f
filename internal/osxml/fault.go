package osxml

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Pos is a place in a file. Line and Col count from 1, Col in bytes; Line 0 means the file as a whole.
type Pos struct {
	File      string
	Line, Col int
}

// String returns file:line:col, or the file alone.
func (p Pos) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
}

// Fault is something wrong in a file that its author can mend.
type Fault struct {
	Pos  Pos
	What string // "rule 100101: if_sid 5999: no such rule"
	Hint string // the way out, "" if What says it all
}

// Error returns "file:line:col: what: way out".
func (f *Fault) Error() string {
	if f.Hint == "" {
		return fmt.Sprintf("%s: %s", f.Pos, f.What)
	}
	return fmt.Sprintf("%s: %s: %s", f.Pos, f.What, f.Hint)
}

// Faults collects what is wrong, so that an author sees all of it at once. The zero value is empty.
type Faults struct{ list []*Fault }

// Add notes a fault at pos. what may hold verbs for args.
func (f *Faults) Add(pos Pos, hint, what string, args ...any) {
	f.list = append(f.list, &Fault{Pos: pos, What: fmt.Sprintf(what, args...), Hint: hint})
}

// Append adds the faults that err wraps. A nil err adds none; an error of another kind becomes a fault of the file.
func (f *Faults) Append(file string, err error) {
	var list *FaultError
	switch {
	case err == nil:
	case errors.As(err, &list):
		f.list = append(f.list, list.Faults...)
	default:
		f.Add(Pos{File: file}, "", "%v", err)
	}
}

// Len returns how many faults were noted.
func (f *Faults) Len() int { return len(f.list) }

// Err returns a *FaultError with all faults, or nil if there are none. The files are in the order in which their first faults were noted,
// the faults of a file in the order of its lines.
func (f *Faults) Err() error {
	if len(f.list) == 0 {
		return nil
	}
	order := map[string]int{}
	for _, fault := range f.list {
		if _, ok := order[fault.Pos.File]; !ok {
			order[fault.Pos.File] = len(order)
		}
	}
	list := slices.Clone(f.list)
	slices.SortStableFunc(list, func(a, b *Fault) int {
		return cmp.Or(order[a.Pos.File]-order[b.Pos.File], a.Pos.Line-b.Pos.Line, a.Pos.Col-b.Pos.Col)
	})
	return &FaultError{Faults: list}
}

// FaultError is all that is wrong with a set of files.
type FaultError struct{ Faults []*Fault }

// Error returns one line a fault.
func (e *FaultError) Error() string {
	lines := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		lines[i] = f.Error()
	}
	return strings.Join(lines, "\n")
}
