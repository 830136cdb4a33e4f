package rule_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/osxml"
	"github.com/yagura-hids/yagura/internal/pattern"
	"github.com/yagura-hids/yagura/internal/rule"
)

// templates are the rules that every ruleset begins with, and rule 100, below which the tests hang theirs.
const templates = `<group name="tpl,">
<rule id="1" level="0" noalert="1"><category>syslog</category></rule>
<rule id="2" level="0" noalert="1"><category>firewall</category></rule>
<rule id="6" level="0" noalert="1"><category>windows</category></rule></group>
<group name="base,"><rule id="100" level="1"><description>all</description></rule></group>
`

// errNoList is what these tests' lists of another name come to.
var errNoList = errors.New("no such list")

// bench is a tree with the index of its patterns, ready to judge one event after another.
type bench struct {
	tree    *rule.Tree
	index   *pattern.Index
	subject rule.Subject
	text    pattern.Text
	hits    pattern.Hits
}

func tryLoad(tb testing.TB, files ...string) (*bench, error) { return tryLoadAs(tb, false, files...) }

// tryLoadAs loads files in OSSEC's dialect or in Wazuh's.
func tryLoadAs(tb testing.TB, wazuh bool, files ...string) (*bench, error) {
	tb.Helper()
	var patterns []*pattern.Pattern
	b := rule.NewBuilder(rule.Outside{
		Wazuh: wazuh,
		Number: func(p *pattern.Pattern) int {
			patterns = append(patterns, p)
			return len(patterns) - 1
		},
		Decoder: func(name string) (int, bool) {
			id := slices.Index([]string{"child", "sshd", "su", "cron", "web", "pam", "sudo"}, name)
			return id, id >= 0
		},
		List: func(name string) (map[string]string, error) {
			if name != "rules/list" {
				return nil, errNoList
			}
			return map[string]string{"joe": "bad", "jim": "good", "192.0.2.1": "one", "10.9.": "net", "10.": "bignet"}, nil
		},
	})
	for i, src := range files {
		name := fmt.Sprintf("f%d.xml", i+1)
		roots, err := osxml.Parse(name, []byte(src))
		if err != nil {
			return nil, err
		}
		b.Add(name, roots)
	}
	tree, err := b.Build()
	return &bench{tree: tree, index: pattern.NewIndex(patterns)}, err
}

