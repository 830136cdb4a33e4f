package legacy_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/agent/relay/legacy"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/syscheck"
)

func TestNotes(t *testing.T) {
	h := newHome(t)
	for _, c := range []struct {
		message string
		want    legacy.Note
	}{
		{"1:ossec:ossec: Agent started: 'web->192.0.2.0'.", legacy.AgentStarted},
		{"1:/var/log/x:ossec: Agent started: 'web->192.0.2.0'.", legacy.None}, // a line that somebody wrote
		{"9:rootcheck:Starting syscheck scan.", legacy.SyscheckStarted},
		{"9:rootcheck:Ending syscheck scan.", legacy.SyscheckEnded},
		{"8:syscheck:syscheck-db-completed", legacy.SyscheckWhole},
		{"9:rootcheck:Starting rootcheck scan.", legacy.RootcheckStarted},
		{"9:rootcheck:Ending rootcheck scan.", legacy.RootcheckEnded},
		{"d:syscollector:{}", legacy.Unknown},
		{"8:syscheck:-1 /etc/x", legacy.None},
	} {
		if r := h.read(c.message); r.Note != c.want {
			t.Errorf("%q: note %d, want %d", c.message, r.Note, c.want)
		}
	}
}

// What isn't in OSSEC's words is told once for each agent and kind, and left out.
func TestUnknown(t *testing.T) {
	h := newHome(t)
	long := strings.Repeat("x", 4097)
	for _, text := range []string{
		`8:syscheck:{"type":"event","data":{"path":"/etc/x","mode":"scheduled"}}`, `8:syscheck:{"type": "scan_end", "data": 1}`, "8:syscheck:",
		"8:syscheck:-1", "8:syscheck:-1 ", "8:syscheck:-2 /etc/x", "8:syscheck:1:2:3:4:5:6 /etc/x", "8:syscheck:1:33188:0:0:xxx /etc/x",
		"8:syscheck:1:33188:0:0:xxx:xxx:xxx:xxx /etc/x", "8:syscheck:1:33188:0::xxx:xxx:xxx /etc/x", "8:syscheck:1:-1:0:0:xxx:xxx:xxx /etc/x",
		"8:syscheck:1:33188:0:0:" + strings.ToUpper(md5A) + ":xxx:xxx /etc/x", "8:syscheck:-1 /" + long, "8:syscheck:1:33188:0:" + long + ":xxx:xxx /etc/x",
		`5:fim_file:{"component":"fim_file"}`, "d:syscollector:{}", "d:syscollector:{}", "2:192.0.2.1:x", "9:rootcheck:", "3:x:", "3:x:Host: ", "3:x:Status: up",
		"f:EventChannel:{}", "\x00::", "p:sca:{}",
	} {
		if r := h.read(text); r.Event != nil || r.Note != legacy.Unknown {
			t.Errorf("%q: %+v", text, r)
		}
	}
	want := `agent web/a: integrity messages are not understood and left out; the first, of "syscheck", is "{\"type\":\"event\",`
	if len(h.told) != 9 || !strings.HasPrefix(h.told[0], want) || !strings.HasPrefix(h.told[2], "agent web/a: messages of queue 'd' are not ") {
		t.Errorf("told %q", h.told)
	}
	if h.known.Unstored() != 0 {
		t.Error("something was learnt")
	}
	for _, agent := range []string{"", strings.Repeat("a", 513)} {
		if r, err := h.known.Read(legacy.Message{Agent: agent, Queue: '1', Text: "x"}); !errors.Is(err, legacy.ErrAgent) || r.Event != nil {
			t.Errorf("agent %.9q: %+v, %v", agent, r, err)
		}
	}
}

