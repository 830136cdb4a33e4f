package ruleview

import (
	"fmt"
	"slices"
	"strings"

	"github.com/yagura-hids/yagura/internal/pattern"
	"github.com/yagura-hids/yagura/internal/rule"
)

// subjects are what elements look at, in words.
var subjects = map[string]string{
	"match": "the log", "regex": "the log", "pcre2": "the log", "match_pcre2": "the log", "program_name": "the program", "hostname": "the host",
	"decoded_as": "the decoder", "time": "the time of day", "weekday": "the day", "extra_data": "the extra data",
}

// Words says what a condition asks.
func Words(c rule.Condition) string {
	name, of, _ := strings.Cut(c.Element, " ")
	subject := subjects[strings.TrimSuffix(name, "_pcre2")]
	if subject == "" {
		subject = subjects[name]
	}
	if subject == "" {
		subject = "the " + strings.TrimSuffix(name, "_pcre2")
	}
	how := ""
	if c.How != "" {
		how = " (" + c.How + ")"
	}
	switch {
	case name == "field":
		subject = "the field " + of
	case name == "list":
		return fmt.Sprintf("the %s is looked up in the list %s%s", of, c.Text, how)
	case name == "maxsize":
		return "the log is " + c.Text + " bytes long, or longer"
	case name == "compiled_rule":
		return c.Text + " holds"
	}
	switch {
	case c.Pattern == nil && (name == "srcip" || name == "dstip"):
		return subject + " is one of " + c.Text + how
	case c.Pattern == nil:
		return subject + " is " + c.Text + how
	case c.Pattern.Dialect() == pattern.OSMatch:
		return subject + " " + plainly(c.Text) + how
	}
	return fmt.Sprintf("%s matches %s (%s)%s", subject, c.Text, c.Pattern.Dialect(), how)
}

// plainly says what an OS_Match pattern asks of its subject.
func plainly(text string) string {
	var list []string
	last := ""
	for piece := range strings.SplitSeq(text, "|") {
		body, start := strings.CutPrefix(piece, "^")
		body, end := strings.CutSuffix(body, "$")
		verb := "holds"
		switch {
		case start && end:
			verb = "is"
		case start:
			verb = "begins with"
		case end:
			verb = "ends with"
		}
		if verb == last {
			list = append(list, quoted(body))
			continue
		}
		list, last = append(list, verb+" "+quoted(body)), verb
	}
	return strings.Join(list, " or ")
}

func quoted(s string) string { return "'" + s + "'" }

// Conditions says what all a rule asks, of the event and of earlier ones.
func Conditions(t *rule.Tree, r *rule.Rule) []string {
	var list []string
	for _, c := range t.Conditions(r) {
		list = append(list, Words(c))
	}
	if r.CheckDiff {
		list = append(list, "the log differs from the last one of this host")
	}
	if r.FirstSeen {
		list = append(list, "what the decoder's fts names is seen for the first time")
	}
	if len(r.IgnoredFields) > 0 {
		list = append(list, "nothing with its "+strings.Join(r.IgnoredFields, ", ")+" is on the ignore list")
	}
	if r.Correlation != nil {
		list = append(list, earlier(r))
	}
	return list
}

// earlier says what a composite rule asks of earlier events.
func earlier(r *rule.Rule) string {
	c := r.Correlation
	what := map[rule.Kind]string{rule.BySID: "rule ", rule.ByGroup: "the groups ", rule.ByRegex: "any rule, whose log matches "}[c.Kind] +
		written(r, "if_matched_sid", "if_matched_group", "if_matched_regex", "if_matched_regex_pcre2")
	text := fmt.Sprintf("%d or more earlier events of %s within %d seconds", c.Frequency+1, what, c.Timeframe)
	same := slices.Clone(c.Same)
	if c.Location {
		same = append(same, "location")
	}
	if len(same) > 0 {
		text += ", with the same " + strings.Join(same, ", ")
	}
	if len(c.Different) > 0 {
		text += ", with another " + strings.Join(c.Different, ", ")
	}
	return text
}

// written returns the text of the first of the elements that the rule has.
func written(r *rule.Rule, names ...string) string {
	text := ""
	for _, e := range r.Written().Children {
		if slices.Contains(names, strings.ToLower(e.Name)) {
			text += e.Content
		}
	}
	return strings.TrimSpace(text)
}