// load loads the templates and the rules, wrapped in a group.
func load(tb testing.TB, rules string) *bench {
	tb.Helper()
	b, err := tryLoad(tb, templates, group(rules))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func group(rules string) string { return `<group name="test,">` + rules + `</group>` }

// at is the time of the tests' events: a Wednesday, noon.
var at = time.Date(2026, 11, 4, 12, 0, 0, 0, time.UTC)

func newEvent(log string) *event.Decoded {
	d := &event.Decoded{}
	d.Reset(&event.Event{Time: at, Location: "here", Text: log})
	d.Log, d.FullLog, d.Hostname = log, log, "web1"
	return d
}

// judge returns the id of the rule that holds, 0 for none, leaving out what composite rules ask of the past.
func (b *bench) judge(d *event.Decoded) int {
	b.text.Reset(d.Log)
	b.index.Scan(&b.text, &b.hits)
	b.subject.Reset(d, &b.text, &b.hits)
	if r := b.check(b.tree.Top(d.Category)); r != nil {
		return r.ID
	}
	return 0
}

func (b *bench) check(r *rule.Rule) *rule.Rule {
	if r == nil || !r.Matches(&b.subject) {
		return nil
	}
	for _, c := range r.Children(b.subject.DecoderID) {
		if matches := c.Matches(&b.subject); matches && !c.Possible(&b.subject) {
			panic("a rule matches that is not possible")
		}
		if found := b.check(c.Rule); found != nil {
			return found
		}
	}
	if r.NoAlert {
		return nil
	}
	return r
}

func below100(id int, attrs, elements string) string {
	return fmt.Sprintf(`<rule id="%d" %s><if_sid>100</if_sid>%s</rule>`, id, attrs, elements)
}

func TestOrder(t *testing.T) {
	siblings := below100(101, `level="5"`, "") + below100(102, `level="5"`, "") + below100(103, `level="7"`, "<match>seven</match>") +
		below100(104, `level="0"`, "<match>zero</match>") + below100(105, `level="12" accuracy="0"`, "")
	for _, tt := range []struct {
		name, rules, log string
		want             int
	}{
		{"of one level the first", siblings, "plain", 101},
		{"the higher level first", siblings, "seven", 103},
		{"level 0 before all", siblings, "zero seven", 104},
		{"accuracy 0 last", below100(105, `level="12" accuracy="0"`, "") + below100(101, `level="5"`, ""), "x", 101},
		{"of accuracy 0 the higher level first", below100(101, `level="3" accuracy="0"`, "") + below100(102, `level="12" accuracy="0"`, ""), "x", 102},
		{"an overwritten rule's new level counts for those read later", below100(101, `level="0"`, "<match>NEVER</match>") +
			`<rule id="101" level="3" overwrite="yes"><match>x</match></rule>` + below100(102, `level="7"`, ""), "x", 102},
		{"a trailing comma is no parent", `<rule id="102" level="5"><if_sid>100, </if_sid><match>foo</match></rule>` +
			`<rule id="100" level="1" overwrite="yes"><match>NEVER</match></rule>`, "nothing but foo", 0},
		{"if_level goes below all that are asked so early", `<rule id="110" level="8"><if_level>5</if_level><match>foo</match></rule>`, "foo", 110},
		{"if_level leaves lower ones out", `<rule id="101" level="3"><category>windows</category></rule>` +
			`<rule id="110" level="8"><if_level>5</if_level><match>foo</match></rule>`, "bar", 100},
		{"an id has six digits", `<rule id="1234567" level="5"><match>x</match></rule>`, "x", 123456},
		{"noalert alone is nothing", below100(101, `level="9" noalert="0"`, ""), "x", 100},
		{"noalert counts through a child", below100(101, `level="9" noalert="0"`, "") + `<rule id="102" level="1"><if_sid>101</if_sid></rule>`, "x", 102},
		{"group texts are joined as written", `<rule id="101" level="9"><group>gg</group></rule><rule id="102" level="1"><if_group>t,gg</if_group></rule>`, "x", 102},
		{"if_matched_group stands for if_group", `<rule id="101" level="9"><group>gg</group></rule>` +
			`<rule id="102" level="1"><if_matched_group>gg</if_matched_group></rule>`, "x", 102},
		{"if_matched_sid stands for if_sid", `<rule id="101" level="9"></rule>` +
			`<rule id="102" level="1"><if_matched_sid>101</if_matched_sid></rule>`, "x", 102},
		{"repeated texts are joined", below100(101, `level="9"`, "<match>foo|</match><match>bar</match>"), "xx bar", 101},
		{"an overwritten rule keeps its place", below100(101, `level="4"`, "") + below100(102, `level="5"`, "") +
			`<rule id="101" level="14" overwrite="yes"><description>x</description></rule>`, "x", 102},
		{"an overwritten rule keeps its children", below100(101, `level="4"`, "") + `<rule id="102" level="1"><if_sid>101</if_sid></rule>` +
			`<rule id="101" level="4" overwrite="yes"><if_sid>1</if_sid></rule>`, "x", 102},
		{"a rule below two parents", below100(101, `level="4"`, "<match>a</match>") + below100(102, `level="4"`, "<match>b</match>") +
			`<rule id="103" level="3"><if_sid>101, 102</if_sid><match>c</match></rule>`, "b c", 103},
		{"the category chooses the top", `<rule id="101" level="9"><category>firewall</category></rule>`, "x", 100},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if strings.Contains(tt.rules, "></rule>") {
				tt.rules = strings.ReplaceAll(tt.rules, "></rule>", "><description>d</description></rule>")
			}
			if got := load(t, tt.rules).judge(newEvent(tt.log)); got != tt.want {
				t.Errorf("%q came to rule %d, want %d", tt.log, got, tt.want)
			}
		})
	}
}

