package alertstore

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/table"
)

// Filter says which stored alerts to list. The zero Filter lists the newest 100.
type Filter struct {
	From, To time.Time // From ≤ time < To; zero means no bound
	Level    int       // and above
	Rules    []int     // one of these ids
	Group    string    // one of the rule's groups
	SrcIP    string    // the decoded srcip
	Agent    string    // the id of the agent: quick
	Host     string    // the host's name, the agent's id, or an agent's name within "(name) ip->path"
	Text     string    // stands in the log or in the rule's description, in capitals or not
	Limit    int       // at most so many, up to 1000; 0 for 100
	After    string    // the Next of the page before
}

// Page is a part of the list, the newest alert first. Next continues it; "" is its end.
type Page struct {
	Alerts []*event.Alert
	Next   string
}

// ErrFilter is returned when a filter can't be understood.
var ErrFilter = errors.New("filter")

// Values returns the filter as a query string's values, ParseFilter reads them.
func (f Filter) Values() url.Values {
	v := url.Values{}
	set := func(key, value string) {
		if value != "" && value != "0" {
			v.Set(key, value)
		}
	}
	for key, t := range map[string]time.Time{"from": f.From, "to": f.To} {
		if !t.IsZero() {
			set(key, t.Format(time.RFC3339Nano))
		}
	}
	for _, id := range f.Rules {
		v.Add("rule", strconv.Itoa(id))
	}
	set("level", strconv.Itoa(f.Level))
	set("limit", strconv.Itoa(f.Limit))
	set("group", f.Group)
	set("srcip", f.SrcIP)
	set("agent", f.Agent)
	set("host", f.Host)
	set("text", f.Text)
	set("after", f.After)
	return v
}

// ParseFilter reads a query string's values: from and to (RFC 3339), level, rule (repeatable), group, srcip, agent, host, text, limit, after.
// The error wraps ErrFilter and names everything wrong.
func ParseFilter(v url.Values) (Filter, error) {
	f := Filter{
		Group: v.Get("group"), SrcIP: v.Get("srcip"), Agent: v.Get("agent"), Host: v.Get("host"),
		Text: v.Get("text"), After: v.Get("after"),
	}
	var errs []error
	note := func(key, value, want string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%w %s=%q: want %s", ErrFilter, key, value, want))
		}
	}
	for key, into := range map[string]*time.Time{"from": &f.From, "to": &f.To} {
		if text := v.Get(key); text != "" {
			t, err := time.Parse(time.RFC3339Nano, text)
			note(key, text, "a time like 2026-11-23T08:42:10Z", err)
			*into = t
		}
	}
	for key, into := range map[string]*int{"level": &f.Level, "limit": &f.Limit} {
		if text := v.Get(key); text != "" {
			n, err := strconv.ParseUint(text, 10, 31)
			note(key, text, "a number", err)
			*into = int(n)
		}
	}
	for _, text := range v["rule"] {
		n, err := strconv.ParseUint(text, 10, 31)
		note("rule", text, "a rule's number", err)
		f.Rules = append(f.Rules, int(n))
	}
	return f, errors.Join(errs...)
}

// mayWant tells by what an index shows whether an alert can be wanted.
func (f Filter) mayWant(entry table.Fields) bool {
	switch {
	case entry.Int(fieldLevel) < int64(f.Level), len(f.Rules) > 0 && !slices.Contains(f.Rules, int(entry.Int(fieldRule))):
		return false
	case f.SrcIP != "" && !sourceMayBe(entry, f.SrcIP):
		return false
	case f.Agent != "" && entry.String(fieldAgent) != f.Agent:
		return false
	}
	return true
}

// sourceMayBe tells whether an entry's alert can have a source address: only some entries show it, but all have it that can.
func sourceMayBe(entry table.Fields, source string) bool {
	if entry.String(fieldSourceSlot) != "" {
		return true // found by it
	}
	return entry.String(fieldSource) == indexed(source)
}

// wants tells whether an alert that may be wanted is.
func (f Filter) wants(a *event.Alert) bool {
	switch {
	case f.Group != "" && !slices.Contains(event.SplitGroups(a.Rule.GroupText), f.Group):
		return false
	case f.SrcIP != "" && a.Field(event.SrcIP.String()) != f.SrcIP:
		return false
	case f.Host != "" && f.Host != a.Hostname && f.Host != a.Event.Agent && !strings.HasPrefix(a.Hostname, "("+f.Host+")"):
		return false
	}
	text := strings.ToLower(f.Text)
	return text == "" || strings.Contains(strings.ToLower(a.FullLog), text) || strings.Contains(strings.ToLower(a.Rule.Description), text)
}
