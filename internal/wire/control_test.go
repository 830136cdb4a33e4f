package wire_test

import (
	"errors"
	"sync"
	"testing"
	"time"

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

// TestCounterRises asks for more than a second's numbers within one, then a second later, and after that of a server whose clock is behind.
func TestCounterRises(t *testing.T) {
	var c wire.Counter
	at, last := time.Unix(1795422569, 0), uint64(0)
	next := func(now time.Time) wire.Message {
		t.Helper()
		global, local := c.Next(now)
		m := wire.Message{Global: global, Local: local}
		if m.Seq() <= last || local < 1 || local > 9997 {
			t.Fatalf("%d:%d after %d", global, local, last)
		}
		last = m.Seq()
		return m
	}
	for i := range 25000 {
		m := next(at)
		if want := uint64(1795422569+i/9997)*10000 + uint64(i%9997) + 1; m.Seq() != want {
			t.Fatalf("message %d: %d, want %d", i, m.Seq(), want)
		}
	}
	if m := next(at.Add(10 * time.Second)); m.Global != 1795422579 || m.Local != 1 {
		t.Errorf("ten seconds later: %d:%d", m.Global, m.Local)
	}
	next(at)
}

func TestCounterForManyGoroutines(t *testing.T) {
	var c wire.Counter
	at := time.Unix(1, 0)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 2500 {
				c.Next(at)
			}
		})
	}
	all.Wait()
	if global, local := c.Next(at); global != 2 || local != 4 {
		t.Errorf("%d:%d after 10,000", global, local)
	}
}