// fill gives an event the fields written as "name=value name=value"; program, host and decoder are among the names.
func fill(d *event.Decoded, fields string) *event.Decoded {
	for _, word := range strings.Fields(fields) {
		name, value, _ := strings.Cut(word, "=")
		f, static := event.ParseField(name)
		switch {
		case name == "program":
			d.Program = value
		case name == "host":
			d.Hostname = value
		case name == "decoder":
			d.DecoderID = int(value[0] - '0')
		case static:
			d.Set(f, value)
			d.Rewritten = d.Rewritten || !strings.Contains(d.Log, value)
		default:
			d.SetDynamic(name, value)
		}
	}
	return d
}

func TestConditions(t *testing.T) {
	long := strings.Repeat("x", 2000)
	for _, tt := range []struct {
		elements, log, fields string
		want                  bool
	}{
		{"<match>fo</match><match>o</match>", "a FOO b", "", true},
		{`<match>a\<b</match>`, "a<b", "", false},
		{`<match>a\<b</match>`, `a\<b`, "", true},
		{`<regex>a\<b & &lt; c</regex>`, `a<b & &lt; c`, "", true},
		{`<match>` + long + `</match><match>` + long[:40] + `</match>`, long, "", false},
		{`<match>foo</match><match_pcre2>bar</match_pcre2>`, "foo", "", true},
		{`<regex>^a\d</regex>`, "a1", "", true},
		{`<pcre2>^a[0-4]</pcre2>`, "a5", "", false},
		{`<decoded_as>sshd</decoded_as>`, "x", "decoder=1", true},
		{`<decoded_as>sshd</decoded_as>`, "x", "decoder=2", false},
		{`<decoded_as>sshd</decoded_as>`, "x", "", false},
		{`<decoded_as>child</decoded_as>`, "x", "", false},
		{`<decoded_as>su</decoded_as><decoded_as>sshd</decoded_as>`, "x", "decoder=1", true},
		{`<program_name>^ss</program_name>`, "x", "program=sshd", true},
		{`<program_name>ss</program_name>`, "x", "", false},
		{`<program_name_pcre2>^s+hd$</program_name_pcre2>`, "x", "program=SSHD", true},
		{`<hostname>web</hostname>`, "x", "", true},
		{`<hostname_pcre2>web2</hostname_pcre2>`, "x", "", false},
		{`<id>^40</id>`, "x", "id=404", true},
		{`<id>^40</id>`, "x", "", false},
		{`<url>a</url><status_pcre2>^5</status_pcre2>`, "x", "url=/a status=500", true},
		{`<url>a</url><status_pcre2>^5</status_pcre2>`, "x", "url=/a status=200", false},
		{`<srcport>22</srcport><dstport_pcre2>^2\d$</dstport_pcre2><extra_data>e</extra_data>`, "x", "srcport=22 dstport=23 data=e", true},
		{`<user>joe</user>`, "x", "srcuser=joe", true},
		{`<user>joe</user>`, "for joe", "srcuser=joe", true},
		{`<user>joe</user>`, "x", "srcuser=joe dstuser=jim", false},
		{`<user_pcre2>joe</user_pcre2>`, "x", "", false},
		{`<action>drop</action>`, "x", "action=drop", true},
		{`<action>drop</action>`, "x", "action=DROP", false},
		{`<field name="Own">^a</field>`, "x", "own=abc", true},
		{`<field name="own">^a</field><field name="other">b</field>`, "x", "own=abc", false},
		{`<srcgeoip>x</srcgeoip>`, "x", "", false},
		{`<dstip>10.0.0.0/8</dstip>`, "x", "dstip=10.1.2.3", true},
		{`<compiled_rule>comp_srcuser_dstuser</compiled_rule>`, "x", "srcuser=a", true},
		{`<compiled_rule>comp_srcuser_dstuser</compiled_rule>`, "x", "srcuser=a dstuser=b", false},
		{`<compiled_rule>check_id_size</compiled_rule>`, "x", "id=1234567890", true},
		{`<compiled_rule>check_id_size</compiled_rule>`, "x", "id=123456789", false},
		{`<compiled_rule>is_simple_http_request</compiled_rule>`, "x", "url=/a", true},
		{`<compiled_rule>is_simple_http_request</compiled_rule>`, "x", "url=/a?b", false},
		{`<compiled_rule>is_simple_http_request</compiled_rule>`, "x", "url=/a action=POST", false},
		{`<compiled_rule>is_valid_crawler</compiled_rule>`, "65.55.1.2 x", "", true},
		{`<compiled_rule>is_valid_crawler</compiled_rule>`, "x 65.55.1.2", "", false},
		{`<compiled_rule>comp_mswin_targetuser_calleruser_diff</compiled_rule>`, "Target Account Name: a b Caller User Name: c", "", true},
		{`<compiled_rule>comp_mswin_targetuser_calleruser_diff</compiled_rule>`, "Target Account Name: a b Caller User Name: a", "", false},
		{`<compiled_rule>comp_mswin_targetuser_calleruser_diff</compiled_rule>`, "Target Account Name: a", "", false},
		{`<weekday>wednesday</weekday><time>11:30 am - 12:30 pm</time>`, "x", "", true},
		{`<weekday>weekends</weekday>`, "x", "", false},
	} {
		want := 100
		if tt.want {
			want = 101
		}
		if got := load(t, below100(101, `level="5"`, tt.elements)).judge(fill(newEvent(tt.log), tt.fields)); got != want {
			t.Errorf("%.120s on %.60q %s: rule %d, want %d", tt.elements, tt.log, tt.fields, got, want)
		}
	}
}

