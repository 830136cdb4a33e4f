package event

import (
	"strings"
	"time"
)

// Rule is what an alert tells of the rule that raised it.
type Rule struct {
	ID          int      `json:"id"`
	Level       int      `json:"level"`
	Description string   `json:"description"`
	Groups      []string `json:"groups,omitempty"`
	GroupText   string   `json:"group_text,omitempty"` // the groups as written, OSSEC's alerts.log form: "syslog,sshd,"
	Info        []Info   `json:"info,omitempty"`
	CVE         []string `json:"cve,omitempty"`
	Mitre       []Mitre  `json:"mitre,omitempty"`
	Frequency   int      `json:"frequency,omitempty"`
	Mail        bool     `json:"mail,omitempty"`        // marked for mail: by its level, or by an option
	NoFullLog   bool     `json:"no_full_log,omitempty"` // alerts.json leaves the log out
	NoCounter   bool     `json:"no_counter,omitempty"`  // … and how often the rule fired
}

// Mitre names a technique of the MITRE ATT&CK catalogue, such as T1110, and the tactic that it serves, such as TA0006, if that is said.
type Mitre struct {
	Technique string `json:"technique"`
	Tactic    string `json:"tactic,omitempty"`
}

// Info is a reference that a rule's author left for the reader. Type is text, link, cve or osvdb.
type Info struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// SplitGroups returns the names in OSSEC's comma-separated group text.
func SplitGroups(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\t' })
}

// Alert is a rule's verdict on an event, complete in itself: it can be shown without the event or the ruleset at hand.
type Alert struct {
	ID       string    `json:"id"` // [ID.AlertID]
	Event    ID        `json:"event"`
	Time     time.Time `json:"time"` // the event's
	Rule     Rule      `json:"rule"`
	Decoder  string    `json:"decoder,omitempty"`
	Parent   string    `json:"decoder_parent,omitempty"`
	Location string    `json:"location"`
	Hostname string    `json:"hostname"`
	Program  string    `json:"program_name,omitempty"`
	FullLog  string    `json:"full_log"`
	Fields   []Dynamic `json:"fields,omitempty"`   // static ones by their names in [Field]'s order, then dynamic ones
	Previous []string  `json:"previous,omitempty"` // a composite rule's earlier events, newest first, at most 11
	Fired    int       `json:"fired,omitempty"`    // the alert's number among those of its rule since the last full hour; given by who writes it
	Ruleset  string    `json:"ruleset"`            // the content hash of the ruleset that judged
	Agent    *Agent    `json:"agent,omitempty"`    // the event's
	Beside   bool      `json:"beside,omitempty"`   // it stands beside the event's verdict, and isn't that; an event has one verdict
}

// Field returns the decoded field of that name, "" if there is none.
func (a *Alert) Field(name string) string {
	for _, f := range a.Fields {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// NewAlert returns the alert that rule raises for d. The caller adds Previous and Ruleset.
func NewAlert(d *Decoded, rule Rule) *Alert {
	a := &Alert{
		ID: d.ID.AlertID(rule.ID), Event: d.ID, Time: d.Time, Rule: rule, Decoder: d.Decoder, Parent: d.Parent,
		Location: d.Location, Hostname: d.Hostname, Program: d.Program, FullLog: d.FullLog, Agent: d.Event.Agent,
	}
	for f := range NumFields {
		if v, ok := d.Get(f); ok {
			a.Fields = append(a.Fields, Dynamic{f.String(), v})
		}
	}
	a.Fields = append(a.Fields, d.dynamic...)
	return a
}
