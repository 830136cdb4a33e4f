package wire_test

import (
	"errors"
	"sync"
	"testing"

	"github.com/yagura-hids/yagura/internal/wire"
)

func TestControlMessages(t *testing.T) {
	for text, want := range map[string][3]bool{ // control, startup, shutdown
		"#!-agent startup ":                          {true, true, false},
		"#!-agent startup":                           {true, true, false},
		`#!-agent startup {"version":"v4.9.2"}`:      {true, true, false},
		"#!-agent startups":                          {true, false, false},
		"#!-agent shutdown ":                         {true, false, true},
		"#!-agent ack ":                              {true, false, false},
		"#!-Linux web1 6.1.0 #1 x86_64 - OSSEC v1\n": {true, false, false},
		"#!-":             {true, false, false},
		"#!":              {},
		"":                {},
		"1:#!-agent:text": {},
	} {
		got := [3]bool{wire.IsControl([]byte(text)), wire.IsStartup([]byte(text)), wire.IsShutdown([]byte(text))}
		if got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestParseEvent(t *testing.T) {
	for text, want := range map[string][3]string{
		"1:/var/log/auth.log:Nov 25 10:00:00 x": {"1", "/var/log/auth.log", "Nov 25 10:00:00 x"},
		"8:syscheck:33188:0:0 /etc/passwd":      {"8", "syscheck", "33188:0:0 /etc/passwd"},
		`1:\inetpub\x.log:GET /`:                {"1", `\inetpub\x.log`, "GET /"},
		"1::":                                   {"1", "", ""},
		"a:/var/lib/mysql.log:":                 {"a", "/var/lib/mysql.log", ""},
		"1:\xff\x00:\x00\xfe":                   {"1", "\xff\x00", "\x00\xfe"},
	} {
		e, err := wire.ParseEvent([]byte(text))
		if err != nil || [3]string{string(rune(e.Queue)), string(e.Location), string(e.Text)} != want {
			t.Errorf("%q: %q %v", text, e, err)
		}
	}
	for _, text := range []string{"", "1", "1:", "1:x", "12:x:y", "text", "#!-agent startup ", "#:!-x"} {
		if e, err := wire.ParseEvent([]byte(text)); !errors.Is(err, wire.ErrFormat) {
			t.Errorf("%q: %+v %v", text, e, err)
		}
	}
}

func TestCounterRises(t *testing.T) {
	c, last := wire.NewCounter(1795422569), uint64(0)
	for i := range 25000 {
		global, local := c.Next()
		m := wire.Message{Global: global, Local: local}
		if m.Seq() <= last || local < 1 || local > 9997 {
			t.Fatalf("message %d: %d:%d", i, global, local)
		}
		if last = m.Seq(); i == 9996 && last != 1795422569*10000+9997 || i == 9997 && last != 1795422570*10000+1 {
			t.Fatalf("message %d: %d:%d", i, global, local)
		}
	}
}

func TestCounterForManyGoroutines(t *testing.T) {
	c := wire.NewCounter(0)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 2500 {
				c.Next()
			}
		})
	}
	all.Wait()
	if global, local := c.Next(); global != 1 || local != 4 {
		t.Errorf("%d:%d after 10,000", global, local)
	}
}