func TestMaxsize(t *testing.T) {
	b := load(t, below100(101, `level="5" maxsize="10"`, "<description>x</description>"))
	for size, want := range map[int]int{9: 100, 10: 101, 11: 101} {
		if got := b.judge(newEvent(strings.Repeat("x", size))); got != want {
			t.Errorf("%d bytes: rule %d, want %d", size, got, want)
		}
	}
}

func TestAddresses(t *testing.T) {
	ips := []string{"192.168.1.5", "10.1.2.3", "8.8.8.8", "hostx", "2001:db8::1", "::ffff:8.8.8.8", "7", "010.1.515", "0x8.8.8.8", "fe80::1%eth0", "1.2.3.4.5", "08"}
	for _, tt := range []struct{ entries, want string }{
		{"192.168.0.0/16 8.8.8.8", "Y n Y n n Y n n Y n n n"},
		{"!192.168.0.0/16", "n Y Y n Y Y Y Y Y Y n n"},
		{"!192.168.0.0/16 !8.8.8.8", "n Y n n Y n Y Y n Y n n"},
		{"8.8.8.8 !192.168.0.0/16", "n Y Y n Y Y Y Y Y Y n n"},
		{"!192.168.0.0/16 8.8.8.8", "n n Y n n Y n n Y n n n"},
		{"any", "Y Y Y n Y Y Y Y Y Y n n"},
		{"!any", "n n n n n n n n n n n n"},
		{"0.0.0.0/0", "Y Y Y n Y Y Y Y Y Y n n"},
		{"2001:db8::/32", "n n n n Y n n n n n n n"},
		{"10.66051", "n Y n n n n n n n n n n"},
		{"8.1.515", "n n n n n n n Y n n n n"},
		{"fe80::/16", "n n n n n n n n n Y n n"},
		{"192.168.261", "Y n n n n n n n n n n n"},
	} {
		var elements strings.Builder
		for e := range strings.FieldsSeq(tt.entries) {
			elements.WriteString("<srcip>" + e + "</srcip>")
		}
		b := load(t, below100(101, `level="5"`, elements.String()))
		var got []string
		for _, ip := range ips {
			if b.judge(fill(newEvent("x"), "srcip="+ip)) == 101 {
				got = append(got, "Y")
			} else {
				got = append(got, "n")
			}
		}
		if s := strings.Join(got, " "); s != tt.want {
			t.Errorf("%s: %s, want %s", tt.entries, s, tt.want)
		}
	}
}

