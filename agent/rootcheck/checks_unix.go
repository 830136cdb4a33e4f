//go:build unix

package rootcheck

// checks returns the checks of this system, in OSSEC's order.
func checks() []check {
	return []check{
		{FilesCheck, "files", rootkitFiles},
		{TrojansCheck, "trojans", trojans},
		{UnixAudit, "unixaudit", policies(systemAudit)},
		{Dev, "dev", devices},
		{System, "sys", system},
		{Processes, "pids", hiddenProcesses},
		{Ports, "ports", hiddenPorts},
		{Interfaces, "if", interfaces},
	}
}

// registry is Windows': elsewhere no key is there.
func registry(*test) (string, bool) { return "", false }

// expandPath is for Windows' variables.
func expandPath(path string) string { return path }
