package agentd

import "syscall"

// cpuSeconds returns the processor time that the process has used.
func cpuSeconds() float64 {
	var created, exited, kernel, user syscall.Filetime
	process, err := syscall.GetCurrentProcess()
	if err != nil || syscall.GetProcessTimes(process, &created, &exited, &kernel, &user) != nil {
		return 0
	}
	in100ns := func(f syscall.Filetime) uint64 { return uint64(f.HighDateTime)<<32 | uint64(f.LowDateTime) }
	return float64(in100ns(kernel)+in100ns(user)) / 1e7
}