func TestTime(t *testing.T) {
	for _, tt := range []struct{ element, yes, no string }{
		{"<time>6 pm - 8:30 am</time>", "18:01 23:59 00:00 08:29", "18:00 08:30 12:00"},
		{"<time>18:00-08:30</time>", "18:01 08:29", "18:00 08:30 12:00"},
		{"<time>8:30 AM - 6PM</time>", "08:30 18:00 12:00", "08:29 18:01"},
		{"<time>! 8:30 - 18</time>", "08:29 18:01", "08:30 18:00"},
		{"<time>!6 pm - 8:30 am</time>", "18:00 08:30 12:00", "18:01 08:29"},
		{"<time>12 am - 1 am</time>", "00:00 01:00", "12:00 01:01"},
		{"<time>12 pm - 1 pm</time>", "12:00 13:00", "00:30"},
		{"<time>0 - 24:00</time>", "00:00 23:59", ""},
		{"<time>7 - 7</time>", "07:00", "07:01"},
	} {
		b := load(t, below100(101, `level="5"`, tt.element))
		for want, clocks := range map[int]string{101: tt.yes, 100: tt.no} {
			for clock := range strings.FieldsSeq(clocks) {
				d := newEvent("x")
				var err error
				if d.Time, err = time.Parse("15:04", clock); err != nil {
					t.Fatal(err)
				}
				if got := b.judge(d); got != want {
					t.Errorf("%s at %s: rule %d, want %d", tt.element, clock, got, want)
				}
			}
		}
	}
}

func TestWeekday(t *testing.T) {
	for days, want := range map[string]string{
		"monday, tue": "YYnnnnn", "weekdays": "YYYYYnn", "Weekends": "nnnnnYY", "!monday": "nYYYYYY", "sat sunday": "nnnnnYY",
	} {
		b := load(t, below100(101, `level="5"`, "<weekday>"+days+"</weekday>"))
		got := ""
		for day := range 7 {
			d := newEvent("x")
			d.Time = time.Date(2026, 11, 2+day, 12, 0, 0, 0, time.UTC) // from a Monday on
			got += map[bool]string{true: "Y", false: "n"}[b.judge(d) == 101]
		}
		if got != want {
			t.Errorf("%s: %s, want %s", days, got, want)
		}
	}
}

func TestLists(t *testing.T) {
	for _, tt := range []struct {
		attrs, fields string
		want          bool
	}{
		{`field="user"`, "dstuser=joe", true},
		{`field="user"`, "dstuser=joe srcuser=al", false},
		{`field="user"`, "", false},
		{`field="user" lookup="not_match_key"`, "dstuser=al", true},
		{`field="user" lookup="not_match_key"`, "", false},
		{`field="user" lookup="match_key_value" check_value="^b"`, "dstuser=joe", true},
		{`field="user" lookup="match_key_value" check_value="^b"`, "dstuser=jim", false},
		{`field="user" lookup="match_key_value" check_value="^b"`, "dstuser=al", false},
		{`field="srcip" lookup="address_match_key"`, "srcip=10.9.1.1", true},
		{`field="srcip" lookup="address_match_key"`, "srcip=192.0.2.2", false},
		{`field="srcip" lookup="not_address_match_key"`, "srcip=192.0.2.2", true},
		{`field="srcip" lookup="address_match_key_value" check_value="net"`, "srcip=10.9.1.1", true},
		{`field="srcip" lookup="address_match_key_value" check_value="^big"`, "srcip=10.8.1.1", true},
		{`field="srcip" lookup="address_match_key_value" check_value="^big"`, "srcip=10.9.1.1", false},
		{`field="srcip" lookup="address_match_key_value" check_value="net"`, "srcip=2001:db8::1", false},
		{`field="program_name"`, "program=joe", true},
		{`field="program_name"`, "", false},
		{`field="hostname"`, "host=jim", true},
	} {
		b := load(t, below100(101, `level="5"`, `<list `+tt.attrs+`>rules/list</list>`))
		if got := b.judge(fill(newEvent("x"), tt.fields)) == 101; got != tt.want {
			t.Errorf("<list %s> with %s: %t, want %t", tt.attrs, tt.fields, got, tt.want)
		}
	}
}

