package rule

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/pattern"
)

// Subject is an event as rules look at it, with its texts prepared once for all of them. The zero value is ready for Reset.
type Subject struct {
	*event.Decoded
	Text *pattern.Text // Decoded.Log
	Hits *pattern.Hits // what the ruleset's index found in it

	fields            [event.NumFields]pattern.Text
	ready             uint32
	program, hostname pattern.Text
	location          pattern.Text
	hasProgram        bool
	hasHostname       bool
	hasLocation       bool
	srcip, dstip      address
	dynamics          dynamics
}

type address struct {
	ip     netip.Addr
	parsed bool
}

// Reset makes s look at another event.
func (s *Subject) Reset(d *event.Decoded, text *pattern.Text, hits *pattern.Hits) {
	s.Decoded, s.Text, s.Hits = d, text, hits
	s.ready, s.hasProgram, s.hasHostname, s.hasLocation, s.srcip, s.dstip = 0, false, false, false, address{}, address{}
	s.dynamics.event++
}

// field returns the text of a field, nil if the event hasn't got it.
func (s *Subject) field(f event.Field) *pattern.Text {
	value, ok := s.Get(f)
	if !ok {
		return nil
	}
	if s.ready&(1<<f) == 0 {
		s.fields[f].Reset(value)
		s.ready |= 1 << f
	}
	return &s.fields[f]
}

// user returns the destination user or else the source user, nil if there is neither.
func (s *Subject) user() *pattern.Text {
	if t := s.field(event.DstUser); t != nil {
		return t
	}
	return s.field(event.SrcUser)
}

func (s *Subject) programText() *pattern.Text {
	if s.Program == "" {
		return nil
	}
	if !s.hasProgram {
		s.program.Reset(s.Program)
		s.hasProgram = true
	}
	return &s.program
}

func (s *Subject) hostnameText() *pattern.Text {
	if !s.hasHostname {
		s.hostname.Reset(s.Place())
		s.hasHostname = true
	}
	return &s.hostname
}

func (s *Subject) locationText() *pattern.Text {
	if !s.hasLocation {
		s.location.Reset(s.Location)
		s.hasLocation = true
	}
	return &s.location
}

// dynamics are an event's dynamic fields, as far as rules asked for them. Each name that some rule asks for has a slot.
type dynamics struct {
	event uint64 // counts up, so that what slots hold of earlier events need not be cleared
	slots []slot
}

type slot struct {
	event uint64 // for which it was filled
	found bool
	text  pattern.Text
}

// dynamic returns the text of the dynamic field of that name, whose slot is given; nil if the event hasn't got it.
func (s *Subject) dynamic(at int, name string) *pattern.Text {
	if at >= len(s.dynamics.slots) {
		s.dynamics.slots = slices.Grow(s.dynamics.slots, at+1-len(s.dynamics.slots))[:at+1]
	}
	f := &s.dynamics.slots[at]
	if f.event != s.dynamics.event {
		f.event = s.dynamics.event
		var value string
		if value, f.found = s.Dynamic(name); f.found {
			f.text.Reset(value)
		}
	}
	if !f.found {
		return nil
	}
	return &f.text
}

// addr returns the address in a field. One that can't be parsed is not valid.
func (s *Subject) addr(f event.Field, a *address) netip.Addr {
	if !a.parsed {
		a.parsed = true
		if value, ok := s.Get(f); ok {
			a.ip, _ = parseAddress(value)
		}
	}
	return a.ip
}

// test is one condition of a rule.
type test func(*Subject) bool

// Matches tells whether all of r's conditions hold that need only the event.
func (r *Rule) Matches(s *Subject) bool {
	if r.decodedAs != 0 && r.decodedAs != s.DecoderID {
		return false
	}
	for _, g := range r.gates {
		if !s.Hits.Possible(g) {
			return false
		}
	}
	if !s.Rewritten {
		for _, g := range r.cut {
			if !s.Hits.Possible(g) {
				return false
			}
		}
	}
	for _, t := range r.tests {
		if !t(s) {
			return false
		}
	}
	return true
}

// onText makes a test of a pattern and a text. It fails, negated or not, where an event lacks the text.
func onText(p *pattern.Pattern, negate bool, text func(*Subject) *pattern.Text) test {
	return func(s *Subject) bool {
		t := text(s)
		return t != nil && p.Match(t) != negate
	}
}

func onLog(p *pattern.Pattern, negate bool) test {
	return func(s *Subject) bool { return p.Match(s.Text) != negate }
}

// texts are what the elements named so look at.
var texts = map[string]func(*Subject) *pattern.Text{
	"program_name": (*Subject).programText,
	"hostname":     (*Subject).hostnameText,
	"user":         (*Subject).user,
	"id":           fieldText(event.FieldID),
	"url":          fieldText(event.URL),
	"srcport":      fieldText(event.SrcPort),
	"dstport":      fieldText(event.DstPort),
	"status":       fieldText(event.Status),
	"extra_data":   fieldText(event.Data),
	"protocol":     fieldText(event.Protocol),
	"system_name":  fieldText(event.SystemName),
	"location":     (*Subject).locationText,
	"srcgeoip":     func(*Subject) *pattern.Text { return nil },
	"dstgeoip":     func(*Subject) *pattern.Text { return nil },
}

func fieldText(f event.Field) func(*Subject) *pattern.Text {
	return func(s *Subject) *pattern.Text { return s.field(f) }
}

// compiled are the predicates that compiled_rule names.
var compiled = map[string]test{
	"comp_srcuser_dstuser": func(s *Subject) bool {
		src, hasSrc := s.Get(event.SrcUser)
		dst, hasDst := s.Get(event.DstUser)
		return !hasSrc || !hasDst || src == dst
	},
	"check_id_size": func(s *Subject) bool {
		id, _ := s.Get(event.FieldID)
		return len(id) >= 10
	},
	"comp_mswin_targetuser_calleruser_diff": differentWindowsAccounts,
	"is_simple_http_request": func(s *Subject) bool {
		url, ok := s.Get(event.URL)
		action, hasAction := s.Get(event.Action)
		return ok && (!hasAction || action == "GET") && (url == "/" || !strings.Contains(url, "?"))
	},
	"is_valid_crawler": isCrawler,
}

// crawlers are the beginnings of addresses that OSSEC takes for search engines'. It also asks the DNS, which can never succeed there.
var crawlers = []string{"72.14.", "209.85.", "65.55.", "207.46.", "74.6.", "72.30.", "67.195."}

func isCrawler(s *Subject) bool {
	for _, c := range crawlers {
		if strings.HasPrefix(s.Log, c) {
			return true
		}
	}
	return false
}

// differentWindowsAccounts compares the names that follow these two labels in a Windows logon event.
func differentWindowsAccounts(s *Subject) bool {
	_, target, ok := strings.Cut(s.Log, "Target Account Name:")
	if !ok {
		return false
	}
	_, caller, ok := strings.Cut(s.Log, "Caller User Name:")
	if !ok {
		return false
	}
	return firstWord(target) != firstWord(caller)
}

func firstWord(s string) string {
	word, _, _ := strings.Cut(strings.TrimLeft(s, " \t"), " ")
	return word
}