// What a sum says over what was known.
func TestSums(t *testing.T) {
	const a, b = "5:33188:0:0:", "6:33188:0:0:"
	for _, c := range []struct{ name, was, told, want, then string }{
		{"the same", a + hashesA, a + hashesA, "", a + hashesA},
		{"another content", a + hashesA, b + hashesB, syscheck.Modified, b + hashesB},
		{"another size", a + hashesA, b + hashesA, syscheck.Modified, b + hashesA},
		{"another mode", a + hashesA, "5:33261:0:0:" + hashesA, syscheck.Modified, "5:33261:0:0:" + hashesA},
		{"another owner", a + hashesA, "5:33188:S-1-5-18:0:" + hashesA, syscheck.Modified, "5:33188:S-1-5-18:0:" + hashesA},
		{"another group", a + hashesA, "5:33188:0:7:" + hashesA, syscheck.Modified, "5:33188:0:7:" + hashesA},
		{"agentd's own message", a + hashesA, a + md5A + ":" + sha1A, "", a + hashesA},
		{"agentd's own of another content", a + hashesA, a + md5B + ":" + sha1B, syscheck.Modified, a + md5B + ":" + sha1B},
		{"an agent of 4.0", a + md5A + ":" + sha1A, a + hashesA, syscheck.Baseline, a + hashesA},
		{"it can't be read", a + hashesA, a + "xxx:xxx:xxx", "", a + hashesA},
		{"it can't be read and has grown", a + hashesA, b + "xxx:xxx:xxx", syscheck.Modified, b + "xxx:xxx"},
		{"it can be read now", a + "xxx:xxx", a + hashesA, syscheck.Baseline, a + hashesA},
		{"only sha1", a + md5A + ":" + sha1A, a + "xxx:" + sha1B, syscheck.Modified, a + "xxx:" + sha1B},
		{"no hash any more of one", a + hashesA, a + md5A + ":xxx:" + sha256A, "", a + hashesA},
		{"permissions are not checked any more", a + hashesA, "5:0:0:0:" + hashesA, "", a + hashesA},
		{"permissions are checked now", "5:0:0:0:" + hashesA, a + hashesA, syscheck.Baseline, a + hashesA},
		{"a size beyond 32 bits", "-2147483648:33188:0:0:" + hashesA, "4294967296:33188:0:0:" + hashesA, syscheck.Modified, "4294967296:33188:0:0:" + hashesA},
		{"gone", a + hashesA, "-1", syscheck.Deleted, "-1"},
		{"back", "-1", a + hashesA, syscheck.Added, a + hashesA},
		{"gone already", "-1", "-1", "", "-1"},
		{"gone before it was known", "", "-1", syscheck.Deleted, "-1"},
		{"Windows can't read it", a + hashesA, "CreateFile=32", "", a + hashesA},
		{"nor its owner", "", "GetSecurityInfo=5", "", ""},
	} {
		h := newHome(t)
		if c.was != "" {
			h.read("8:syscheck:" + c.was + " /etc/x")
		}
		got := h.change("8:syscheck:" + c.told + " /etc/x")
		then, err := h.known.Sum("web/a", "/etc/x")
		if got.Type != c.want || then != c.then || err != nil {
			t.Errorf("%s: %q and then %q, want %q and %q (%v)", c.name, got.Type, then, c.want, c.then, err)
		}
		if c.want == syscheck.Baseline && (got.Before != nil || got.After == nil) {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

// A key of the registry is no file, though it may have a file's name, and only its hashes say something.
func TestRegistry(t *testing.T) {
	h := newHome(t)
	h.whole("5:33188:1:2:"+hashesA+" X", "0:0:0:0:"+hashesA+" Y")
	c := h.change("8:syscheck-registry:0:0:0:0:" + md5A + ":" + sha1A + " X")
	if c.Type != syscheck.Added || *c.After != (syscheck.Record{MD5: md5A, SHA1: sha1A}) {
		t.Errorf("%s", c)
	}
	if c = h.change("8:syscheck:-1 X"); c.Type != syscheck.Deleted || c.Before.Size != 5 || c.Before.UID != "1" {
		t.Errorf("%s", c)
	}
}

// An agent that comes from another server tells changes only until it starts again: a file that isn't known is no new one.
func TestOnlyAWholeScanTellsWhatIsNew(t *testing.T) {
	h := newHome(t)
	file := func(name string) string { return h.change("8:syscheck:1:33188:0:0:xxx:xxx " + name).Type }
	check := func(when, name, want string) {
		t.Helper()
		if got := file(name); got != want {
			t.Errorf("%s: %s is %q, want %q", when, name, got, want)
		}
	}
	check("before", "/a", syscheck.Baseline)
	h.read("9:rootcheck:Ending syscheck scan.")
	h.read("8:syscheck:syscheck-db-completed")
	check("after a later scan", "/b", syscheck.Baseline)
	h.read("1:ossec:ossec: Agent started: 'web->any'.")
	check("in its first scan", "/c", syscheck.Baseline)
	h.keep()
	h.reopen()
	check("in its first scan, the relay was restarted", "/d", syscheck.Baseline)
	key := func(name string) string { return h.change("8:syscheck-registry:0:0:0:0:xxx:xxx " + name).Type }
	h.read("9:rootcheck:Ending syscheck scan.")
	check("after it", "/e", syscheck.Added)
	if got := key("A"); got != syscheck.Baseline {
		t.Errorf("the registry is still to be told: A is %q", got)
	}
	h.keep()
	h.reopen()
	h.read("8:syscheck:syscheck-db-completed")
	if got := key("B"); got != syscheck.Added {
		t.Errorf("the registry was told: B is %q", got)
	}
	h.keep()
	h.reopen()
	check("after it, the relay was restarted", "/f", syscheck.Added)
	h.read("1:ossec:ossec: Agent started: 'web->any'.")
	check("the agent was restarted", "/g", syscheck.Added)
	check("the agent was restarted", "/a", "")
	if err := h.known.Clear("web/a", legacy.Syscheck); err != nil {
		t.Fatal(err)
	}
	check("cleared", "/a", syscheck.Baseline)
	h.read("9:rootcheck:Ending syscheck scan.")
	h.read("8:syscheck:syscheck-db-completed")
	check("cleared", "/h", syscheck.Baseline)
	if got := key("C"); got != syscheck.Baseline {
		t.Errorf("cleared: C is %q", got)
	}
}

// Many hosts on one key don't see each other's files.
func TestHostsAreApart(t *testing.T) {
	h := newHome(t)
	for _, agent := range []string{"web/a", "web/b", "web/a/files"} {
		for _, text := range []string{"8:syscheck:1:33188:0:0:xxx:xxx /etc/" + agent, "9:rootcheck:" + rootkit, "3:n:Host: 192.0.2.1 (), open ports: 1(tcp)"} {
			m := h.message(text)
			m.Agent = agent
			if r := h.readOf(m); r.Event == nil || r.Event.ID.Agent != agent {
				t.Errorf("%s: %q: %+v", agent, text, r)
			}
			if m.Text = strings.Replace(m.Text, agent, "hosts", 1); m.Queue == '8' {
				if r := h.readOf(m); r.Event == nil || !strings.Contains(r.Event.Text, `"baseline"`) {
					t.Errorf("%s: %q: %+v", agent, m.Text, r)
				}
			}
		}
	}
}

// A finding that was seen before is no news, and stays none though it was gone for long.
func TestFindingsAreToldOnce(t *testing.T) {
	h := newHome(t)
	told := 0
	for i := range 6 {
		if h.read("9:rootcheck:"+rootkit).Event != nil {
			told++
		}
		if i%2 == 1 {
			h.keep()
			h.reopen()
		}
		h.at = h.at.AddDate(0, 0, 9)
	}
	if told != 1 {
		t.Errorf("told %d times", told)
	}
	first, last, err := h.known.Seen("web/a", rootkit)
	if want := start.Add(6*time.Second).AddDate(0, 0, 5*9); !first.Equal(start.Add(time.Second)) || !last.Equal(want) || err != nil {
		t.Errorf("seen from %v to %v, want to %v (%v)", first, last, want, err)
	}
	if r := h.read("9:rootcheck:" + rootkit + " MD5=" + md5A); r.Event == nil {
		t.Error("another text is no news")
	}
	if err := h.known.Clear("web/a", legacy.Rootcheck); err != nil {
		t.Fatal(err)
	}
	if r := h.read("9:rootcheck:" + rootkit); r.Event == nil {
		t.Error("no news after clearing")
	}
}

func TestLimits(t *testing.T) {
	h := newHome(t)
	h.known.Limit(3, 2, 2)
	var kept []string
	for range 2 {
		for i := range 5 {
			for _, text := range []string{
				fmt.Sprintf("8:syscheck:1:33188:0:0:xxx:xxx /etc/%d", i), fmt.Sprintf("9:rootcheck:finding %d", i), fmt.Sprintf("3:n:Host: 192.0.2.%d (), open ports: ", i),
			} {
				if h.read(text).Event != nil {
					kept = append(kept, text[:1]+text[len(text)-min(i, 1)-1:])
				}
			}
		}
	}
	count := func(queue string) (n int) {
		for _, k := range kept {
			if strings.HasPrefix(k, queue) {
				n++
			}
		}
		return n
	}
	if count("8") != 3 || count("9") != 5+3 || count("3") != 2 { // what rootcheck finds is told each time rather than not at all
		t.Errorf("%q", kept)
	}
	if c := h.change("8:syscheck:2:33188:0:0:xxx:xxx /etc/1"); c.Type != syscheck.Modified {
		t.Errorf("a known file: %+v", c)
	}
	slices.Sort(h.told)
	want := []string{
		`agent web/a: it tells the ports of more than 2 hosts; further ones, such as "192.0.2.2", are left out: let it scan less`,
		`agent web/a: it watches more than 3 files; further ones, such as "/etc/3", are left out: let it watch less`,
		"agent web/a: rootcheck found more than 2 things; further ones are told anew by each scan: clear what is known",
	}
	if !slices.Equal(h.told, want) {
		t.Errorf("told %q", h.told)
	}
	if err := h.known.Clear("web/a", legacy.Syscheck); err != nil {
		t.Fatal(err)
	}
	if c := h.change("8:syscheck:1:33188:0:0:xxx:xxx /etc/4"); c.Type != syscheck.Baseline {
		t.Errorf("after clearing: %+v", c)
	}
	if err := h.known.Clear("web/a", legacy.Rootcheck); err != nil {
		t.Fatal(err)
	}
	h.read("9:rootcheck:finding 4")
	if r := h.read("9:rootcheck:finding 4"); r.Event != nil {
		t.Error("after clearing no finding becomes known")
	}
}

func TestTellsOfSoManyTroublesOnly(t *testing.T) {
	h := newHome(t)
	m := h.message("d:x:y")
	for i := range 10_050 {
		m.Agent = fmt.Sprint(i)
		h.readOf(m)
	}
	if len(h.told) != 10_001 || h.told[10_000] != "more than 10000 troubles with what agents say; further ones are not told" {
		t.Errorf("told %d, the last %q", len(h.told), h.told[len(h.told)-1])
	}
}

// A path that is no UTF-8 and a diff that grows beyond an event's size are told all the same.
func TestStrangeTexts(t *testing.T) {
	h := newHome(t)
	if c := h.change("8:syscheck:1:33188:0:0:xxx:xxx /etc/\xff\x01"); c.Path != "/etc/\\xff\x01" {
		t.Errorf("path %q", c.Path)
	}
	c := h.change("8:syscheck:2:33188:0:0:xxx:xxx /etc/\xff\x01\n" + strings.Repeat("\x01", 60_000))
	if c.Type != syscheck.Modified || c.Diff != "(too long)" || c.Before == nil {
		t.Errorf("%.200s", c)
	}
	if r := h.read("1:journald:2026-11-25T10:00:00+00:00 a b: c\n"); r.Event == nil || r.Event.Text != "2026-11-25T10:00:00+00:00 a b: c" || r.Event.Kind != event.Log {
		t.Errorf("%+v", r)
	}
}