func TestOverwrite(t *testing.T) {
	b := load(t, below100(101, `level="5"`, `<pcre2>evt\d</pcre2>`)+
		`<rule id="101" level="7" overwrite="yes"><pcre2>zzz</pcre2><group>new,</group><description>new</description></rule>`)
	for log, want := range map[string]int{"evt1": 100, "zzz": 101} {
		if got := b.judge(newEvent(log)); got != want {
			t.Errorf("%s: rule %d, want %d: all conditions are replaced", log, got, want)
		}
	}
	if r := b.tree.Rule(101); r.Level != 7 || r.Description != "new" || r.GroupText != "test,new," {
		t.Errorf("after the overwrite: %+v", r)
	}
}

func TestAlert(t *testing.T) {
	b := load(t, below100(101, `level="7"`, "<description>one\ntwo\n</description><description>three</description><group>a, b</group>"+
		`<info>note</info><info type="link">https://example.net</info><cve>2024-1</cve>`)+
		below100(102, `level="3"`, "<options>alert_by_email</options>")+below100(103, `level="9"`, "<options>no_email_alert</options>")+
		below100(104, `level="9"`, "<options>no_log</options>")+below100(105, `level="2"`, "<options>log_alert</options>")+
		below100(106, `level="9"`, "<options>no_log</options><options>log_alert</options>")+below100(107, `level="0"`, "<options>log_alert</options>"))
	a := b.tree.Rule(101).Alert(newEvent(""), 7)
	if a.Description != "one two\nthree" || !slices.Equal(a.Groups, []string{"test", "a", "b"}) || a.GroupText != "test,a, b" {
		t.Errorf("description %q, groups %q of %q", a.Description, a.Groups, a.GroupText)
	}
	if want := []event.Info{{Type: "text", Text: "note"}, {Type: "link", Text: "https://example.net"}, {Type: "cve", Text: "2024-1"}}; !slices.Equal(a.Info, want) ||
		!slices.Equal(a.CVE, []string{"2024-1"}) {
		t.Errorf("info %v, cve %v", a.Info, a.CVE)
	}
	for id, want := range map[int][2]bool{101: {true, true}, 102: {true, false}, 103: {false, true}, 104: {true, false}, 105: {false, true}, 106: {true, true}, 107: {false, false}} {
		r := b.tree.Rule(id)
		if mail, recorded := r.Alert(newEvent(""), 7).Mail, r.Recorded(5); mail != want[0] || recorded != want[1] {
			t.Errorf("rule %d: mail %t, recorded %t, want %v", id, mail, recorded, want)
		}
	}
}

func TestCounters(t *testing.T) {
	b := load(t, below100(101, `level="5"`, "<group>fail,</group>")+below100(102, `level="5"`, "<group>fail,</group>")+
		`<rule id="103" level="4"><if_sid>101, 102</if_sid><group>fail,</group></rule>`+
		`<rule id="104" level="8" frequency="2"><if_matched_sid>0102</if_matched_sid></rule>`+
		`<rule id="105" level="8" frequency="2" timeframe="500"><if_matched_group>fail</if_matched_group></rule>`+
		below100(106, `level="5"`, "<group>fail,</group>")+below100(107, `level="0"`, "<group>fail,</group>")+
		below100(108, `level="8" frequency="2" timeframe="400"`, "<if_matched_sid>106</if_matched_sid>")+
		below100(109, `level="5"`, "<group>fail,</group>"))
	for id, want := range map[int][]string{
		101: {"105 x 1"}, 102: {"104 x 1"}, 103: {"105 x 2"}, 104: nil, 106: {"108 x 1"}, 107: nil, 109: nil,
	} {
		var got []string
		for _, c := range b.tree.Counters(id) {
			got = append(got, fmt.Sprintf("%d x %d", c.ID, c.Times))
		}
		if !slices.Equal(got, want) {
			t.Errorf("rule %d is counted by %q, want %q", id, got, want)
		}
	}
}

