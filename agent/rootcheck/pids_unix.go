//go:build unix

package rootcheck

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	maxHidden  = 15     // hidden processes that are told
	defaultMax = 99_999 // the largest process id of systems that don't tell it
	rounds     = 3      // how often a disagreement must show
)

// views are the ways in which one can ask for a process.
type views struct {
	kill, sid, pgid bool // the calls of these names
	listed          bool // reading /proc
	own             bool // /proc/PID is there, and says that it is this process, or one of its threads
	thread          bool // /proc/PID says that it's a thread of another process: that is in no list
}

// hiddenProcesses asks for each possible process in all ways, and tells where the answers differ. ps is asked once for all, twice if it
// seems to miss one.
func hiddenProcesses(ctx context.Context, s *scan) error {
	p := &pidCheck{scan: s}
	if err := p.look(); err != nil {
		return err
	}
	alive, err := p.alive(ctx)
	if err != nil {
		return err
	}
	p.shown, p.ps = shownByPS(ctx)
	var missed []int
	for _, pid := range alive {
		if err := s.rest(ctx); err != nil {
			return err
		}
		text := p.disagreement(pid)
		if text == "" && p.ps && !p.shown[pid] {
			missed = append(missed, pid)
		}
		if text != "" && p.tell("%s", text) {
			return nil
		}
	}
	return p.hiddenFromPS(ctx, missed)
}

// pidCheck is what one run of the check knows.
type pidCheck struct {
	*scan
	hasProc bool
	listed  map[int]bool
	shown   map[int]bool // by ps
	ps      bool
	hidden  int
}

// look reads /proc, if this system has one that shows what we may ask for.
func (p *pidCheck) look() error {
	self, err := os.Readlink(filepath.Join(p.proc, "self"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if self != strconv.Itoa(os.Getpid()) {
		return fmt.Errorf("%s is another namespace's: nothing to compare with", p.proc)
	}
	if _, err := os.Stat(filepath.Join(p.proc, "1")); err != nil && os.Geteuid() != 0 {
		return fmt.Errorf("%s doesn't show the processes of others (hidepid): run it as root", p.proc)
	}
	p.hasProc = true
	return p.list()
}

func (p *pidCheck) list() error {
	pids, err := numbers(p.proc)
	p.listed = map[int]bool{}
	for _, pid := range pids {
		p.listed[pid] = true
	}
	return err
}

// alive returns the processes and threads that one of the ways knows.
func (p *pidCheck) alive(ctx context.Context) (list []int, err error) {
	for pid, last := 1, p.last(); pid <= last; pid++ {
		if pid%1024 == 0 {
			if err := p.rest(ctx); err != nil {
				return nil, err
			}
		}
		if kill(pid) || getsid(pid) || p.listed[pid] { // of these there may be four millions: the others are asked about a few
			list = append(list, pid)
		}
	}
	return list, nil
}

// last returns the largest process id that there can be.
func (p *pidCheck) last() int {
	data, err := os.ReadFile(filepath.Join(p.proc, "sys/kernel/pid_max"))
	if n, err2 := strconv.Atoi(strings.TrimSpace(string(data))); err == nil && err2 == nil && n <= 1<<22 {
		return n
	}
	return defaultMax
}

// Any answer but "no such process" is one that there is.
func kill(pid int) bool { return unix.Kill(pid, 0) != unix.ESRCH }

func getsid(pid int) bool { _, err := unix.Getsid(pid); return err != unix.ESRCH }

func getpgid(pid int) bool { _, err := unix.Getpgid(pid); return err != unix.ESRCH }

// view asks in all ways.
func (p *pidCheck) view(pid int) views {
	v := views{kill: kill(pid), sid: getsid(pid), pgid: getpgid(pid), listed: p.listed[pid]}
	if !p.hasProc {
		v.listed, v.own = true, true
		return v
	}
	data, err := os.ReadFile(filepath.Join(p.proc, strconv.Itoa(pid), "status"))
	if err != nil {
		return v
	}
	v.own = statusNumber(data, "Pid:") == pid
	v.thread = v.own && statusNumber(data, "Tgid:") != pid
	return v
}

func statusNumber(status []byte, field string) int {
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, field); ok {
			n, _ := strconv.Atoi(strings.TrimSpace(value))
			return n
		}
	}
	return 0
}

// text says how the ways disagree, as OSSEC does; "" if they don't.
func (v views) text(pid int) string {
	switch {
	case v.kill && !v.sid && !v.pgid && v.own: // a process that has ended and waits for its parent
		return ""
	case v.kill != v.sid && v.sid == v.pgid:
		return fmt.Sprintf("Process '%d' hidden from kill (%d) or getsid (%d). Possible kernel-level rootkit.", pid, bit(v.kill), bit(v.sid))
	case v.kill != v.sid || v.kill != v.pgid:
		return fmt.Sprintf("Process '%d' hidden from kill (%d), getsid (%d) or getpgid. Possible kernel-level rootkit.", pid, bit(v.kill), bit(v.sid))
	case v.kill && (!v.own || !v.listed && !v.thread):
		return fmt.Sprintf("Process '%d' hidden from /proc. Possible kernel level rootkit.", pid)
	}
	return ""
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// disagreement returns how the ways disagree on a process that lives meanwhile. Processes come and go while they are asked for, so it must
// show several times, each time with the list of /proc read anew between two signs of life.
func (p *pidCheck) disagreement(pid int) (text string) {
	if text = p.view(pid).text(pid); text == "" {
		return ""
	}
	for range rounds {
		before := kill(pid) || getsid(pid) || getpgid(pid)
		if p.hasProc && p.list() != nil {
			return ""
		}
		v := p.view(pid)
		after := kill(pid) || getsid(pid) || getpgid(pid)
		if text = v.text(pid); !before || !after || text == "" {
			return ""
		}
	}
	return text
}

// hiddenFromPS asks ps once more for those that it didn't show.
func (p *pidCheck) hiddenFromPS(ctx context.Context, missed []int) error {
	suspects := p.processesOf(missed)
	for i := 1; i < rounds && len(suspects) > 0; i++ {
		shown, ok := shownByPS(ctx)
		if !ok {
			return nil
		}
		var still []int
		for _, pid := range p.processesOf(suspects) {
			if !shown[pid] {
				still = append(still, pid)
			}
		}
		suspects = still
	}
	for _, pid := range suspects {
		if p.tell("Process '%d' hidden from ps. Possible trojaned version installed.", pid) {
			return nil
		}
	}
	return nil
}

// processesOf returns those that live and are no threads.
func (p *pidCheck) processesOf(pids []int) (list []int) {
	for _, pid := range pids {
		if v := p.view(pid); v.kill && v.own && !v.thread {
			list = append(list, pid)
		}
	}
	return list
}

// tell notes a hidden process; done if there were too many.
func (p *pidCheck) tell(format string, args ...any) (done bool) {
	if p.hidden++; p.hidden > maxHidden {
		p.found("Excessive number of hidden processes. It maybe a false-positive or something really bad is going on.")
		return true
	}
	p.found(format, args...)
	return false
}
