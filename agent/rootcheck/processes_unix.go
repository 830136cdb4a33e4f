//go:build unix

package rootcheck

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	commandTime  = 30 * time.Second
	commandBytes = 32 << 20
)

// limited is a buffer that takes so much: half an answer would make the other half look hidden.
type limited struct{ buf bytes.Buffer }

// Write refuses what is too much.
func (l *limited) Write(p []byte) (int, error) {
	if l.buf.Len()+len(p) > commandBytes {
		return 0, errors.New("it writes too much")
	}
	return l.buf.Write(p)
}

// output returns what a program writes, found by PATH as an operator's would be.
func output(ctx context.Context, name string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	var out limited
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.Stdout = &out
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	return out.buf.Bytes(), err
}

// processes returns the names of the commands that run: on Linux from /proc, elsewhere from ps.
func processes(ctx context.Context, proc string) []string {
	list := []string{}
	if pids, err := numbers(proc); err == nil {
		for _, pid := range pids {
			if name := command(proc, pid); name != "" {
				list = append(list, name)
			}
		}
		return list
	}
	out, _ := output(ctx, "ps", "-A", "-o", "comm=") // without ps nothing runs
	for line := range strings.Lines(string(out)) {
		list = append(list, filepath.Base(strings.TrimSpace(line)))
	}
	return list
}

// maxComm is how much of a command's name the kernel keeps.
const maxComm = 15

// command returns the name of a process's command; one that the kernel cut is completed by its program's.
func command(proc string, pid int) string {
	dir := filepath.Join(proc, strconv.Itoa(pid))
	data, err := os.ReadFile(filepath.Join(dir, "comm"))
	if err != nil {
		return ""
	}
	name := strings.TrimSuffix(string(data), "\n")
	if len(name) == maxComm {
		if exe, err := os.Readlink(filepath.Join(dir, "exe")); err == nil && strings.HasPrefix(filepath.Base(exe), name) {
			return filepath.Base(exe)
		}
	}
	return name
}

// numbers returns the names in a directory that are numbers, which in /proc are the processes.
func numbers(dir string) (list []int, err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	names, err := f.Readdirnames(-1)
	for _, name := range names {
		if n, err := strconv.Atoi(name); err == nil && n > 0 {
			list = append(list, n)
		}
	}
	return list, err
}

// shownByPS returns the processes that ps shows; ok is false if there is no ps, or none that we understand.
func shownByPS(ctx context.Context) (pids map[int]bool, ok bool) {
	for _, args := range [][]string{{"-A", "-o", "pid="}, {"-o", "pid"}} { // the second is busybox's
		out, err := output(ctx, "ps", args...)
		if err != nil {
			continue
		}
		pids = map[int]bool{}
		for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
			if pid, err := strconv.Atoi(strings.TrimSpace(lines.Text())); err == nil {
				pids[pid] = true
			}
		}
		return pids, len(pids) > 0
	}
	return nil, false
}