func TestFaults(t *testing.T) {
	for _, tt := range []struct{ src, want string }{
		{"", "the file holds no group of rules"},
		{`<rule id="101" level="5"><match>a</match></rule>`, "f2.xml:1:1: <rule> is no group with a name"},
		{`<group><rule id="101" level="5"><match>a</match></rule></group>`, "is no group with a name"},
		{`<group name="a" b="c"><rule id="101" level="5"><match>a</match></rule></group>`, "is no group with a name"},
		{`<group name="a"></group>`, "holds no rules"},
		{group(`<decoder name="a"/>`), "f2.xml:1:21: <decoder> is no rule"},
		{group(`<rule level="5"><match>a</match></rule>`), "the rule has no id"},
		{group(`<rule id="101"><match>a</match></rule>`), "rule 101 has no level"},
		{group(`<rule id="101" level="5"></rule>`), "rule 101 is empty"},
		{group(`<rule id="1x" level="5"><match>a</match></rule>`), `id="1x" is no number`},
		{group(`<rule id="101" level="+5"><match>a</match></rule>`), `level="+5" is no number`},
		{group(`<rule id="101" level="5" frequancy="2"><match>a</match></rule>`), "unknown attribute frequancy of a rule: did you mean frequency?"},
		{group(`<rule id="101" level="5" overwrite="1"><match>a</match></rule>`), `overwrite="1"`},
		{group(below100(101, `level="5"`, "<protocol>tcp</protocol>")), "rule 101: unknown element <protocol>"},
		{group(below100(101, `level="5"`, "<mtach>a</mtach>")), "did you mean match?"},
		{group(below100(101, `level="5"`, "<regex>(</regex>")), "rule 101: <regex>: pattern"},
		{group(below100(101, `level="5"`, "<match_pcre2>[</match_pcre2>")), "rule 101: <match_pcre2>: pattern"},
		{group(below100(101, `level="5"`, "<field>a</field>")), "<field> has no name"},
		{group(below100(101, `level="5"`, "<options>alert_by_mail</options>")), "did you mean alert_by_email?"},
		{group(below100(101, `level="5"`, `<info type="osvbd">1</info>`)), `<info type="osvbd">`},
		{group(below100(101, `level="5"`, "<decoded_as>nobody</decoded_as>")), `decoded_as "nobody": no such decoder`},
		{group(below100(101, `level="5"`, "<compiled_rule>x</compiled_rule>")), `no compiled_rule "x"`},
		{group(below100(101, `level="5"`, "<srcip>10.0.0.0/255.0.0.0</srcip>")), "<srcip>:"},
		{group(below100(101, `level="5"`, "<srcip>192.168.</srcip>")), "is no address"},
		{group(below100(101, `level="5"`, "<ignore>srcport</ignore>")), "<ignore> names no field"},
		{group(below100(101, `level="5"`, "<check_if_ignored>x</check_if_ignored>")), "name one or more of"},
		{group(below100(101, `level="5"`, "<srcip>192.168.1.0/33</srcip>")), "want /0 to /32"},
		{group(below100(101, `level="5"`, "<dstip>1.2.3.4.5</dstip>")), "is no address"},
		{group(below100(101, `level="5"`, "<time>noon</time>")), "is no time range"},
		{group(below100(101, `level="5"`, "<time>25:00 - 3</time>")), "25:00 is no time of day"},
		{group(below100(101, `level="5"`, "<time>3 - 10:60</time>")), "10:60 is no time of day"},
		{group(below100(101, `level="5"`, "<weekday>moonday</weekday>")), `"moonday" is no weekday`},
		{group(below100(101, `level="5"`, "<weekday>!</weekday>")), "no weekday is named"},
		{group(below100(101, `level="5"`, `<list field="usr">rules/list</list>`)), "did you mean user?"},
		{group(below100(101, `level="5"`, `<list field="user" lookup="match">rules/list</list>`)), `<list lookup="match">: no such lookup`},
		{group(below100(101, `level="5"`, `<list field="user" lookup="match_key_value">rules/list</list>`)), "check_value is missing"},
		{group(below100(101, `level="5"`, `<list field="user">rules/other</list>`)), "list rules/other: no such list"},
		{group(below100(101, `level="5" frequency="3"`, "<match>a</match>")), "no if_matched_* says which"},
		{group(below100(101, `level="5"`, "<same_source_ip/>")), "no if_matched_* says which"},
		{group(below100(101, `level="5"`, "<different_url/>")), "no if_matched_* says which"},
		{group(below100(101, `level="5"`, "<if_matched_sid>999</if_matched_sid>")), "if_matched_sid 999: no such rule"},
		{group(`<rule id="101" level="5"><if_sid>100;1</if_sid></rule>`), `"100;1" is no rule id`},
		{group("<rule id=\"101\" level=\"5\"><if_sid>100,\n1</if_sid></rule>"), "is no rule id"},
		{group(`<rule id="101" level="5"><if_sid> </if_sid></rule>`), "if_sid names no rule"},
		{group(`<rule id="101" level="5"><if_sid>99</if_sid></rule>`), "if_sid 99: no such rule: did you mean 100"},
		{group(`<rule id="101" level="5"><if_sid>101</if_sid></rule>`), "if_sid 101: no such rule"},
		{group(`<rule id="101" level="5"><if_level>0</if_level></rule>`), `if_level "0"`},
		{group(`<rule id="101" level="5"><if_group>nobody</if_group></rule>`), `no rule so far has group "nobody"`},
		{group(`<rule id="101" level="5"><if_matched_group>nobody</if_matched_group></rule>`), `no rule so far has group "nobody"`},
		{group(`<rule id="101" level="5"><category>host-information</category></rule>`), `no category "host-information"`},
		{group(`<rule id="101" level="5"><category>squid</category></rule>`), "no template for category squid"},
		{group(`<rule id="101" level="5" overwrite="yes"><match>a</match></rule>`), "rule 101: overwrite, but there is no such rule"},
		{group(`<rule id="100" level="5"><match>a</match></rule>`), "rule 100 is defined twice: give it another id, or write overwrite=\"yes\"; the first is at f1.xml:5:"},
	} {
		_, err := tryLoad(t, templates, tt.src)
		var faults *osxml.FaultError
		if !errors.As(err, &faults) || len(faults.Faults) != 1 || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s:\n got %v\nwant %s", tt.src, err, tt.want)
		}
	}
}

