package notify

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/yagura-hids/yagura/internal/event"
)

// SNS's bound for a subject, and ours for what stands in it and in a mail.
const (
	subjectLen = 100
	hostLen    = 30
	logLen     = 400 // characters of a log
	logsShown  = 5
)

// subject returns a line that fits on a locked phone.
func (g Group) subject() string {
	a := g.Alerts[0]
	head, tail := fmt.Sprintf("Level %d, %s: ", a.Rule.Level, ascii(host(a), hostLen)), ""
	if n := len(g.Alerts); n > 1 {
		tail = fmt.Sprintf(" (%d alerts)", n)
	}
	return head + ascii(what(a), subjectLen-len(head)-len(tail)) + tail
}

// text returns the mail: what matters first.
func (g Group) text() string {
	a := g.Alerts[0]
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("Level %d: %s", a.Rule.Level, oneLine(what(a), 300))
	line("Host %s", strings.Join(oneLines(about(a), 4, 100), ", "))
	line("%s", g.when())
	for _, f := range []struct{ name, title string }{{"srcip", "From"}, {"dstuser", "User"}, {"srcuser", "By"}, {"filename", "File"}} {
		if values := g.values(f.name); values != "" {
			line("%s %s", f.title, values)
		}
	}
	line("Rule %d%s", a.Rule.ID, more(oneLines(a.Rule.Groups, 10, 40)))
	g.logs(line)
	return b.String()
}

// logs writes the first alerts' logs, and if there is but one what its rule had counted.
func (g Group) logs(line func(string, ...any)) {
	place := ""
	for _, a := range g.Alerts[:min(len(g.Alerts), logsShown)] {
		if a.Location != place {
			place = a.Location
			line("\n%s:", oneLine(place, 200))
		}
		line("%s", oneLine(a.FullLog, logLen))
	}
	if n := len(g.Alerts) - logsShown; n > 0 {
		line("and %d more", n)
	}
	if before := g.Alerts[0].Previous; len(g.Alerts) == 1 && len(before) > 0 {
		line("\nafter, newest first:")
		for _, text := range before[:min(len(before), logsShown)] {
			line("%s", oneLine(text, logLen))
		}
	}
}

// when tells how many alerts there are, and of when.
func (g Group) when() string {
	const day, clock = "2006-01-02", "15:04:05"
	from, to := g.span()
	from, to = from.UTC(), to.UTC()
	text := from.Format(day + " " + clock)
	if len(g.Alerts) == 1 {
		return text + " UTC"
	}
	switch {
	case from.Format(day) != to.Format(day):
		text += " to " + to.Format(day+" "+clock)
	case from.Format(clock) != to.Format(clock):
		text += " to " + to.Format(clock)
	}
	return fmt.Sprintf("%d alerts, %s UTC", len(g.Alerts), text)
}

// values returns the different values of a field, three at most.
func (g Group) values(field string) string {
	const most = 3
	var list []string
	for _, a := range g.Alerts {
		if v := oneLine(a.Field(field), 100); v != "" && !slices.Contains(list, v) {
			list = append(list, v)
		}
	}
	if n := len(list) - most; n > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), n)
	}
	return strings.Join(list, ", ")
}

// what says what happened.
func what(a *event.Alert) string {
	if strings.TrimSpace(a.Rule.Description) == "" {
		return fmt.Sprintf("rule %d", a.Rule.ID)
	}
	return a.Rule.Description
}

// host returns the name of the host that people know.
func host(a *event.Alert) string {
	switch {
	case a.Agent != nil && a.Agent.Name != "":
		return a.Agent.Name
	case a.Event.Agent != "":
		return a.Event.Agent
	}
	return a.Hostname
}

// about returns what helps to find the host.
func about(a *event.Alert) []string {
	list := []string{host(a)}
	if a.Agent != nil {
		list = append(list, a.Agent.Instance, a.Agent.Account)
		list = append(list, a.Agent.Addresses[:min(len(a.Agent.Addresses), 1)]...)
	}
	return list
}

func more(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return " (" + strings.Join(list, ", ") + ")"
}

// oneLines returns oneLine of the first texts, without those that are empty.
func oneLines(texts []string, most, length int) []string {
	var list []string
	for _, s := range texts[:min(len(texts), most)] {
		if s = oneLine(s, length); s != "" {
			list = append(list, s)
		}
	}
	return list
}

// oneLine makes text from outside safe to show: one line, at most so many characters, with a dot for each that has no shape.
func oneLine(s string, most int) string {
	s = strings.ToValidUTF8(strings.TrimSpace(shorten(s, 8*most)), "·")
	runes := []rune(strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case r == unicode.ReplacementChar || !unicode.IsPrint(r):
			return '·'
		}
		return r
	}, s))
	if len(runes) <= most {
		return string(runes)
	}
	return string(runes[:most-2]) + " …"
}

// ascii is oneLine for those who read ASCII only.
func ascii(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r > '~' {
			return '?'
		}
		return r
	}, strings.ReplaceAll(oneLine(s, 2*most), "…", "..."))
	if len(s) <= most {
		return s
	}
	return s[:most-3] + "..."
}

// shorten cuts a text to so many bytes, between characters.
func shorten(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// shortenAll returns a copy of a with no text longer than limit bytes, and no list longer than a sixteenth of that. It tells whether anything
// was cut.
func shortenAll(a *event.Alert, limit int) (*event.Alert, bool) {
	c := &cutter{limit: limit}
	return c.value(reflect.ValueOf(a)).Interface().(*event.Alert), c.cut
}

type cutter struct {
	limit int
	cut   bool
}

// value returns a copy of v, cut. It knows the kinds that alerts are made of.
func (c *cutter) value(v reflect.Value) reflect.Value {
	to := reflect.New(v.Type()).Elem()
	to.Set(v)
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			to.Set(reflect.New(v.Type().Elem()))
			to.Elem().Set(c.value(v.Elem()))
		}
	case reflect.String:
		to.SetString(shorten(v.String(), c.limit))
		c.cut = c.cut || to.Len() < v.Len()
	case reflect.Struct:
		for i := range v.NumField() {
			if to.Field(i).CanSet() { // time.Time's fields are its own
				to.Field(i).Set(c.value(v.Field(i)))
			}
		}
	case reflect.Slice:
		c.slice(v, to)
	case reflect.Map:
		c.mapping(v, to)
	}
	return to
}

func (c *cutter) slice(v, to reflect.Value) {
	n := min(v.Len(), c.limit/16)
	c.cut = c.cut || n < v.Len()
	if v.IsNil() {
		return
	}
	to.Set(reflect.MakeSlice(v.Type(), n, n))
	for i := range n {
		to.Index(i).Set(c.value(v.Index(i)))
	}
}

func (c *cutter) mapping(v, to reflect.Value) {
	if v.IsNil() {
		return
	}
	to.Set(reflect.MakeMap(v.Type()))
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	n := min(len(keys), c.limit/16)
	c.cut = c.cut || n < len(keys)
	for _, key := range keys[:n] {
		to.SetMapIndex(c.value(key), c.value(v.MapIndex(key)))
	}
}
