package syscheck

import (
	"runtime"
	"syscall"
	"time"
)

// background makes the goroutine's thread its own and the last to be served by processors and disks. The thread ends with the goroutine.
func background() {
	runtime.LockOSThread()
	tid := syscall.Gettid()
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, tid, 19) // without it the budget holds even so
	const whoProcess, classIdle = 1, 3 << 13
	_, _, _ = syscall.Syscall(syscall.SYS_IOPRIO_SET, whoProcess, uintptr(tid), classIdle)
}

// threadTime returns the processor time that the thread has used.
func threadTime() time.Duration {
	const thread = 1 // RUSAGE_THREAD
	var u syscall.Rusage
	if err := syscall.Getrusage(thread, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
