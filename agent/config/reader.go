package config

import (
	"fmt"
	"math"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/yagura-hids/yagura/agent/syscheck"
	"github.com/yagura-hids/yagura/internal/osxml"
	"github.com/yagura-hids/yagura/internal/pattern"
)

// reader gathers a configuration out of its blocks.
type reader struct {
	config *Config
	host   Host
	blocks []block
	spoken map[string]bool // the sections that some block for this host has
	seen   map[string]bool // the entries that were there, by their keys
	faults osxml.Faults
	home   string // what relative paths are relative to

	central bool // the block being read came over the network
	shared  bool // it is an <agent_config>
}

// block is one <ossec_config> or <agent_config>.
type block struct {
	text Text
	root *osxml.Element
}

func newReader(host Host) *reader {
	if host.System == "" {
		host.System = runtime.GOOS
	}
	r := &reader{config: &Config{Client: Client{Labels: map[string]string{}}}, host: host, home: ".", spoken: map[string]bool{}, seen: map[string]bool{}}
	r.config.Syscheck.Schedule, r.config.Syscheck.Packages = syscheck.Schedule{At: -1, OnStart: true}, true
	return r
}

// add takes a block for later: which profiles this host has is known only when all <client> sections have been read.
func (r *reader) add(t Text, root *osxml.Element) {
	switch {
	case root.Name == "agent_config":
		r.blocks = append(r.blocks, block{t, root})
	case root.Name != "ossec_config":
		r.faults.Add(root.Pos, "write <ossec_config>, or <agent_config>", "<%s> is no configuration", root.Name)
	case t.Central:
		r.faults.Add(root.Pos, "write <agent_config>", "<ossec_config> may not come from the central configuration")
	default:
		r.blocks = append(r.blocks, block{t, root})
		for _, e := range root.Children {
			if strings.EqualFold(e.Name, "client") {
				r.client(e)
			}
		}
	}
}

func (r *reader) read() {
	for _, b := range r.blocks {
		r.central, r.shared = b.text.Central, b.root.Name == "agent_config"
		if r.shared && !r.selected(b.root) {
			continue
		}
		for _, e := range b.root.Children {
			r.section(e)
		}
	}
}

func (r *reader) section(e *osxml.Element) {
	name := strings.ToLower(e.Name)
	switch name {
	case "localfile":
		r.localfile(e)
	case "syscheck":
		r.syscheck(e)
	case "rootcheck":
		r.rootcheck(e)
	case "labels":
		r.labels(e)
	case "client": // read before
		if r.shared {
			r.faults.Add(e.Pos, "write it in ossec.conf", "<client> may not stand in <agent_config>")
		}
	default:
		if !sections[name] {
			r.faults.Add(e.Pos, "known are client, labels, localfile, syscheck, rootcheck and OSSEC's other sections", "unknown section <%s>", e.Name)
			return
		}
		r.unused(e.Name)
	}
	r.spoken[name] = true
}

// selected tells whether a block is for this host: all its attributes are found in what they are about.
func (r *reader) selected(e *osxml.Element) bool {
	for _, a := range e.Attrs {
		subjects := []string{r.host.Name}
		switch strings.ToLower(a.Name) {
		case "name":
		case "os":
			subjects = r.host.OS
		case "profile":
			subjects = r.config.Client.Profiles
		case "overwrite":
			continue
		default:
			r.faults.Add(a.Pos, "known are name, os, profile, overwrite", "agent_config: unknown attribute %s", a.Name)
			continue
		}
		p := r.sregex(a.Pos, a.Value)
		if p == nil || !slices.ContainsFunc(subjects, p.MatchString) {
			return false
		}
	}
	return true
}

// sregex returns a pattern, or nil for one that is none.
func (r *reader) sregex(at osxml.Pos, source string) *pattern.Pattern {
	p, err := pattern.Compile(pattern.OSMatch, source)
	if err != nil {
		r.faults.Add(at, "write text with ^, $ and |", "%v", err)
		return nil
	}
	return p
}

func (r *reader) unused(what string) {
	if !slices.Contains(r.config.Unused, what) {
		r.config.Unused = append(r.config.Unused, what)
	}
}

func (r *reader) note(at osxml.Pos, what string, args ...any) {
	r.config.Notes = append(r.config.Notes, at.String()+": "+fmt.Sprintf(what, args...))
}

// first tells whether nothing was there before under this key, and notes it if something was.
func (r *reader) first(at osxml.Pos, what, key string) bool {
	key = what + " " + key
	if r.seen[key] {
		r.note(at, "%s is listed twice; the first one counts", key)
		return false
	}
	r.seen[key] = true
	return true
}

// text returns an element's content, with its variables replaced.
func (r *reader) text(e *osxml.Element) string { return r.expand(strings.TrimSpace(e.Content)) }

// expand replaces %VARIABLES% on Windows; those that there aren't stay.
func (r *reader) expand(text string) string {
	if r.host.System != "windows" {
		return text
	}
	return variable.ReplaceAllStringFunc(text, func(v string) string {
		if value, ok := os.LookupEnv(strings.Trim(v, "%")); ok {
			return value
		}
		return v
	})
}

// variable is one of Windows, which is longer than any of strftime's %Y.
var variable = regexp.MustCompile(`%[A-Za-z_][A-Za-z0-9_()]+%`)

// list returns the parts of a list between commas.
func list(text string) []string {
	var out []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

func (r *reader) yes(e *osxml.Element, into *bool) {
	*into = r.isYes(e.Pos, "<"+e.Name+">", e.Content, *into)
}

// isYes reads yes or no; anything else is a fault and leaves what is.
func (r *reader) isYes(at osxml.Pos, what, text string, is bool) bool {
	switch strings.TrimSpace(text) {
	case "yes":
		return true
	case "no":
		return false
	}
	r.faults.Add(at, "write yes or no", "%s is %q", what, text)
	return is
}

func (r *reader) number(e *osxml.Element, least, most int64) (int64, bool) {
	n, err := strconv.ParseInt(strings.TrimSpace(e.Content), 10, 64)
	if err != nil || n < least || n > most {
		r.faults.Add(e.Pos, fmt.Sprintf("write a number from %d to %d", least, most), "<%s> is %q", e.Name, e.Content)
		return 0, false
	}
	return n, true
}

// seconds reads a time in seconds.
func (r *reader) seconds(e *osxml.Element, into *time.Duration) {
	if n, ok := r.number(e, 1, 366*24*60*60); ok {
		*into = time.Duration(n) * time.Second
	}
}

// sizes are the units of a size, in bytes.
var sizes = map[string]float64{
	"": 1, "b": 1, "k": 1 << 10, "kb": 1e3, "kib": 1 << 10, "m": 1 << 20, "mb": 1e6, "mib": 1 << 20, "g": 1 << 30, "gb": 1e9, "gib": 1 << 30,
}

// size reads a number of bytes, which may have a unit.
func (r *reader) size(e *osxml.Element, least int64, into *int64) {
	text := strings.TrimSpace(e.Content)
	digits := len(text) - len(strings.TrimLeft(text, "0123456789."))
	n, err := strconv.ParseFloat(text[:digits], 64)
	unit, known := sizes[strings.ToLower(strings.TrimSpace(text[digits:]))]
	if bytes := n * unit; err == nil && known && bytes >= float64(least) && bytes < math.MaxInt64 {
		*into = int64(bytes)
		return
	}
	r.faults.Add(e.Pos, fmt.Sprintf("write a size of at least %d bytes, such as 500MB or 2GiB", least), "<%s> is %q", e.Name, e.Content)
}
