package notify_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/notify"
)

var at = time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)

// failed is a wrong password of an agent's, the n-th.
func failed(agent string, n int) *event.Alert {
	id := event.ID{Agent: agent, Epoch: 1, Seq: uint64(n)}
	return &event.Alert{
		ID: id.AlertID(5716), Event: id, Time: at.Add(time.Duration(n) * time.Second),
		Rule: event.Rule{
			ID: 5716, Level: 5, Description: "sshd: a login failed.", Groups: []string{"syslog", "sshd", "authentication_failed"}, Mail: true,
		},
		Decoder: "sshd", Location: "/var/log/auth.log", Hostname: "web1", Program: "sshd",
		FullLog: fmt.Sprintf("Nov 24 10:00:%02d web1 sshd[7]: Failed password for root from 198.51.100.7 port 22 ssh2", n),
		Fields:  []event.Dynamic{{Name: "dstuser", Value: "root"}, {Name: "srcip", Value: "198.51.100.7"}},
		Agent:   &event.Agent{Name: "web1", Addresses: []string{"10.0.0.5"}, Instance: "i-0123456789abcdef0", Account: "123456789012", Profile: "web"},
	}
}

func other(a *event.Alert, rule int) *event.Alert { a.Rule.ID = rule; return a }

func TestGroups(t *testing.T) {
	list := []*event.Alert{failed("b", 1), nil, failed("a", 2), failed("b", 3), other(failed("a", 4), 5720), failed("a", 5)}
	var got []string
	for _, g := range notify.Groups(list) {
		text := fmt.Sprint(g.First, ":")
		for _, a := range g.Alerts {
			text += fmt.Sprint(" ", a.Rule.ID, a.Event.Agent, a.Event.Seq)
		}
		got = append(got, text)
	}
	want := []string{"0: 5716b1 5716b3", "2: 5716a2 5716a5", "4: 5720a4"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := notify.Groups([]*event.Alert{nil}); len(got) != 0 {
		t.Errorf("no alerts became %v", got)
	}
}

// bodies are the texts of a message by kind of subscriber.
func bodies(t *testing.T, m notify.Message) map[string]string {
	t.Helper()
	got := map[string]string{}
	if err := json.Unmarshal([]byte(m.Body), &got); err != nil {
		t.Fatalf("%v in %s", err, m.Body)
	}
	return got
}

func TestMessage(t *testing.T) {
	one := failed("web-1", 1)
	one.Rule.ID, one.Rule.Level, one.Rule.Description = 5720, 10, "sshd: brute force,\none address fails to log in again and again."
	one.Previous = []string{"Nov 24 10:00:00 web1 sshd[7]: \x1b[31mFailed\u202e"}
	elsewhere := failed("db", 70000)
	elsewhere.Fields[1].Value, elsewhere.Location, elsewhere.Agent = "203.0.113.9", "journald", nil
	for _, c := range []struct {
		group   []*event.Alert
		subject string
		email   string
	}{
		{[]*event.Alert{one}, "Level 10, web1: sshd: brute force,·one address fails to log in again and again.", `Level 10: sshd: brute force,·one address fails to log in again and again.
Host web1, i-0123456789abcdef0, 123456789012, 10.0.0.5
2026-11-24 10:00:01 UTC
From 198.51.100.7
User root
Rule 5720 (syslog, sshd, authentication_failed)

/var/log/auth.log:
Nov 24 10:00:01 web1 sshd[7]: Failed password for root from 198.51.100.7 port 22 ssh2

after, newest first:
Nov 24 10:00:00 web1 sshd[7]: ·[31mFailed·
`},
		{[]*event.Alert{failed("db", 1), failed("db", 2), failed("db", 2), failed("db", 3), failed("db", 4), elsewhere},
			"Level 5, web1: sshd: a login failed. (6 alerts)", `Level 5: sshd: a login failed.
Host web1, i-0123456789abcdef0, 123456789012, 10.0.0.5
6 alerts, 2026-11-24 10:00:01 to 2026-11-25 05:26:40 UTC
From 198.51.100.7, 203.0.113.9
User root
Rule 5716 (syslog, sshd, authentication_failed)

/var/log/auth.log:
Nov 24 10:00:01 web1 sshd[7]: Failed password for root from 198.51.100.7 port 22 ssh2
Nov 24 10:00:02 web1 sshd[7]: Failed password for root from 198.51.100.7 port 22 ssh2
Nov 24 10:00:02 web1 sshd[7]: Failed password for root from 198.51.100.7 port 22 ssh2
Nov 24 10:00:03 web1 sshd[7]: Failed password for root from 198.51.100.7 port 22 ssh2
Nov 24 10:00:04 web1 sshd[7]: Failed password for root from 198.51.100.7 port 22 ssh2
and 1 more
`},
	} {
		m := notify.Group{Alerts: c.group}.Message()
		got := bodies(t, m)
		if want := strings.ReplaceAll(c.subject, "·", "?"); m.Subject != want || got["sms"] != want {
			t.Errorf("subject %q, sms %q, want %q", m.Subject, got["sms"], want)
		}
		if diff := cmp.Diff(c.email, got["email"]); diff != "" {
			t.Error(diff)
		}
	}
}

func TestMessageForPrograms(t *testing.T) {
	group := []*event.Alert{failed("web-1", 1), failed("web-1", 3), failed("web-1", 2)}
	m := notify.Group{Alerts: group}.Message()
	var got struct {
		Level, Count int
		RuleID       int `json:"rule_id"`
		Agent        string
		First, Last  time.Time
		LeftOut      int `json:"left_out"`
		Shortened    bool
		Alerts       []*event.Alert
	}
	if err := json.Unmarshal([]byte(bodies(t, m)["default"]), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(group, got.Alerts); diff != "" {
		t.Error(diff)
	}
	if got.Level != 5 || got.Count != 3 || got.RuleID != 5716 || got.Agent != "web-1" || !got.First.Equal(group[0].Time) || !got.Last.Equal(group[1].Time) ||
		got.LeftOut != 0 || got.Shortened {
		t.Errorf("got %+v", got)
	}
	want := []notify.Attribute{
		{"level", "Number", "5"}, {"rule_id", "Number", "5716"}, {"groups", "String.Array", `["syslog","sshd","authentication_failed"]`},
		{"agent", "String", "web-1"}, {"profile", "String", "web"}, {"account", "String", "123456789012"},
	}
	if diff := cmp.Diff(want, m.Attributes); diff != "" {
		t.Error(diff)
	}
	bare := notify.Group{Alerts: []*event.Alert{{Rule: event.Rule{ID: 1}}}}.Message()
	if diff := cmp.Diff([]notify.Attribute{{"level", "Number", "0"}, {"rule_id", "Number", "1"}}, bare.Attributes); diff != "" {
		t.Errorf("what is empty has no attribute: %s", diff)
	}
	for n := 4; n < 500; n++ {
		group = append(group, failed("web-1", n))
	}
	if err := json.Unmarshal([]byte(bodies(t, notify.Group{Alerts: group}.Message())["default"]), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Alerts) < 10 || got.Count != len(group) || got.LeftOut != len(group)-len(got.Alerts) {
		t.Errorf("of %d alerts there are %d, and %d are left out", got.Count, len(got.Alerts), got.LeftOut)
	}
}

// hostile is an alert with as much of the text as it can hold, everywhere.
func hostile(text string) *event.Alert {
	a := failed(text, 1)
	a.Rule.Description, a.Location, a.Hostname, a.FullLog, a.Decoder, a.Parent, a.Program, a.Rule.GroupText, a.Ruleset, a.ID =
		text, text, text, text, text, text, text, text, text, text
	a.Agent = &event.Agent{Name: text, OS: text, Instance: text, Account: text, Profile: text, Labels: map[string]string{}}
	a.Rule.Groups = nil
	for i := range 66 {
		a.Fields = append(a.Fields, event.Dynamic{Name: text, Value: text})
		a.Previous = append(a.Previous, text)
		a.Rule.Groups = append(a.Rule.Groups, text)
		a.Rule.CVE = append(a.Rule.CVE, text)
		a.Rule.Info = append(a.Rule.Info, event.Info{Type: text, Text: text})
		a.Rule.Mitre = append(a.Rule.Mitre, event.Mitre{Technique: text, Tactic: text})
		a.Agent.Addresses = append(a.Agent.Addresses, text)
		a.Agent.Labels[fmt.Sprint(text, i)] = text
	}
	return a
}

func TestHostile(t *testing.T) {
	for _, text := range []string{"\x00", "\"", "\xff", "\u202e", "𝔸"} {
		g := notify.Group{Alerts: []*event.Alert{hostile(strings.Repeat(text, 6000/len(text)))}}
		for range 9 {
			g.Alerts = append(g.Alerts, failed("x", 1))
		}
		m := g.Message()
		checkLimits(t, m)
		if !strings.Contains(m.Body, `\"shortened\":true`) {
			t.Errorf("%q: nothing tells that something is missing", text)
		}
	}
}

// checkLimits holds a message to what SNS takes, and to what is safe to show.
func checkLimits(t *testing.T, m notify.Message) {
	t.Helper()
	if m.Subject == "" || len(m.Subject) > 100 || strings.ContainsFunc(m.Subject, func(r rune) bool { return r < ' ' || r > '~' }) || m.Subject[0] == ' ' {
		t.Errorf("subject %q", m.Subject)
	}
	size := len(m.Body) + len(m.Subject)
	for _, a := range m.Attributes {
		size += len(a.Name) + len(a.Type) + len(a.Value)
		if a.Value == "" || !utf8.ValidString(a.Value) || strings.ContainsFunc(a.Value, unicode.IsControl) {
			t.Errorf("attribute %+v", a)
		}
		var list []string
		if a.Type == "String.Array" && (json.Unmarshal([]byte(a.Value), &list) != nil || len(list) == 0) {
			t.Errorf("attribute %+v is no list", a)
		}
	}
	if size > notify.MaxBytes || !utf8.ValidString(m.Body) {
		t.Errorf("message of %d bytes", size)
	}
	texts := bodies(t, m)
	if len(texts) != 3 || !json.Valid([]byte(texts["default"])) || texts["default"] == "{}" {
		t.Errorf("texts %v", texts)
	}
	if len(texts["sms"]) > 140 || strings.ContainsFunc(texts["email"], func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) {
		t.Errorf("sms %q, mail %q", texts["sms"], texts["email"])
	}
}

// FuzzMessage: whatever an attacker gets into an alert, the message is within SNS's limits, valid, and safe to show.
func FuzzMessage(f *testing.F) {
	for _, a := range []*event.Alert{failed("web1", 1), hostile("x\x00\""), {}} {
		text, err := json.Marshal(a)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"rule":{"id":-1,"level":-99999999999,"description":" é","groups":["",""]},"time":"0001-01-01T00:00:00Z","agent":{"profile":" \n"}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		a := &event.Alert{}
		if json.Unmarshal(text, a) != nil {
			return
		}
		for _, g := range notify.Groups([]*event.Alert{a, failed("web1", 1), a}) {
			checkLimits(t, g.Message())
		}
	})
}
