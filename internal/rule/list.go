package rule

import (
	"errors"
	"io/fs"
	"strings"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/osxml"
	"github.com/yagura-hids/yagura/internal/pattern"
)

// lookup tells whether a list's keys and values satisfy a <list> condition for one value.
type lookup func(list map[string]string, value string, check *pattern.Pattern) bool

var lookups = map[string]lookup{
	"match_key": func(list map[string]string, value string, _ *pattern.Pattern) bool {
		_, ok := list[value]
		return ok
	},
	"not_match_key": func(list map[string]string, value string, _ *pattern.Pattern) bool {
		_, ok := list[value]
		return !ok
	},
	"match_key_value": func(list map[string]string, value string, check *pattern.Pattern) bool {
		v, ok := list[value]
		return ok && check.MatchString(v)
	},
	"address_match_key": func(list map[string]string, value string, _ *pattern.Pattern) bool {
		_, ok := addressKey(list, value)
		return ok
	},
	"not_address_match_key": func(list map[string]string, value string, _ *pattern.Pattern) bool {
		_, ok := addressKey(list, value)
		return !ok
	},
	"address_match_key_value": func(list map[string]string, value string, check *pattern.Pattern) bool {
		v, ok := addressKey(list, value)
		return ok && check.MatchString(v)
	},
}

// addressKey finds the key for an address: itself, or the longest of its beginnings that end in a dot.
func addressKey(list map[string]string, address string) (string, bool) {
	for address != "" {
		if v, ok := list[address]; ok {
			return v, true
		}
		dot := strings.LastIndexByte(strings.TrimSuffix(address, "."), '.')
		address = address[:dot+1]
	}
	return "", false
}

// listFields are the values that a list condition can look up. Its user is the source user first.
var listFields = map[string]func(*Subject) (string, bool){
	"srcip": listField(event.SrcIP), "srcport": listField(event.SrcPort), "dstip": listField(event.DstIP), "dstport": listField(event.DstPort),
	"url": listField(event.URL), "id": listField(event.FieldID), "status": listField(event.Status), "action": listField(event.Action),
	"hostname":     func(s *Subject) (string, bool) { return s.Hostname, true },
	"program_name": func(s *Subject) (string, bool) { return s.Program, s.Program != "" },
	"user": func(s *Subject) (string, bool) {
		if user, ok := s.Get(event.SrcUser); ok {
			return user, true
		}
		return s.Get(event.DstUser)
	},
}

func listField(f event.Field) func(*Subject) (string, bool) {
	return func(s *Subject) (string, bool) { return s.Get(f) }
}

// listName is listField for the fields of Wazuh: all static ones, and dynamic ones.
func listName(name string) func(*Subject) (string, bool) {
	if f, static := event.ParseWazuhField(name); static {
		return listField(f)
	}
	return func(s *Subject) (string, bool) { return s.Dynamic(name) }
}

func (b *Builder) lists(r *Rule, d *declaration) {
	for _, e := range d.all["list"] {
		if t := b.list(d, e); t != nil {
			r.tests = append(r.tests, t)
		}
	}
}

func (b *Builder) list(d *declaration, e *osxml.Element) test {
	add := func(hint, what string, args ...any) test {
		b.fault(d, &phrase{pos: e.Pos}, hint, what, args...)
		return nil
	}
	name, _ := e.Attr("field")
	value, ok := listFields[name]
	if !ok && d.wazuh && strings.TrimSpace(name) != "" {
		value, ok = listName(strings.TrimSpace(name)), true
	}
	if !ok {
		return add(suggest(name, keys(listFields)), "<list field=%q>: no such field", name)
	}
	how, given := e.Attr("lookup")
	if !given {
		how = "match_key"
	}
	holds, ok := lookups[how]
	if !ok {
		return add(suggest(how, keys(lookups)), "<list lookup=%q>: no such lookup", how)
	}
	var check *pattern.Pattern
	if strings.HasSuffix(how, "_value") {
		text, given := e.Attr("check_value")
		if !given {
			return add(`add check_value="..."`, "<list lookup=%q> compares values, but check_value is missing", how)
		}
		if check = b.pattern(d, "list", pattern.OSMatch, &phrase{text: text, pos: e.Pos}); check == nil {
			return nil
		}
	}
	list, err := b.outside.List(e.Content)
	const hint = "name it in ossec.conf's <rules> as <list>, and put the file there"
	switch {
	case errors.Is(err, fs.ErrNotExist):
		b.slip(d, &phrase{pos: e.Pos}, hint, "list %s: %v", e.Content, err)
		return nil
	case err != nil:
		return add(hint, "list %s: %v", e.Content, err)
	}
	return func(s *Subject) bool {
		v, ok := value(s)
		return ok && holds(list, v, check)
	}
}