// What OSSEC's XML reader refuses reaches the author as well.
func TestNoXML(t *testing.T) {
	for _, src := range []string{`<group name="a"><rule id ="101" level="5"></rule></group>`, `<group name="a>b"><rule/></group>`} {
		if _, err := tryLoad(t, src); err == nil {
			t.Errorf("%s loaded", src)
		}
	}
}

func TestAllFaults(t *testing.T) {
	_, err := tryLoad(t, templates, group(below100(101, `level="x"`, "<regex>(</regex><srcip>a</srcip>")+"\n"+below100(102, `level="5"`, "<if_sid>1</if_sid><time>x</time>")),
		group(below100(101, `level="5"`, "<if_matched_sid>5</if_matched_sid>")+"\n"+`<rule id="103" level="1"><if_sid>7, 8</if_sid></rule>`))
	var faults *osxml.FaultError
	if !errors.As(err, &faults) {
		t.Fatal(err)
	}
	var places []string
	for _, f := range faults.Faults {
		places = append(places, strings.TrimSuffix(f.Pos.String(), fmt.Sprintf(":%d", f.Pos.Col)))
	}
	want := []string{"f2.xml:1", "f2.xml:1", "f2.xml:1", "f2.xml:2", "f2.xml:2", "f3.xml:1", "f3.xml:2", "f3.xml:2"}
	if !slices.Equal(places, want) {
		t.Errorf("faults at %q, want %q:\n%v", places, want, err)
	}
}
