//go:build linux

package rootcheck_test

import (
	"os"
	"testing"

	"github.com/yagura-hids/yagura/agent/rootcheck"
)

// BenchmarkChecks runs the checks of this host, each by itself. How long they take depends on what it has: the number of possible processes
// and of files is told.
func BenchmarkChecks(b *testing.B) {
	for name, check := range map[string]rootcheck.Check{
		"files": rootcheck.FilesCheck, "trojans": rootcheck.TrojansCheck, "unixaudit": rootcheck.UnixAudit, "dev": rootcheck.Dev,
		"pids": rootcheck.Processes, "ports": rootcheck.Ports, "if": rootcheck.Interfaces,
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				once(b, only(check, ""))
			}
		})
	}
}

// BenchmarkProgram looks for one signature in a program.
func BenchmarkProgram(b *testing.B) {
	data, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		b.Fatal(err)
	}
	program := string(data)
	const signatures = "x !/dev/(ttyo[afp]|pty[pqrs]$|xmx|\\.lib)|\\.1proc|/usr/lib/\\.ark!\n"
	b.SetBytes(int64(len(program)))
	for b.Loop() {
		rootcheck.TrojanHits(signatures, program, 128<<10)
	}
}
