package syscheck

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	defaultCPU  = 10       // percent of a core
	defaultRate = 50 << 20 // bytes a second
)

// A scan waits as soon as it is so far ahead of its budget: shorter waits cost more than they bring.
const patience = 20 * time.Millisecond

// Memory is short when processes stand still for it for so many percent of ten seconds, or when less than this part of it can be had.
const (
	pressureHigh  = 10.0
	availablePart = 20
	memoryEvery   = time.Second
	memoryWait    = 5 * time.Second
)

// stepper returns what a looker calls: it holds a scan in the background to its budget, by waiting.
func (s *Syscheck) stepper(fast bool) func(ctx context.Context, n int) error {
	if fast {
		return func(ctx context.Context, n int) error {
			s.progress.bytes.Add(int64(n))
			return ctx.Err()
		}
	}
	b := &budget{cpu: s.conf.CPU, rate: s.conf.Rate, wall: s.o.Now(), used: threadTime()}
	if b.cpu == 0 {
		b.cpu = defaultCPU
	}
	if b.rate == 0 {
		b.rate = defaultRate
	}
	return func(ctx context.Context, n int) error {
		s.progress.bytes.Add(int64(n))
		now := s.o.Now()
		if wait := b.spend(now, threadTime(), int64(n)); wait > patience {
			if err := s.wait(ctx, wait); err != nil {
				return err
			}
			b.paid(s.o.Now(), threadTime())
		}
		if now.Sub(b.checked) < memoryEvery {
			return ctx.Err()
		}
		b.checked = now
		return s.awaitMemory(ctx)
	}
}

// budget is what a scan may use: percent of a core, and bytes a second. What isn't used is not saved up.
type budget struct {
	cpu     int
	rate    int64
	wall    time.Time     // at the last look
	used    time.Duration // of the thread's processor time, then
	cpuDebt time.Duration // how long must be waited for it
	ioDebt  time.Duration
	checked time.Time // memory
}

// spend tells how long to wait, after n bytes were read, until all that was used is within the budget.
func (b *budget) spend(now time.Time, used time.Duration, n int64) time.Duration {
	passed := now.Sub(b.wall)
	b.cpuDebt = max(0, b.cpuDebt+(used-b.used)*100/time.Duration(b.cpu)-passed)
	b.ioDebt = max(0, b.ioDebt+time.Duration(n)*time.Second/time.Duration(b.rate)-passed)
	b.wall, b.used = now, used
	return max(b.cpuDebt, b.ioDebt)
}

// paid begins anew after what was due was waited for.
func (b *budget) paid(now time.Time, used time.Duration) {
	b.wall, b.used, b.cpuDebt, b.ioDebt = now, used, 0, 0
}

func (s *Syscheck) wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-s.o.After(d):
		return nil
	}
}

// awaitMemory returns when there is memory enough.
func (s *Syscheck) awaitMemory(ctx context.Context) error {
	defer s.progress.paused.Store(nil)
	for {
		why := shortage(s.o.Proc)
		if why == "" {
			return ctx.Err()
		}
		s.progress.paused.Store(&why)
		if err := s.wait(ctx, memoryWait); err != nil {
			return err
		}
	}
}

// shortage tells why a scan should wait, by what the kernel says below proc; "" if there is memory enough, or nobody tells.
func shortage(proc string) string {
	if text, err := os.ReadFile(filepath.Join(proc, "pressure", "memory")); err == nil {
		_, rest, _ := strings.Cut(string(text), "some avg10=")
		word, _, _ := strings.Cut(rest, " ")
		if avg, err := strconv.ParseFloat(word, 64); err == nil && avg > pressureHigh {
			return fmt.Sprintf("memory is short: processes stood still for it %.0f %% of the last 10 s", avg)
		}
	}
	text, err := os.ReadFile(filepath.Join(proc, "meminfo"))
	if err != nil {
		return ""
	}
	total, available := meminfo(text, "MemTotal:"), meminfo(text, "MemAvailable:")
	if available >= 0 && total > 0 && available < total/availablePart {
		return fmt.Sprintf("memory is short: %d MB of %d MB can be had", available>>10, total>>10)
	}
	return ""
}

// meminfo returns the value of a line of /proc/meminfo, in KiB, -1 if it isn't there.
func meminfo(text []byte, name string) int64 {
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		if f := strings.Fields(lines.Text()); len(f) > 1 && f[0] == name {
			if n, err := strconv.ParseInt(f[1], 10, 64); err == nil {
				return n
			}
		}
	}
	return -1
}
