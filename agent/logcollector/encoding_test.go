package logcollector_test

import (
	"encoding/binary"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/yagura-hids/yagura/internal/event"

	. "github.com/yagura-hids/yagura/agent/logcollector"
)

func wide(order binary.AppendByteOrder, text string) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(text)) {
		b = order.AppendUint16(b, u)
	}
	return string(b)
}

// What Windows programs write: UTF-16 with a mark at the beginning, read in pieces of any size and over restarts and truncations.
func TestUTF16(t *testing.T) {
	for name, order := range map[string]binary.AppendByteOrder{"le": binary.LittleEndian, "be": binary.BigEndian} {
		t.Run(name, func(t *testing.T) {
			o := newOwner(t, syslog("log")).start()
			for i, b := range []byte(wide(order, "\ufeffone\r\n\r\nzwei \u010a\u0a0d äöü 🗼\r\n")) {
				o.append("log", string([]byte{b}))
				o.run()
				if i%7 == 0 {
					o.kill()
					o.start()
				}
			}
			w := &writer{o: o, name: "log", copies: true}
			w.copy()
			w.truncate()
			o.append("log", wide(order, "drei\n"))
			o.run()
			o.append("log", wide(order, "\x00\x00vier"+strings.Repeat("x", event.MaxText)+"\nfünf\n"))
			o.run()
			o.kill()
			o.append("log", wide(order, "sechs\n"))
			o.start()
			o.want("one", "zwei \u010a\u0a0d äöü 🗼", "drei", "vier"+strings.Repeat("x", event.MaxText/2-4), "fünf", "sechs")
		})
	}
}

func TestUTF16StartsAtTheEnd(t *testing.T) {
	o := newOwner(t, syslog("log"))
	o.append("log", wide(binary.LittleEndian, "\ufeffold\nha"))
	o.start().append("log", wide(binary.LittleEndian, "lf\n"))
	o.run()
	o.want("half")
}

// Of UTF-8 only the mark goes.
func TestUTF8Mark(t *testing.T) {
	o := newOwner(t, syslog("log")).start()
	o.append("log", "\ufeffone\r\n\ufefftwo\n")
	o.run()
	o.want("one", "\ufefftwo")
}

// A program that goes on writing where it was in a file truncated meanwhile leaves a hole.
func TestHole(t *testing.T) {
	o := newOwner(t, syslog("log")).start()
	o.append("log", strings.Repeat("\x00", 300_000)+"1\n\x00\x002\n")
	o.run()
	o.want("1", "2")
}

func TestReplaceVars(t *testing.T) {
	vars := map[string]string{"SystemRoot": `C:\Windows`, "ProgramFiles(x86)": `C:\Program Files (x86)`}
	lookup := func(name string) (string, bool) { v, ok := vars[name]; return v, ok }
	for in, want := range map[string]string{
		`%SystemRoot%\x.log`: `C:\Windows\x.log`, `D:\%ProgramFiles(x86)%\%Y-%m-%d.log`: `D:\C:\Program Files (x86)\%Y-%m-%d.log`,
		`%Y%SystemRoot%`: `%YC:\Windows`, `%`: `%`, `a%%b`: `a%%b`, `%no%`: `%no%`, "": "",
	} {
		if got := ReplaceVars(in, lookup); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}
