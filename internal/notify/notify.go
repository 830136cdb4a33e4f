// Package notify says which alerts are told together, and in which words: short ones for a phone, all of them for a program.
//
//	alerts of a batch ─► groups, one for each rule and agent ─► messages
//
//	subject   Level 10, web1: sshd: brute force, one address fails to log in again and again. (3 alerts)
//	email     the subject's facts a line each, the first logs
//	sms       the subject
//	default   JSON with the alerts, for whoever else subscribes: https, sqs, lambda, …
//	attributes level, rule_id, groups, agent, profile, account: what filter policies of subscriptions look at
//
// Texts of alerts are written by attackers: what people see has no control characters, what programs see is JSON. A message is never longer
// than SNS bills as one, whatever is in the alerts. Nothing here knows AWS.
package notify

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"

	"github.com/yagura-hids/yagura/internal/event"
)

// Group is the alerts of one rule on one agent, as they came.
type Group struct {
	First  int // where the group's first alert stands in what Groups was given
	Alerts []*event.Alert
}

// Groups parts alerts, leaving out nil ones. The groups are in the order of their first alerts. So if they are told in turn and one can't be, all
// alerts before its First have been told, and told twice are only those that stand behind it in groups before it.
func Groups(alerts []*event.Alert) []Group {
	type key struct {
		rule  int
		agent string
	}
	var groups []Group
	known := map[key]int{}
	for i, a := range alerts {
		if a == nil {
			continue
		}
		k := key{a.Rule.ID, a.Event.Agent}
		at, ok := known[k]
		if !ok {
			at = len(groups)
			known[k] = at
			groups = append(groups, Group{First: i})
		}
		groups[at].Alerts = append(groups[at].Alerts, a)
	}
	return groups
}

// Message is what a topic's subscribers get.
type Message struct {
	Subject    string      // at most 100 printable ASCII characters
	Body       string      // JSON with a text for each kind of subscriber, for MessageStructure=json
	Attributes []Attribute // none is empty
}

// Attribute is what a subscription's filter policy can ask for. Type is Number, String, or String.Array with a value in JSON.
type Attribute struct{ Name, Type, Value string }

// MaxBytes is the most that a message has in body, subject and attributes: SNS counts longer ones as several.
const MaxBytes = 64 << 10

// body is Message.Body. What has no text of its own gets the default.
type body struct {
	Default string `json:"default"`
	Email   string `json:"email"`
	SMS     string `json:"sms"`
}

// Message returns what there is to say of the group.
func (g Group) Message() Message {
	m := Message{Subject: g.subject(), Attributes: g.attributes()}
	b := body{Email: g.text(), SMS: m.Subject}
	for _, limit := range []int{4096, 512, 64} { // the last one fits always
		b.Default = g.report(limit)
		if m.Body = encode(b); m.size() <= MaxBytes {
			break
		}
	}
	return m
}

func (m Message) size() int {
	n := len(m.Subject) + len(m.Body)
	for _, a := range m.Attributes {
		n += len(a.Name) + len(a.Type) + len(a.Value)
	}
	return n
}

// report is the group as programs get it.
type report struct {
	Level     int            `json:"level"`
	RuleID    int            `json:"rule_id"`
	Agent     string         `json:"agent"`
	Count     int            `json:"count"`
	From      time.Time      `json:"first"`
	To        time.Time      `json:"last"`
	LeftOut   int            `json:"left_out,omitempty"`  // alerts that have no room below; the table has them
	Shortened bool           `json:"shortened,omitempty"` // texts below are cut; the table has them whole
	Alerts    []*event.Alert `json:"alerts"`
}

// maxReport is what a report's alerts may take, encoded; within the body they are encoded once more.
const maxReport = 20 << 10

// report returns the group in JSON: the first alerts, as many as have room, at least one. No text is longer than limit bytes.
func (g Group) report(limit int) string {
	a := g.Alerts[0]
	from, to := g.span()
	r := report{
		Level: a.Rule.Level, RuleID: a.Rule.ID, Agent: shorten(a.Event.Agent, limit), Count: len(g.Alerts), From: from, To: to,
	}
	size := 0
	for i, a := range g.Alerts {
		cut, shortened := shortenAll(a, limit)
		size += len(encode(cut))
		if i > 0 && size > maxReport {
			r.LeftOut = len(g.Alerts) - i
			break
		}
		r.Alerts = append(r.Alerts, cut)
		r.Shortened = r.Shortened || shortened
	}
	return encode(r)
}

// span returns the times of the first and the last alert.
func (g Group) span() (from, to time.Time) {
	from, to = g.Alerts[0].Time, g.Alerts[0].Time
	for _, a := range g.Alerts[1:] {
		if a.Time.Before(from) {
			from = a.Time
		}
		if a.Time.After(to) {
			to = a.Time
		}
	}
	return from, to
}

// attributes returns the group's facts for filters.
func (g Group) attributes() []Attribute {
	a := g.Alerts[0]
	list := []Attribute{{"level", "Number", strconv.Itoa(a.Rule.Level)}, {"rule_id", "Number", strconv.Itoa(a.Rule.ID)}}
	if groups := oneLines(a.Rule.Groups, 100, 100); len(groups) > 0 {
		list = append(list, Attribute{"groups", "String.Array", encode(groups)})
	}
	who := event.Agent{}
	if a.Agent != nil {
		who = *a.Agent
	}
	for _, f := range []Attribute{{"agent", "String", a.Event.Agent}, {"profile", "String", who.Profile}, {"account", "String", who.Account}} {
		if f.Value = oneLine(f.Value, 100); f.Value != "" {
			list = append(list, f)
		}
	}
	return list
}

// encode returns v in JSON, on one line.
func encode(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "{}" // a time of no year that JSON has: whoever reads events lets none in, see event.Plausible
	}
	return string(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}
