package analysis

import (
	"errors"
	"fmt"
	"strings"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/predecode"
	"github.com/yagura-hids/yagura/internal/rootcheck"
	"github.com/yagura-hids/yagura/internal/syscheck"
)

// read takes the event apart, as its kind wants it, and tells whether it is one for the rules.
func (e *Engine) read() bool {
	d := &e.decoded
	switch {
	case d.Kind == event.Syscheck:
		return e.readChange()
	case d.Kind == event.Rootcheck:
		e.readFinding()
		return true
	case d.Kind == event.AgentState && strings.HasPrefix(d.Text, "{"): // a heartbeat: figures for the list of agents
		predecode.Bare(d, e.server(d.Event), e.set.Wazuh)
		return false
	case d.Kind == event.AgentState:
		predecode.Bare(d, e.server(d.Event), e.set.Wazuh)
		if e.readPorts() {
			return true
		}
	default:
		predecode.Split(d, e.server(d.Event), e.set.Wazuh)
	}
	e.decode()
	e.nameSyslog()
	return true
}

// decode lets the decoders look at the log.
func (e *Engine) decode() {
	e.scan()
	e.set.Decoders.Decode(&e.decoded, &e.text, &e.hits)
}

// nameSyslog makes fields of what a message of syslog tells of itself beside its text. A decoder's own fields of these names win.
func (e *Engine) nameSyslog() {
	d := &e.decoded
	facility, severity, ok := d.Syslog()
	if !ok {
		return
	}
	for i, value := range [...]string{facility, severity} {
		name := event.SyslogFields[i]
		if _, found := d.Dynamic(name); !found {
			d.AddDynamic(name, value)
			d.Rewritten = true
		}
	}
}

func (e *Engine) scan() {
	e.text.Reset(e.decoded.Log)
	e.set.Index.Scan(&e.text, &e.hits)
}

// changes are the decoders that OSSEC gives what happens to files. Other types of message are no news: what was there
// at first, what is no longer watched, digests.
var changes = map[string]string{
	syscheck.Added: "syscheck_new_entry", syscheck.Modified: "syscheck_integrity_changed", syscheck.Deleted: "syscheck_deleted",
	syscheck.Moved: "syscheck_integrity_changed", syscheck.Readded: "syscheck_new_entry",
	syscheck.Packages: "syscheck_packages", syscheck.Disagreement: "syscheck_disagreement", syscheck.Scanned: "syscheck_scanned",
}

// later are the decoders of a file's second and third change, if the server's baseline counts them. Later ones have that of the first: what is to
// become of them is for rules to say.
var later = map[int]string{2: "syscheck_integrity_changed_2nd", 3: "syscheck_integrity_changed_3rd"}

// decoderOf returns the decoder of a change, and whether it's news.
func decoderOf(c *syscheck.Change) (name string, news bool) {
	name, news = changes[c.Type]
	if c.Notes != nil && name == "syscheck_integrity_changed" && later[c.Notes.Changes] != "" {
		name = later[c.Notes.Changes]
	}
	return name, news
}

// readChange reads an integrity message. One that can't be read is told in its place, by a sentence that has a rule of its own.
func (e *Engine) readChange() bool {
	d := &e.decoded
	predecode.Bare(d, e.server(d.Event), e.set.Wazuh)
	c, err := syscheck.Parse(d.Text)
	name, news := decoderOf(&c)
	if err == nil && news && c.OfFile() && c.Path == "" {
		err = errors.New("no path in it")
	}
	switch {
	case err != nil:
		d.FullLog = fmt.Sprintf("ossec: Integrity message not understood (%s): %s", syscheck.Plain(err.Error()), d.FullLog)
		d.Log = d.FullLog
		e.decode()
		return true
	case !news:
		return false
	}
	d.FullLog = c.Text()
	d.Log = d.FullLog
	e.report(name)
	if c.OfFile() {
		d.Set(event.Filename, syscheck.Plain(c.Path))
	}
	for _, f := range c.Fields() {
		d.SetDynamic(f.Name, f.Value)
	}
	e.scan()
	return true
}

// readFinding reads a message of the rootkit check:
//
//	Rootkit 'x' detected by the presence of file '/dev/.x'. MD5=… SHA1=… SHA256=…
func (e *Engine) readFinding() {
	d := &e.decoded
	predecode.Bare(d, e.server(d.Event), e.set.Wazuh)
	e.report("rootcheck")
	f := rootcheck.Parse(d.Log)
	if f.Path != "" {
		d.Set(event.Filename, f.Path)
	}
	for _, h := range []struct{ name, sum string }{{"md5_after", f.MD5}, {"sha1_after", f.SHA1}, {"sha256_after", f.SHA256}} {
		if h.sum != "" {
			d.SetDynamic(h.name, h.sum)
		}
	}
	e.scan()
}

// readPorts reads what an agent tells of another host's ports, if it does; the decoder that OSSEC gives that stands before it:
//
//	hostinfo_modified: Host: 192.0.2.7 (), open ports: 22(tcp)
func (e *Engine) readPorts() bool {
	d := &e.decoded
	name, log, _ := strings.Cut(d.Log, ": ")
	if name != "hostinfo_new" && name != "hostinfo_modified" {
		return false
	}
	d.FullLog, d.Log = log, log
	e.report(name)
	e.scan()
	return true
}

// report names the decoder, one that no file declares.
func (e *Engine) report(name string) {
	d := &e.decoded
	d.Decoder, d.Leaf, d.Category, d.Rewritten = name, name, event.CategoryOSSEC, true
	d.DecoderID, _ = e.set.Decoders.ID(name)
}
