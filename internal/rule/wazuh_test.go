package rule_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/yagura-hids/yagura/internal/event"
)

func loadWazuh(tb testing.TB, rules string) *bench {
	tb.Helper()
	b, err := tryLoadAs(tb, true, templates, group(rules))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func TestWazuhConditions(t *testing.T) {
	for _, tt := range []struct {
		elements, log, fields string
		want                  bool
	}{
		{`<match negate="yes">foo</match>`, "a bar b", "", true},
		{`<match negate="yes">foo</match>`, "a FOO b", "", false},
		{`<match negate="no">foo</match>`, "a foo b", "", true},
		{`<match>!foo</match>`, "a foo b", "", false},
		{`<match>!foo</match>`, "a bar b", "", true},
		{`<match negate="yes">!foo</match>`, "a foo b", "", true},
		{`<regex type="osmatch">!foo</regex>`, "a foo b", "", false},
		{`<match type="osregex">^\d+ </match>`, "12 b", "", true},
		{`<match type="pcre2">^[A-C]</match>`, "Ab", "", true},
		{`<match type="pcre2">^[A-C]</match>`, "ab", "", false},
		{`<match type="PCRE2">(?i)^[A-C]</match>`, "ab", "", true},
		{`<regex type="pcre2" negate="yes">Foo$</regex>`, "foo", "", true},
		{`<regex type="pcre2" negate="yes">Foo$</regex>`, "Foo", "", false},
		{`<regex>^a\d</regex>`, "A1", "", true},
		{`<match type="pcre2">f</match><match type="osmatch">^oo</match>`, "foo", "", false},
		{`<user negate="yes">joe</user>`, "x", "srcuser=jim", true},
		{`<user negate="yes">joe</user>`, "x", "srcuser=joe", false},
		{`<user negate="yes">joe</user>`, "x", "", false},
		{`<protocol>^tcp$</protocol>`, "x", "protocol=TCP", true},
		{`<protocol>tcp</protocol>`, "x", "", false},
		{`<system_name type="osregex">^s\d</system_name>`, "x", "system_name=s1", true},
		{`<location>^he</location>`, "x", "", true},
		{`<location negate="yes">^he</location>`, "x", "", false},
		{`<data type="pcre2">^[a-f]+$</data>`, "x", "data=abc", true},
		{`<data>abc</data>`, "x", "extra_data=abc", false},
		{`<extra_data>abc</extra_data>`, "x", "extra_data=abc", true},
		{`<program_name negate="yes">sshd</program_name>`, "x", "program=su", true},
		{`<program_name negate="yes">sshd</program_name>`, "x", "", false},
		{`<action>drop</action>`, "x", "action=DROP", false},
		{`<action negate="yes">drop</action>`, "x", "action=DROP", true},
		{`<action type="osmatch">dro</action>`, "x", "action=DROP", true},
		{`<action type="osmatch" negate="yes">dro</action>`, "x", "", false},
		{`<srcip negate="yes">10.0.0.0/8</srcip>`, "x", "srcip=192.0.2.1", true},
		{`<srcip negate="yes">10.0.0.0/8</srcip>`, "x", "srcip=10.1.1.1", false},
		{`<srcip negate="yes">10.0.0.0/8</srcip>`, "x", "", false},
		{`<dstip negate="no">10.0.0.0/8</dstip>`, "x", "dstip=10.1.1.1", true},
		{`<field name="win.id">^4\d+$</field>`, "x", "win.id=4625", true},
		{`<field name="win.id" negate="yes">^4\d+$</field>`, "x", "win.id=4625", false},
		{`<field name="win.id" negate="yes">^4\d+$</field>`, "x", "", false},
		{`<field name="win.id" type="osmatch">46</field><field name="Win.ID" type="pcre2">^4</field>`, "x", "win.id=4625", true},
		{`<field name="srcip">^10</field>`, "x", "srcip=10.1.1.1", true},
		{`<list field="srcuser">rules/list</list>`, "x", "srcuser=joe", true},
		{`<list field="win.user" lookup="match_key_value" check_value="^b">rules/list</list>`, "x", "win.user=joe", true},
		{`<list field="win.user" lookup="match_key_value" check_value="^b">rules/list</list>`, "x", "win.user=jim", false},
		{`<list field="win.user" lookup="not_match_key">rules/list</list>`, "x", "", false},
		{`<list field="win.ip" lookup="address_match_key">rules/list</list>`, "x", "win.ip=10.9.1.1", true},
		{`<list field="protocol">rules/list</list>`, "x", "protocol=joe", true},
	} {
		want := 100
		if tt.want {
			want = 101
		}
		d := fill(newEvent(tt.log), tt.fields)
		if data, ok := strings.CutPrefix(tt.fields, "data="); ok { // Wazuh's is no other name of extra_data
			d.SetDynamic("data", data)
		}
		if got := loadWazuh(t, below100(101, `level="5"`, tt.elements)).judge(d); got != want {
			t.Errorf("%s on %q %s: rule %d, want %d", tt.elements, tt.log, tt.fields, got, want)
		}
	}
}

// A rule's conditions see the fields of their own event only, and looking at them costs no memory.
func TestWazuhFieldsOfOneEvent(t *testing.T) {
	b := loadWazuh(t, below100(101, `level="5"`, `<field name="a">^x$</field>`)+below100(102, `level="4"`, `<field name="b">^x$</field>`))
	a, none, second := fill(newEvent("x"), "a=x"), newEvent("x"), fill(newEvent("x"), "a=y b=x")
	for range 2 {
		for _, tt := range []struct {
			d    *event.Decoded
			want int
		}{{a, 101}, {none, 100}, {second, 102}} {
			if got := b.judge(tt.d); got != tt.want {
				t.Errorf("rule %d, want %d", got, tt.want)
			}
		}
	}
	if n := testing.AllocsPerRun(10, func() { b.judge(second) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestWazuhCorrelation(t *testing.T) {
	for _, tt := range []struct {
		elements        string
		same, different []string
		location, other bool
	}{
		{"<same_source_ip/><same_srcip/>", []string{"srcip"}, nil, false, false},
		{"<same_src_port/><same_dstport/><same_srcuser/>", []string{"srcport", "dstport", "srcuser"}, nil, false, false},
		{"<same_user/><not_same_user/>", []string{"dstuser"}, []string{"dstuser"}, false, false},
		{"<same_url/><same_id/><different_protocol/><different_srcip/>", []string{"url", "id"}, []string{"protocol", "srcip"}, false, false},
		{"<same_field>win.a.b</same_field><same_field>srcip</same_field>", []string{"win.a.b", "srcip"}, nil, false, false},
		{"<not_same_field>x</not_same_field><different_field>y</different_field>", nil, []string{"x", "y"}, false, false},
		{"<same_location/><same_agent/><not_same_agent/>", nil, nil, true, false},
		{"<different_location/>", nil, nil, false, true},
		{"<different_srcgeoip/>", nil, []string{"srcgeoip"}, false, false},
	} {
		b := loadWazuh(t, below100(101, `level="9" frequency="8"`, "<if_matched_sid>100</if_matched_sid>"+tt.elements))
		c := b.tree.Rule(101).Correlation
		if !slices.Equal(c.Same, tt.same) || !slices.Equal(c.Different, tt.different) || c.Location != tt.location || c.OtherLocation != tt.other {
			t.Errorf("%s: %+v", tt.elements, c)
		}
		if !c.Wazuh || c.Global || c.Frequency != 6 || b.tree.Rule(101).Alert(newEvent("x"), 7).Frequency != 8 {
			t.Errorf("%s: %+v", tt.elements, c)
		}
	}
	all := loadWazuh(t, below100(101, `level="9"`, "<if_matched_sid>100</if_matched_sid><global_frequency/>")).tree.Rule(101).Correlation
	ossec := load(t, below100(101, `level="9" frequency="8"`, "<if_matched_sid>100</if_matched_sid><different_srcip/>")).tree.Rule(101).Correlation
	if !all.Global || !all.Wazuh || !ossec.Global || ossec.Wazuh || ossec.Frequency != 8 || len(ossec.Different) > 0 {
		t.Errorf("with global_frequency %+v, OSSEC's %+v", all, ossec)
	}
}

// An overwriting rule goes on counting what the old one counted.
func TestWazuhOverwrite(t *testing.T) {
	rules := below100(101, `level="3"`, "") + `<rule id="102" level="9" frequency="3"><if_matched_sid>100</if_matched_sid></rule>
<rule id="102" level="10" frequency="4" overwrite="yes"><if_matched_sid>101</if_matched_sid><same_srcip/></rule>`
	c := loadWazuh(t, rules).tree.Rule(102).Correlation
	if c.Key != "sid/100" || c.Frequency != 2 || !slices.Equal(c.Same, []string{"srcip"}) {
		t.Errorf("%+v", c)
	}
	if c := load(t, strings.ReplaceAll(rules, "same_srcip", "same_source_ip")).tree.Rule(102).Correlation; c.Key != "sid/101" {
		t.Errorf("OSSEC's: %+v", c)
	}
}

func TestDescribe(t *testing.T) {
	d := fill(newEvent("x"), "srcip=192.0.2.1 dstuser=joe program=sshd win.a.b=c$(id)")
	for in, want := range map[string]string{
		"from $(srcip).":                 "from 192.0.2.1.",
		"$(dstuser)@$(hostname)":         "joe@web1",
		"$(program_name) at $(location)": "sshd at here",
		"$(win.a.b) $(id)$(none)!":       "c$(id) !",
		"$(srcip":                        "$(srcip",
		"a $ ( $x":                       "a $ ( $x",
	} {
		rules := below100(101, `level="5"`, "<description>"+in+"</description>")
		if got := loadWazuh(t, rules).tree.Rule(101).Describe(d); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
		if got := load(t, rules).tree.Rule(101).Alert(d, 7).Description; got != in {
			t.Errorf("%q in OSSEC's dialect: %q", in, got)
		}
	}
}

func TestWazuhAlert(t *testing.T) {
	b := loadWazuh(t, below100(101, `level="5" noalert="0"`, `<options>no_full_log</options><options>no_counter</options>`+
		`<mitre><id>T1110</id><id>T1078</id></mitre><mitre><id>T1110</id></mitre><mitre><tacticID>TA0006</tacticID><techniqueID>T1110</techniqueID></mitre>`+
		`<ignore>user, win.id</ignore><check_if_ignored>name,filename</check_if_ignored><group>pci_dss_10.2.4,gdpr_IV_35.7.d,</group>`))
	r := b.tree.Rule(101)
	a := r.Alert(newEvent("x"), 7)
	want := []event.Mitre{{Technique: "T1110"}, {Technique: "T1078"}, {Technique: "T1110", Tactic: "TA0006"}}
	if diff := cmp.Diff(want, a.Mitre); diff != "" || !a.NoFullLog || !a.NoCounter || r.NoAlert {
		t.Errorf("%s%+v", diff, a)
	}
	if !slices.Equal(r.IgnoreFields, []string{"user", "win.id"}) || !slices.Equal(r.IgnoredFields, []string{"name", "filename"}) {
		t.Errorf("ignores %q, if ignored %q", r.IgnoreFields, r.IgnoredFields)
	}
	if !slices.Equal(a.Groups, []string{"test", "pci_dss_10.2.4", "gdpr_IV_35.7.d"}) {
		t.Errorf("groups %q", a.Groups)
	}
}

func TestWazuhFaults(t *testing.T) {
	for _, tt := range []struct{ attrs, elements, want string }{
		{"", `<match type="regex">a</match>`, `<match type="regex">: write osmatch, osregex or pcre2`},
		{"", `<field name="a" negate="maybe">a</field>`, `<field negate="maybe">: write yes or no`},
		{"", `<regex type="pcre2">(</regex>`, "rule 101: <regex>: pattern"},
		{"", `<same_filed>a</same_filed>`, "unknown element <same_filed>"},
		{"", `<same_srcip/>`, "no if_matched_* says which"},
		{"", `<global_frequency/>`, "no if_matched_* says which"},
		{`frequency="1"`, `<if_matched_sid>100</if_matched_sid>`, `frequency="1" is out of range: write 2 to 9999`},
		{`frequency="10000"`, `<if_matched_sid>100</if_matched_sid>`, `frequency="10000" is out of range`},
		{"", `<mitre></mitre>`, "<mitre> names no technique"},
		{"", `<mitre><tacticID>TA0006</tacticID></mitre>`, "<mitre> names no technique"},
		{"", `<mitre><name>x</name></mitre>`, "<mitre>: unknown element <name>"},
		{"", `<list field="">rules/list</list>`, `<list field="">: no such field`},
		{"", `<options>no_full</options>`, `unknown option "no_full"`},
	} {
		_, err := tryLoadAs(t, true, templates, group(below100(101, `level="5" `+tt.attrs, tt.elements)))
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s %s: got %v, want %s", tt.attrs, tt.elements, err, tt.want)
		}
	}
	for attrs, want := range map[string]string{`id="1234567" level="5"`: `id="1234567" is too long`, `id="101" level="17"`: `level="17" is no level`} {
		if _, err := tryLoadAs(t, true, templates, group(`<rule `+attrs+`><match>a</match></rule>`)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", attrs, err, want)
		}
	}
}
