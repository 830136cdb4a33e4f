package alertlog

import (
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/yagura-hids/yagura/internal/event"
)

// WriteJSON writes a as line n of alerts.json, in one Write. Bytes that are no UTF-8 become U+FFFD.
func WriteJSON(w io.Writer, n uint64, a *event.Alert) error {
	o := object{b: append(make([]byte, 0, 1024+len(a.FullLog)), '{')}
	o.object("rule", func() { rule(&o, a) })
	o.text("id", string(appendID(nil, n, a)))
	o.number("TimeStamp", a.Time.Unix()*1000)
	o.text("decoder", a.Decoder)
	o.text("decoder_parent", a.Parent)
	for _, f := range []event.Field{
		event.Action, event.Protocol, event.SrcIP, event.SrcPort, event.SrcUser, event.DstIP, event.DstPort, event.DstUser,
	} {
		o.text(f.String(), a.Field(f.String()))
	}
	o.text("location", a.Location)
	if !a.Rule.NoFullLog {
		o.text("full_log", a.FullLog)
	}
	if len(a.Previous) > 1 {
		o.text("previous_output", a.Previous[1])
	}
	if path := a.Field(event.Filename.String()); path != "" {
		o.object("SyscheckFile", func() { syscheckFile(&o, a, path) })
	}
	o.text("hostname", a.Hostname)
	o.text("program_name", a.Program)
	o.text("status", a.Field(event.Status.String()))
	o.text("url", a.Field(event.URL.String()))
	o.text("data", a.Field(event.Data.String()))
	o.text("systemname", a.Field(event.SystemName.String()))
	dynamics(&o, a)
	if a.Decoder != "" {
		o.object("decoder_desc", func() {
			o.text("parent", a.Parent)
			o.text("name", a.Decoder)
		})
	}
	source(&o, a)
	_, err := w.Write(append(o.b, "}\n"...))
	return err
}

// fileFields are what is said of a file before and after, as SyscheckFile has it: OSSEC's words, and below them those that it doesn't have.
var fileFields = []string{
	"md5", "sha1", "sha256", "owner", "gowner", "perm",
	"size", "uname", "gname", "mtime", "inode", "link",
}

// isFileField tells whether a name is that of a value in SyscheckFile.
func isFileField(name string) bool {
	base, before := strings.CutSuffix(name, "_before")
	base, after := strings.CutSuffix(base, "_after")
	return before != after && slices.Contains(fileFields, base)
}

// syscheckFile writes what is known of a file. OSSEC writes perm as a number, and everything else as text.
func syscheckFile(o *object, a *event.Alert, path string) {
	o.text("path", path)
	for _, name := range fileFields {
		for _, when := range []string{"_before", "_after"} {
			value := a.Field(name + when)
			if n, err := strconv.ParseInt(value, 10, 64); err == nil && name == "perm" {
				o.number(name+when, n)
			} else {
				o.text(name+when, value)
			}
		}
	}
}

func rule(o *object, a *event.Alert) {
	r := &a.Rule
	if r.Level != 0 {
		o.number("level", int64(r.Level))
	}
	o.text("comment", r.Description)
	o.number("sidid", int64(r.ID))
	o.text("cve", strings.Join(r.CVE, ","))
	var info []string
	for _, i := range r.Info {
		if i.Type != "cve" {
			info = append(info, i.Text)
		}
	}
	o.text("info", strings.Join(info, " "))
	if r.Frequency != 0 {
		o.number("frequency", int64(r.Frequency))
	}
	if !r.NoCounter {
		o.number("firedtimes", int64(a.Fired))
	}
	if len(r.Mitre) > 0 {
		o.object("mitre", func() { mitre(o, r.Mitre) })
	}
	o.text("group", r.GroupText)
	groups(o, r.GroupText)
	if slices.Contains(event.SplitGroups(r.GroupText), "rootcheck") {
		tags(o, a.FullLog)
	}
}

// mitre writes the ids of techniques and tactics, each once. Wazuh adds their names, from a database of its own.
func mitre(o *object, list []event.Mitre) {
	var techniques, tactics []string
	for _, m := range list {
		if !slices.Contains(techniques, m.Technique) {
			techniques = append(techniques, m.Technique)
		}
		if m.Tactic != "" && !slices.Contains(tactics, m.Tactic) {
			tactics = append(tactics, m.Tactic)
		}
	}
	o.texts("id", techniques)
	o.texts("tactic_id", tactics)
}

