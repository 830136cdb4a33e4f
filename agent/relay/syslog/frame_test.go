package syslog_test

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/yagura-hids/yagura/agent/relay/syslog"
	"github.com/yagura-hids/yagura/internal/event"
)

var long = strings.Repeat("x", 3*event.MaxText)

// counted returns a message framed by its length.
func counted(text string) string { return fmt.Sprintf("%d %s", len(text), text) }

var streams = []struct {
	name, sent string
	want       []syslog.Frame
}{
	{"lines", "<13>a\n<13>b\r\n", []syslog.Frame{{"<13>a", false}, {"<13>b\r", false}}},
	{"no line end at the end", "<13>a\n<13>b", []syslog.Frame{{"<13>a", false}, {"<13>b", false}}},
	{"empty lines", "\n\na\n", []syslog.Frame{{"", false}, {"", false}, {"a", false}}},
	{"counted", counted("<13>a") + counted("<13>b\nc"), []syslog.Frame{{"<13>a", false}, {"<13>b\nc", false}}},
	{"mixed", counted("<13>a") + "<13>b\n" + counted("<13>c") + "\n42\n", []syslog.Frame{{"<13>a", false}, {"<13>b", false}, {"<13>c", false}, {"", false}, {"42", false}}},
	{"lines that begin with a number", "12 monkeys\n0 <13>x\n12345678 <13>y\n123: *Mar  1 z\n1\n", []syslog.Frame{
		{"12 monkeys", false}, {"0 <13>x", false}, {"12345678 <13>y", false}, {"123: *Mar  1 z", false}, {"1", false},
	}},
	{"a count and the end", "5 ", []syslog.Frame{{"5 ", false}}},
	{"a count that is too high", "9 <13>a", []syslog.Frame{{"<13>a", true}}},
	{"a long line", "a" + long + "\nb\n", []syslog.Frame{{"a" + long[:syslog.Keep-1], true}, {"b", false}}},
	{"a long counted one", counted("<"+long) + "b\n", []syslog.Frame{{"<" + long[:syslog.Keep-1], true}, {"b", false}}},
	{"a long line and the end", long, []syslog.Frame{{long[:syslog.Keep], true}}},
}

func TestFrames(t *testing.T) {
	for _, tt := range streams {
		for how, r := range map[string]io.Reader{"whole": strings.NewReader(tt.sent), "in bytes": iotest.OneByteReader(strings.NewReader(tt.sent))} {
			got, err := syslog.Frames(r)
			if err != io.EOF || !slices.Equal(got, tt.want) {
				t.Errorf("%s, %s: got %.300v, %v, want %.300v", tt.name, how, got, err, tt.want)
			}
		}
	}
}

// A connection that breaks cuts the message that it is in, but none that was whole.
func TestBrokenConnection(t *testing.T) {
	for sent, want := range map[string]syslog.Frame{"<13>a\n<13>b": {"<13>b", true}, "<13>a\n9 <13>b": {"<13>b", true}} {
		got, err := syslog.Frames(iotest.TimeoutReader(iotest.DataErrReader(strings.NewReader(sent))))
		if err == nil {
			t.Fatal("no error")
		}
		if err != io.EOF && (len(got) != 2 || got[0] != syslog.Frame{Text: "<13>a"} || got[1] != want) {
			t.Errorf("%q: got %v, %v", sent, got, err)
		}
	}
	got, err := syslog.Frames(io.MultiReader(strings.NewReader("<13>a\n<13>b"), iotest.ErrReader(io.ErrUnexpectedEOF)))
	if err != io.ErrUnexpectedEOF || !slices.Equal(got, []syslog.Frame{{"<13>a", false}, {"<13>b", true}}) {
		t.Errorf("got %v, %v", got, err)
	}
}

// FuzzFrames: what comes out doesn't depend on how the bytes were dealt into reads, and none of it is longer than may be kept.
func FuzzFrames(f *testing.F) {
	for _, tt := range streams[:len(streams)-3] {
		f.Add([]byte(tt.sent))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		whole, _ := syslog.Frames(strings.NewReader(string(data)))
		bytewise, _ := syslog.Frames(iotest.OneByteReader(strings.NewReader(string(data))))
		if !slices.Equal(whole, bytewise) {
			t.Errorf("%q: whole %v, in bytes %v", data, whole, bytewise)
		}
		for _, w := range whole {
			if len(w.Text) > syslog.Keep {
				t.Errorf("%d bytes kept", len(w.Text))
			}
		}
	})
}

func BenchmarkFrames(b *testing.B) {
	text := "<38>Nov 25 01:30:00 web1 sshd[71]: Failed password for root from 198.51.100.7 port 22 ssh2"
	for name, one := range map[string]string{"lines": text + "\n", "counted": counted(text)} {
		b.Run(name, func(b *testing.B) {
			data := strings.Repeat(one, 1000)
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if got, _ := syslog.Frames(strings.NewReader(data)); len(got) != 1000 {
					b.Fatal(len(got))
				}
			}
		})
	}
}
