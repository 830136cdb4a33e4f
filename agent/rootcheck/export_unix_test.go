//go:build unix

package rootcheck

import (
	"strings"

	"github.com/yagura-hids/yagura/internal/osxml"
)

// TrojanHits returns how many signatures are in a program that is read in pieces of that size.
func TrojanHits(signatures, program string, piece int) int {
	r := &runs{open: parseTrojans("t", signatures, &osxml.Faults{})}
	for len(program) > 0 {
		n := min(piece, len(program))
		r.Write([]byte(program[:n]))
		program = program[n:]
	}
	r.end()
	return len(r.hits)
}

// ToolPorts returns the ports that a tool's output and a table of the kernel show.
func ToolPorts(out string, ss bool) (shown []int) {
	if p := toolPorts(out, ss); p != nil {
		for n := range 1 << 16 {
			if p["tcp"].has(n) {
				shown = append(shown, n)
			}
		}
	}
	return shown
}

// KernelPorts returns the ports that a table of the kernel shows as in use.
func KernelPorts(table string) (shown []int) {
	eachSocket(strings.NewReader(table), func(port int, _ string) { shown = append(shown, port) })
	return shown
}