// groups writes the names in a group text. Those of two compliance catalogues have arrays of their own.
func groups(o *object, text string) {
	var plain, pci, cis []string
	for _, g := range event.SplitGroups(text) {
		switch {
		case strings.HasPrefix(g, "pci_dss_"):
			pci = append(pci, strings.TrimPrefix(g, "pci_dss_"))
		case strings.HasPrefix(g, "cis_"):
			cis = append(cis, strings.TrimPrefix(g, "cis_"))
		default:
			plain = append(plain, g)
		}
	}
	o.texts("groups", plain)
	o.texts("PCI_DSS", pci)
	o.texts("CIS", cis)
}

// tags writes what a rootcheck message says in braces: "{PCI_DSS: 2.2.4, 3}" becomes "PCI_DSS":["2.2.4","3"].
func tags(o *object, log string) {
	rest := log[:min(len(log), 1023)]
	for {
		_, after, ok := strings.Cut(rest, "{")
		if !ok {
			return
		}
		inside, _, ok := strings.Cut(after, "}")
		if key, values, found := strings.Cut(inside, ": "); ok && found && isTag(key) && isTag(values) {
			o.texts(key, strings.Split(values, ", "))
		}
		rest = after
	}
}

func isTag(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_., ", r))
	})
}

// reserved are the keys that a dynamic field can't take; it gets its name with a "_" behind.
var reserved = []string{
	"rule", "id", "TimeStamp", "decoder", "decoder_parent", "location", "full_log", "previous_output", "SyscheckFile", "hostname",
	"program_name", "data", "systemname", "decoder_desc", "agent_name", "agentip", "timestamp", "logfile",
}

func dynamics(o *object, a *event.Alert) {
	inFile := a.Field(event.Filename.String()) != ""
	for _, f := range a.Fields {
		if known, ok := event.ParseField(f.Name); ok && known.String() == f.Name || inFile && isFileField(f.Name) {
			continue
		}
		name := f.Name
		if slices.Contains(reserved, name) {
			name += "_"
		}
		o.text(name, f.Value)
	}
}

// source writes where the alert comes from: an agent's location is "(name) ip->path".
func source(o *object, a *event.Alert) {
	name := a.Hostname
	if inside, ok := strings.CutPrefix(a.Hostname, "("); ok {
		agent, rest, _ := strings.Cut(inside, ")")
		ip, _, _ := strings.Cut(strings.TrimPrefix(rest, " "), "-")
		o.text("agent_name", agent)
		o.text("agentip", ip)
	} else {
		o.text("agent_name", name)
	}
	o.text("timestamp", a.Time.Format(timestamp))
	file := a.Location
	if _, after, ok := strings.Cut(a.Location, ">"); ok {
		file = after
	}
	o.text("logfile", file)
}

// object appends members to a JSON object in the order in which they are given.
type object struct{ b []byte }

func (o *object) key(name string) {
	if o.b[len(o.b)-1] != '{' {
		o.b = append(o.b, ',')
	}
	o.b = append(appendString(o.b, name), ':')
}

// text writes a string; an empty one is absent.
func (o *object) text(name, value string) {
	if value != "" {
		o.key(name)
		o.b = appendString(o.b, value)
	}
}

func (o *object) number(name string, value int64) {
	o.key(name)
	o.b = strconv.AppendInt(o.b, value, 10)
}

func (o *object) texts(name string, values []string) {
	if len(values) == 0 {
		return
	}
	o.key(name)
	for i, v := range values {
		o.b = appendString(append(o.b, "[,"[min(i, 1)]), v)
	}
	o.b = append(o.b, ']')
}

func (o *object) object(name string, members func()) {
	o.key(name)
	o.b = append(o.b, '{')
	members()
	o.b = append(o.b, '}')
}

// appendString appends s as a JSON string. Unlike encoding/json it leaves < > & as they are, as OSSEC does.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for s != "" {
		n := plainRun(s)
		b, s = append(b, s[:n]...), s[n:]
		if s == "" {
			break
		}
		r, size := utf8.DecodeRuneInString(s) // what is no UTF-8 comes as U+FFFD
		b, s = appendRune(b, r), s[size:]
	}
	return append(b, '"')
}

// plainRun returns how many bytes at the start of s stand for themselves.
func plainRun(s string) int {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return i
		}
	}
	return len(s)
}

func appendRune(b []byte, r rune) []byte {
	const hex = "0123456789abcdef"
	switch {
	case r == '"' || r == '\\':
		return append(b, '\\', byte(r))
	case r == '\n':
		return append(b, `\n`...)
	case r == '\r':
		return append(b, `\r`...)
	case r == '\t':
		return append(b, `\t`...)
	case r < ' ' || r == 0x7f:
		return append(b, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
	}
	return utf8.AppendRune(b, r)
}
