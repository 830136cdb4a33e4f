//go:build !linux

package syscheck

import "time"

// background is for systems that know priorities of threads.
func background() {}

// threadTime returns the time that passed: where a thread's own isn't told, all of it counts as used.
func threadTime() time.Duration { return time.Duration(time.Now().UnixNano()) }
