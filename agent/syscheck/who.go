package syscheck

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/yagura-hids/yagura/internal/syscheck"
)

// auditKey is the key of the rules by which the kernel logs who changes a file: -w DIRECTORY -p wa -k yagura_fim.
const auditKey = "yagura_fim"

const (
	auditTail = 1 << 20          // bytes of the log that are read at once, from its end backwards
	auditLine = 16 << 10         // of a line; longer ones are skipped
	auditNear = 10 * time.Second // between a deed and its being noticed
	auditKept = 2048             // deeds, and as many actors; of each between once and twice so many are remembered
)

// audit reads what auditd writes, when it is asked:
//
//	type=SYSCALL msg=audit(1700000000.123:456): … success=yes … ppid=1 pid=2 auid=1000 uid=0 … exe="/usr/bin/vi" … key="yagura_fim"
//	type=CWD msg=audit(1700000000.123:456): cwd="/root"
//	type=PATH msg=audit(1700000000.123:456): item=1 name="a" … nametype=CREATE
//
// Records with one id belong together; those of several ids may be mixed. A name that isn't plain is in hexadecimal. auditd may have added
// names for the numbers, behind a 0x1d: AUID="alice" UID="root".
type audit struct {
	path   string
	name   func(uid string) string // a user's name
	file   *os.File
	rest   []byte // of a line that isn't complete yet
	actors generations[string, *actor]
	deeds  generations[string, deed] // by path
}

// actor is what an event's first records tell.
type actor struct {
	who  syscheck.Who
	cwd  string
	ours bool // logged by a rule for changes
}

// deed is what somebody did to a path.
type deed struct {
	who *syscheck.Who
	at  time.Time
}

// generations is a map that forgets: when the younger one is full, the older one goes.
type generations[K comparable, V any] struct{ young, old map[K]V }

func (g *generations[K, V]) put(k K, v V) {
	if g.young == nil || len(g.young) >= auditKept {
		g.young, g.old = make(map[K]V), g.young
	}
	g.young[k] = v
}

func (g *generations[K, V]) get(k K) (v V, ok bool) {
	if v, ok = g.young[k]; !ok {
		v, ok = g.old[k]
	}
	return v, ok
}

// who returns who changed a path at about that time, nil if the log doesn't tell.
func (a *audit) who(path string, at time.Time) (*syscheck.Who, error) {
	err := a.refresh()
	d, ok := a.deeds.get(path)
	if gap := at.Sub(d.at); !ok || gap > auditNear || gap < -auditNear {
		return nil, err
	}
	return d.who, nil
}

// refresh reads what is new in the log. If the log was rotated, the rest of the old one comes first.
func (a *audit) refresh() error {
	if a.file != nil {
		if err := a.read(); err != nil {
			return err
		}
		if a.current() {
			return nil
		}
		a.close()
	}
	f, err := os.Open(a.path)
	if err != nil {
		return err
	}
	a.file, a.rest = f, nil
	return a.read()
}

func (a *audit) close() {
	if a.file != nil {
		_ = a.file.Close() // it was only read
		a.file = nil
	}
}

// current tells whether the open file is still the one at path.
func (a *audit) current() bool {
	now, err := os.Stat(a.path)
	if err != nil {
		return true // between two: the next call sees
	}
	was, err := a.file.Stat()
	return err == nil && os.SameFile(now, was)
}

// read reads on to the end, or what of it is near the end.
func (a *audit) read() error {
	info, err := a.file.Stat()
	if err != nil {
		return err
	}
	at, err := a.file.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	switch from := info.Size() - auditTail; {
	case info.Size() < at: // begun anew
		at, a.rest = 0, nil
	case at < from:
		at, a.rest = from, nil // the first line is a part of one, which is none
	}
	if _, err = a.file.Seek(at, io.SeekStart); err != nil {
		return err
	}
	r := bufio.NewReaderSize(io.MultiReader(bytes.NewReader(a.rest), io.LimitReader(a.file, auditTail)), auditLine)
	for {
		line, err := r.ReadSlice('\n')
		switch {
		case err == nil:
			a.add(string(line[:len(line)-1]))
		case errors.Is(err, bufio.ErrBufferFull): // what follows is a part of a line, which is none
		case errors.Is(err, io.EOF):
			a.rest = bytes.Clone(line)
			return nil
		default:
			return err
		}
	}
}

