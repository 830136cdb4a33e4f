package lambda

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// withHost makes a process die with the one that started it, however that ends.
func withHost() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

// resident returns how many bytes of memory a process has now, 0 if it is gone.
func resident(pid int) int64 {
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if fields := bytes.Fields(statm); err == nil && len(fields) > 1 {
		pages, _ := strconv.ParseInt(string(fields[1]), 10, 64)
		return pages * int64(os.Getpagesize())
	}
	return 0
}

// peak returns how many bytes of memory a process ever had, 0 if it is gone.
func peak(pid int) int64 {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if _, rest, found := bytes.Cut(status, []byte("VmHWM:")); found {
		kib, _ := strconv.ParseInt(string(bytes.Fields(rest)[0]), 10, 64)
		return kib << 10
	}
	return 0
}
