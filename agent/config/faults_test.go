package config_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/agent/config"
	"github.com/yagura-hids/yagura/agent/syscheck"
	"github.com/yagura-hids/yagura/internal/osxml"
)

func TestFaults(t *testing.T) {
	in := func(section, text string) string {
		return "<ossec_config><" + section + ">" + text + "</" + section + "></ossec_config>"
	}
	for _, tt := range []struct{ in, want string }{
		{"", "c: the file holds no configuration: write <ossec_config>"},
		{"<group/>", "c:1:1: <group> is no configuration"},
		{"<ossec_config>\n <sysceck/></ossec_config>", "c:2:2: unknown section <sysceck>: known are client, "},
		{"<agent_config><client/></agent_config>", "c:1:15: <client> may not stand in <agent_config>: write it in ossec.conf"},
		{`<agent_config nam="x"/>`, "c:1:15: agent_config: unknown attribute nam: known are name, os, profile, overwrite"},
		{in("client", "<uplnk>x</uplnk>"), "c:1:23: client: unknown element <uplnk>: known are uplink,"},
		{in("client", "<uplink>hids</uplink>"), `<uplink> is "hids": write kinesis:STREAM`},
		{in("client", "<uplink>kinesis:a b</uplink>"), `<uplink> is "kinesis:a b"`},
		{in("client", "<uplink>file:x</uplink>"), `<uplink> is "file:x"`},
		{in("client", "<uplink>https:///x</uplink>"), `<uplink> is "https:///x"`},
		{in("client", "<region>Frankfurt</region>"), `<region> is "Frankfurt": name one`},
		{in("client", "<central>yagura</central>"), `<central> is "yagura": write a path`},
		{in("client", "<notify_time>0</notify_time>"), `<notify_time> is "0": write a number from 1`},
		{in("client", "<spool_size>5 TB</spool_size>"), `<spool_size> is "5 TB": write a size`},
		{in("client", "<spool_size>5kb</spool_size>"), `<spool_size> is "5kb": write a size`},
		{in("client", "<remote_commands>1</remote_commands>"), `<remote_commands> is "1": write yes or no`},
		{in("labels", "<label>x</label>"), "label without key"},
		{in("localfile", "<location>/x</location>"), "c:1:15: localfile without log_format"},
		{in("localfile", "<log_format>sylog</log_format><location>/x</location>"), `c:1:15: localfile: "/x": log_format "sylog" is not supported: use one of `},
		{in("localfile", "<log_format>multi-line:0</log_format><location>/x</location>"), "want multi-line:N with N from 1 to 1000"},
		{in("localfile", "<log_format>syslog</log_format>"), "localfile: no location: name a file"},
		{in("localfile", "<log_format>command</log_format>"), "localfile: log_format command without a command: name one"},
		{in("localfile", "<log_format>syslog</log_format><location>/x[</location>"), `localfile: "/x[": syntax error in pattern: close every [ with a ]`},
		{in("syscheck", "<directories>/x[</directories>"), `"/x[": syntax error`},
		{in("localfile", "<log_format>command</log_format><command>x</command><frequency>often</frequency>"), `<frequency> is "often"`},
		{in("localfile", "<log_format>syslog</log_format><location>/x</location><locaton>/x</locaton>"), "localfile: unknown element <locaton>"},
		{in("syscheck", "<directory>/x</directory>"), "syscheck: unknown element <directory>"},
		{in("syscheck", `<directories check_al="yes">/x</directories>`), "c:1:38: directories: unknown attribute check_al"},
		{in("syscheck", `<directories check_all="maybe">/x</directories>`), `c:1:38: check_all= is "maybe": write yes or no`},
		{in("syscheck", `<directories recursion_level="x">/x</directories>`), "recursion_level"},
		{in("syscheck", `<directories check_all="yes">etc</directories>`), `directory "etc" does not begin at the root`},
		{in("syscheck", `<directories check_all="yes"> , </directories>`), "<directories> is empty"},
		{in("syscheck", "<scan_time>25:00</scan_time>"), `<scan_time> is "25:00"`},
		{in("syscheck", "<scan_day>someday</scan_day>"), `<scan_day> is "someday"`},
		{in("syscheck", "<scan_day>!weekdays,weekends</scan_day>"), `<scan_day> is`},
		{in("syscheck", `<ignore type="regex">x</ignore>`), `ignore: unknown attribute type="regex"`},
		{in("syscheck", "<ignore/>"), "<ignore> is empty"},
		{in("syscheck", "<prefilter_cmd/>"), "<prefilter_cmd> is empty"},
		{in("syscheck", "<windows_registry>HKLM</windows_registry>"), `windows_registry "HKLM" has no known root`},
		{in("syscheck", `<windows_registry arch="16">HKEY_USERS</windows_registry>`), `windows_registry arch="16"`},
		{in("rootcheck", "<check_all>no</check_all>"), "rootcheck: unknown element <check_all>"},
		{in("rootcheck", "<system_audit/>"), "<system_audit> is empty"},
	} {
		_, err := config.Parse(web1, config.Text{Name: "c", Source: []byte(tt.in)})
		var faults *osxml.FaultError
		if !errors.As(err, &faults) || len(faults.Faults) != 1 || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s:\n got %v\nwant %s", tt.in, err, tt.want)
		}
	}
	_, err := config.Parse(web1, config.Text{Name: "a", Source: []byte("<x/>\n<y/>")}, config.Text{Name: "b", Source: []byte("<ossec_config/>"), Central: true})
	if err == nil || strings.Count(err.Error(), "\n") != 2 || !strings.Contains(err.Error(), "b:1:1: <ossec_config> may not come from the central configuration") {
		t.Errorf("%v", err)
	}
}

func TestClockAndDays(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"21:00": 21 * time.Hour, "8:30 pm": 20*time.Hour + 30*time.Minute, "8:30": 8*time.Hour + 30*time.Minute, "12 am": 0, "12:05PM": 12*time.Hour + 5*time.Minute, "7pm": 19 * time.Hour,
	} {
		got := schedule(t, "<scan_time>"+text+"</scan_time>")
		if got.At != want {
			t.Errorf("%s: %v", text, got.At)
		}
	}
	for text, want := range map[string]string{
		"monday": " 1", "Mon, wednesday": " 1 3", "weekends": " 0 6", "!sunday": " 1 2 3 4 5 6", "weekdays,sat": " 1 2 3 4 5 6",
	} {
		got := ""
		for i, on := range schedule(t, "<scan_day>"+text+"</scan_day>").Days {
			if on {
				got += " " + string(rune('0'+i))
			}
		}
		if got != want {
			t.Errorf("%s:%s", text, got)
		}
	}
}

func schedule(t *testing.T, text string) syscheck.Schedule {
	t.Helper()
	got, err := config.Parse(web1, config.Text{Name: "c", Source: []byte("<ossec_config><syscheck>" + text + "</syscheck></ossec_config>")})
	if err != nil {
		t.Fatal(err)
	}
	return got.Syscheck.Schedule
}