// add takes one line of the log. What isn't one of the three records is passed over.
func (a *audit) add(line string) {
	kind, id, at, fields, ok := auditRecord(line)
	if !ok {
		return
	}
	switch kind {
	case "SYSCALL":
		if fields["success"] == "yes" {
			a.actors.put(id, a.actor(fields))
		}
	case "CWD":
		if by, ok := a.actors.get(id); ok {
			by.cwd = auditText(fields["cwd"])
		}
	case "PATH":
		if by, ok := a.actors.get(id); ok {
			a.deed(by, at, fields)
		}
	}
}

func (a *audit) actor(f map[string]string) *actor {
	number := func(key string) int { n, _ := strconv.Atoi(f[key]); return n }
	by := &actor{who: syscheck.Who{Process: auditText(f["exe"]), PID: number("pid"), PPID: number("ppid")}}
	by.who.User = a.user(f, "uid")
	if auid := f["auid"]; auid != "4294967295" && auid != "-1" { // nobody logged in
		by.who.Login = a.user(f, "auid")
	}
	for k := range strings.SplitSeq(auditText(f["key"]), "\x01") {
		by.ours = by.ours || k == auditKey
	}
	return by
}

func (a *audit) user(f map[string]string, key string) string {
	if name := auditText(f[strings.ToUpper(key)]); name != "" && name != "unknown" && name != "unset" {
		return name
	}
	if _, err := strconv.ParseUint(f[key], 10, 32); err != nil {
		return ""
	}
	if name := a.name(f[key]); name != "" {
		return name
	}
	return f[key]
}

// deed notes a path. Of what rules of others log only what surely changes something counts: a file that is read has a path, too.
func (a *audit) deed(by *actor, at time.Time, f map[string]string) {
	name := auditText(f["name"])
	if kind := f["nametype"]; name == "" || kind != "CREATE" && kind != "DELETE" && (kind != "NORMAL" || !by.ours) {
		return
	}
	if !path.IsAbs(name) {
		if !path.IsAbs(by.cwd) {
			return
		}
		name = by.cwd + "/" + name
	}
	a.deeds.put(path.Clean(name), deed{&by.who, at})
}

// auditRecord takes a line apart.
func auditRecord(line string) (kind, id string, at time.Time, fields map[string]string, ok bool) {
	if rest, found := strings.CutPrefix(line, "node="); found {
		_, line, _ = strings.Cut(rest, " ")
	}
	if line, ok = strings.CutPrefix(line, "type="); !ok {
		return
	}
	kind, line, _ = strings.Cut(line, " ")
	if kind != "SYSCALL" && kind != "CWD" && kind != "PATH" {
		return "", "", at, nil, false
	}
	if line, ok = strings.CutPrefix(line, "msg=audit("); !ok {
		return
	}
	id, line, ok = strings.Cut(line, "):")
	if !ok {
		return
	}
	if at, ok = auditTime(id); !ok {
		return
	}
	fields = map[string]string{}
	for _, word := range strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == 0x1d }) {
		if k, v, found := strings.Cut(word, "="); found {
			fields[k] = v
		}
	}
	return kind, id, at, fields, true
}

// auditTime returns the time in an id such as 1700000000.123:456.
func auditTime(id string) (time.Time, bool) {
	stamp, _, ok := strings.Cut(id, ":")
	sec, ms, dot := strings.Cut(stamp, ".")
	s, err := strconv.ParseUint(sec, 10, 33)
	if !ok || !dot || err != nil {
		return time.Time{}, false
	}
	m, err := strconv.ParseUint(ms, 10, 10)
	return time.Unix(int64(s), int64(m)*int64(time.Millisecond)), err == nil && m < 1000
}

// auditText returns what a field's value means: "text", text in hexadecimal, (null) for nothing.
func auditText(value string) string {
	if text, ok := strings.CutPrefix(value, `"`); ok {
		return strings.TrimSuffix(text, `"`)
	}
	if b, err := hex.DecodeString(value); err == nil {
		return string(b)
	}
	if value == "(null)" || value == "(none)" {
		return ""
	}
	return value
}

// auditAdvice tells how to have the kernel log who changes what is in a directory.
func auditAdvice(dir string) string {
	return fmt.Sprintf("whodata: the kernel's audit log doesn't tell who changes %s: have auditd run, with the rule \"-w %s -p wa -k %s\" in "+
		"/etc/audit/rules.d/yagura.rules (then: augenrules --load); changes are told all the same", dir, dir, auditKey)
}
