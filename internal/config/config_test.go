package config_test

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/yagura-hids/yagura/internal/config"
	"github.com/yagura-hids/yagura/internal/osxml"
)

// server is of the shape that OSSEC's installer writes for a server.
const server = `<!-- a server -->
<ossec_config>
  <global>
    <email_notification>yes</email_notification>
    <email_to>ops@example.com</email_to>
    <smtp_server>mail.example.com.</smtp_server>
    <email_from>ossec@example.com</email_from>
    <white_list>127.0.0.1</white_list>
    <white_list>^localhost.localdomain$</white_list>
    <memory_size>16384</memory_size>
    <jsonout_output>no</jsonout_output>
  </global>

  <rules>
    <decoder>etc/decoder.xml</decoder>
    <decoder_dir pattern="_dec.xml$">etc/more</decoder_dir>
    <include>rules_config.xml</include>
    <rule> sshd_rules.xml </rule>
    <rule_dir>etc/own</rule_dir>
    <rule_dir pattern="">etc/any</rule_dir>
    <list>lists/hosts</list>
    <list>users.cdb</list>
  </rules>

  <syscheck><frequency>79200</frequency><directories check_all="yes">/etc</directories></syscheck>
  <syscheck><ignore>/etc/mtab</ignore></syscheck>
  <rootcheck><rootkit_files>/x</rootkit_files></rootcheck>
  <remote><connection>secure</connection></remote>
  <alerts>
    <log_alert_level>3</log_alert_level>
    <email_alert_level> 12 </email_alert_level>
  </alerts>
  <command><name>host-deny</name></command>
  <active-response><command>host-deny</command></active-response>

  <localfile>
    <log_format>syslog</log_format>
    <location>/var/log/messages</location>
  </localfile>
  <Localfile>
    <location>
      /var/log/%Y/web-*.log
    </location>
    <Log_Format>apache</Log_Format>
  </Localfile>
  <localfile>
    <log_format>command</log_format>
    <command>df -P</command>
    <frequency>360</frequency>
  </localfile>
  <localfile>
    <log_format>full_command</log_format>
    <command>last -n 5</command>
    <alias>logins</alias>
  </localfile>
</ossec_config>

<ossec_config>
  <global><memory_size>4096</memory_size><jsonout_output> yes </jsonout_output></global>
  <alerts><use_geoip>yes</use_geoip></alerts>
  <rules><include>local_rules.xml</include><list>lists/more</list></rules>
  <localfile><log_format>journald</log_format></localfile>
  <localfile><log_format>journald</log_format><location>sshd</location></localfile>
  <localfile><log_format>multi-line:3</log_format><location>/var/log/app</location></localfile>
</ossec_config>
`

func TestParse(t *testing.T) {
	got, err := config.Parse("ossec.conf", []byte(server))
	if err != nil {
		t.Fatal(err)
	}
	want := &config.Config{
		Rules: config.Rules{
			Decoders: []config.Include{{Path: "etc/decoder.xml"}, {Path: "etc/more", Dir: true, Pattern: "_dec.xml$"}},
			Includes: []config.Include{
				{Path: "rules_config.xml"}, {Path: "sshd_rules.xml"}, {Path: "etc/own", Dir: true, Pattern: ".xml$"}, {Path: "etc/any", Dir: true},
				{Path: "local_rules.xml"}, // OSSEC forgets the first <rules> here; ours add up
			},
			Lists: []string{"lists/hosts", "users.cdb", "lists/more"},
		},
		Alerts:     config.Alerts{LogLevel: 3, MailLevel: 12},
		MemorySize: 4096,
		Stats:      4,
		JSON:       true,
		Unused:     []string{"remote", "command", "active-response", "alerts use_geoip"},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreTypes(osxml.Pos{})); diff != "" {
		t.Error(diff)
	}
	if place := got.Rules.Includes[0].Pos.String(); place != "ossec.conf:17:5" {
		t.Errorf("place %s", place)
	}
}

func TestParseDefaults(t *testing.T) {
	for name, in := range map[string]string{
		"server":  "<ossec_config></ossec_config>",
		"agent":   "<agent_config></agent_config>",
		"profile": "<agent_config os=\"Linux\"/>",
	} {
		got, err := config.Parse(name, []byte(in))
		if err != nil {
			t.Error(err)
		}
		want := &config.Config{Alerts: config.Alerts{LogLevel: 1, MailLevel: 7}, Stats: 4, JSON: true}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestParseFaults(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"empty", "", "c: the file holds no configuration: write <ossec_config> around it"},
		{"comment only", "<!-- -->", "c: the file holds no configuration: write <ossec_config> around it"},
		{"another root", "<group/>", "c:1:1: <group> is no configuration: write <ossec_config>"},
		{"section", "<ossec_config>\n <ruels/></ossec_config>", "c:2:2: unknown section <ruels>: known are global, rules, alerts and OSSEC's other sections"},
		{"element of rules", in("rules", "<inclde/>"), "c:1:22: rules: unknown element <inclde>: known are include, rule, rule_dir, decoder, decoder_dir, list"},
		{"empty include", in("rules", "<include> </include>"), "c:1:22: <include> is empty: name a file"},
		{"empty directory", in("rules", "<rule_dir/>"), "c:1:22: <rule_dir> is empty: name a file"},
		{"element of alerts", in("alerts", "<level/>"), "c:1:23: alerts: unknown element <level>: known are log_alert_level and email_alert_level"},
		{"level", in("alerts", "<log_alert_level>3x</log_alert_level>"), `c:1:23: <log_alert_level> is "3x": write a number from 0 to 20`},
		{"level out of range", in("alerts", "<email_alert_level>21</email_alert_level>"), `c:1:23: <email_alert_level> is "21": write a number from 0 to 20`},
		{"element of global", in("global", "<emial_to/>"), "c:1:23: global: unknown element <emial_to>: check its spelling, or remove it"},
		{"memory", in("global", "<memory_size>2047</memory_size>"), `c:1:23: <memory_size> is "2047": write a number from 2048 to 5000000`},
		{"yes or no", in("global", "<jsonout_output>maybe</jsonout_output>"), `c:1:23: <jsonout_output> is "maybe": write yes or no`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := config.Parse("c", []byte(tt.in))
			if err == nil {
				t.Fatal("no fault")
			}
			if diff := cmp.Diff(tt.want, err.Error()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func in(section, text string) string {
	return "<ossec_config><" + section + ">" + text + "</" + section + "></ossec_config>"
}

// One fault hides no other, and what is whole counts.
func TestParseAllFaults(t *testing.T) {
	c, err := config.Parse("c", []byte(`<ossec_config>
  <global><memory_size>x</memory_size></global>
  <alerts><log_alert_level>5</log_alert_levl></alerts>
  <alerts><log_alert_level>6</log_alert_level></alerts>
  <nothing/>
</ossec_config>`))
	var faults *osxml.FaultError
	if !errors.As(err, &faults) {
		t.Fatalf("got %v", err)
	}
	var places []string
	for _, f := range faults.Faults {
		places = append(places, f.Pos.String())
	}
	if diff := cmp.Diff([]string{"c:2:11", "c:3:29", "c:5:3"}, places); diff != "" {
		t.Errorf("%s\n%v", diff, err)
	}
	if c.Alerts.LogLevel != 6 {
		t.Errorf("level %d", c.Alerts.LogLevel)
	}
}

func TestRead(t *testing.T) {
	fsys := fstest.MapFS{"etc/ossec.conf": {Data: []byte(server)}, "dir/x": {}}
	c, err := config.Read(fsys, "etc/ossec.conf")
	if err != nil || c.MemorySize != 4096 {
		t.Errorf("got %v, %v", c, err)
	}
	if _, err := config.Read(fsys, "ossec.conf"); !config.IsMissing(err) {
		t.Errorf("a missing file: %v", err)
	}
	if _, err := config.Read(fsys, "dir"); err == nil || config.IsMissing(err) {
		t.Errorf("a directory: %v", err)
	}
}

// FuzzParse: any text is either a configuration or faults with a place in the file.
func FuzzParse(f *testing.F) {
	f.Add([]byte(server))
	f.Add([]byte(in("rules", "<include/>")))
	f.Fuzz(func(t *testing.T, src []byte) {
		c, err := config.Parse("c", src)
		var faults *osxml.FaultError
		if err != nil && !errors.As(err, &faults) {
			t.Fatalf("%T %v", err, err)
		}
		if err != nil {
			return
		}
		for _, in := range append(c.Rules.Includes, c.Rules.Decoders...) {
			if in.Path == "" {
				t.Errorf("%+v", in)
			}
		}
	})
}

// manager is a Wazuh manager's configuration.
const manager = `<ossec_config>
  <global><jsonout_output>yes</jsonout_output><alerts_log>yes</alerts_log><update_check>yes</update_check></global>
  <remote><connection>secure</connection></remote>
  <vulnerability-detection><enabled>yes</enabled></vulnerability-detection>
  <wodle name="syscollector"><disabled>no</disabled></wodle>
  <sca><enabled>yes</enabled></sca>
  <cluster><disabled>yes</disabled></cluster>
  <ruleset>
    <decoder_dir>ruleset/decoders</decoder_dir>
    <rule_dir>ruleset/rules</rule_dir>
    <rule_exclude>0215-policy_rules.xml</rule_exclude>
    <decoder_exclude>ruleset/decoders/0005-x.xml</decoder_exclude>
    <list>etc/lists/audit-keys</list>
    <decoder_dir pattern="_own.xml$">etc/decoders</decoder_dir>
    <rule_dir>etc/rules</rule_dir>
    <rule_include>0999-x.xml</rule_include>
    <decoder_include>etc/one.xml</decoder_include>
  </ruleset>
</ossec_config>
<ossec_config>
  <localfile><log_format>journald</log_format><location>journald</location><filter field="_SYSTEMD_UNIT">^cron</filter></localfile>
  <localfile><log_format>json</log_format><location>/var/log/eve.json</location><label key="a">b</label></localfile>
  <localfile><log_format>macos</log_format><location>macos</location></localfile>
  <localfile><log_format>multi-line-regex</log_format><location>/var/log/m</location><multiline_regex>^x</multiline_regex></localfile>
</ossec_config>
`

func TestParseWazuh(t *testing.T) {
	got, err := config.Parse("ossec.conf", []byte(manager))
	if err != nil {
		t.Fatal(err)
	}
	dir := func(path, pattern string) config.Include {
		return config.Include{Path: path, Dir: true, Pattern: pattern}
	}
	want := &config.Config{
		Rules: config.Rules{
			Wazuh:           true,
			Decoders:        []config.Include{dir("ruleset/decoders", ".xml$"), dir("etc/decoders", "_own.xml$"), {Path: "etc/one.xml"}},
			Includes:        []config.Include{dir("ruleset/rules", ".xml$"), dir("etc/rules", ".xml$"), {Path: "ruleset/rules/0999-x.xml"}},
			Lists:           []string{"etc/lists/audit-keys"},
			ExcludeRules:    []string{"0215-policy_rules.xml"},
			ExcludeDecoders: []string{"ruleset/decoders/0005-x.xml"},
		},
		Alerts: config.Alerts{LogLevel: 1, MailLevel: 7}, Stats: 4, JSON: true,
		Unused: []string{"remote", "vulnerability-detection", "wodle", "sca", "cluster"},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreTypes(osxml.Pos{})); diff != "" {
		t.Error(diff)
	}
}

func TestParseRuleset(t *testing.T) {
	got, err := config.Parse("c", []byte(in("ruleset", "<list>etc/lists/a</list>")))
	if err != nil || !got.Rules.Wazuh || len(got.Rules.Decoders) != 1 || len(got.Rules.Includes) != 1 || got.Rules.Includes[0].Path != "ruleset/rules" {
		t.Errorf("%+v, %v", got.Rules, err)
	}
	for text, want := range map[string]string{
		"<include>x</include>":   "c:1:24: ruleset: unknown element <include>: known are rule_dir, rule_include",
		"<rule_dir> </rule_dir>": "c:1:24: <rule_dir> is empty: name a file",
		"<rule_exclude/>":        "c:1:24: <rule_exclude> is empty: name a file",
	} {
		if _, err := config.Parse("c", []byte(in("ruleset", text))); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}
