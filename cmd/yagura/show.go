package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/syscheck"
)

// screen shows alerts to a person: colour is for terminals only.
type screen struct {
	out    io.Writer
	colour bool
}

// newScreen returns a screen on f. NO_COLOR and TERM=dumb switch colour off.
func newScreen(f *os.File) screen {
	return screen{out: f, colour: term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

// The colours of a level: the terminal's own red, yellow, cyan and grey.
const (
	red    = "\x1b[1;31m"
	yellow = "\x1b[33m"
	cyan   = "\x1b[36m"
	grey   = "\x1b[90m"
	plain  = "\x1b[0m"
)

func levelColour(level int) string {
	switch {
	case level >= 10:
		return red
	case level >= 7:
		return yellow
	case level >= 4:
		return cyan
	}
	return grey
}

func (s screen) paint(colour, text string) string {
	if !s.colour {
		return text
	}
	return colour + text + plain
}

// alert shows one alert:
//
//	2026-11-23 10:00:09  level 10  rule 5720  web1  Repeated SSH login failures.
//	    srcip 198.51.100.7  dstuser root  /var/log/auth.log  (after 7 like it)
//	    Nov 23 10:00:09 web1 sshd[7]: Failed password for root from 198.51.100.7 port 22 ssh2
//
// What an integrity alert knows of a file before and after stands in its log, of which each line is shown.
func (s screen) alert(a *event.Alert) error {
	head := fmt.Sprintf("level %2d  rule %d", a.Rule.Level, a.Rule.ID)
	var facts []string
	for _, f := range a.Fields {
		change := slices.Contains(syscheck.FieldNames, f.Name) && strings.HasPrefix(a.Decoder, "syscheck_")
		if f.Value != "" && len(f.Name)+len(f.Value) <= 80 && !change {
			facts = append(facts, printable(f.Name)+" "+printable(f.Value))
		}
	}
	facts = append(facts, printable(a.Location))
	if n := len(a.Previous); n > 0 {
		facts = append(facts, fmt.Sprintf("(after %d like it)", n))
	}
	host := a.Hostname
	if host == a.Location {
		host = ""
	}
	_, err := fmt.Fprintf(s.out, "%s  %s  %s  %s\n    %s\n    %s\n",
		s.paint(grey, a.Time.Format("2006-01-02 15:04:05")), s.paint(levelColour(a.Rule.Level), head), printable(host), printable(a.Rule.Description),
		s.paint(grey, strings.Join(facts, "  ")), logLines(a.FullLog))
	return err
}

// logLines makes a log fit to be shown: of one line nearly always, and of a few if it tells of a file.
func logLines(log string) string {
	const most, length = 24, 400
	lines := strings.Split(strings.TrimSpace(log), "\n")
	for i, line := range lines[:min(len(lines), most)] {
		lines[i] = shorten(printable(line), length)
	}
	if n := len(lines) - most; n > 0 {
		lines = append(lines[:most], fmt.Sprintf("… (%d more lines)", n))
	}
	return strings.Join(lines, "\n    ")
}

// printable makes text from outside safe for a terminal, and one line: what could be a control character is shown as a dot.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' {
			return ' '
		}
		return visible(r)
	}, strings.ToValidUTF8(strings.TrimSpace(s), "·"))
}

func visible(r rune) rune {
	if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
		return '·'
	}
	return r
}

// shorten cuts a long text, saying how much is missing.
func shorten(s string, most int) string {
	runes := []rune(s)
	if len(runes) <= most {
		return s
	}
	return fmt.Sprintf("%s … (%d more)", string(runes[:most]), len(runes)-most)
}

// safeOnTerminal returns f, or if f is a terminal what writes to it without its control characters. A pipe or a file gets all bytes.
func safeOnTerminal(f *os.File) io.Writer {
	if !term.IsTerminal(int(f.Fd())) {
		return f
	}
	return &cleaner{out: f}
}

// cleaner passes text on with a dot in the place of each control character but the ends of lines and tabs.
type cleaner struct {
	out  io.Writer
	rest []byte // the beginning of a character whose end comes with the next Write
}

// Write returns len(p) if what p shows has been written.
func (c *cleaner) Write(p []byte) (int, error) {
	text := append(c.rest, p...)
	whole := len(text)
	for i := 1; i < utf8.UTFMax && i <= len(text); i++ {
		if at := len(text) - i; utf8.RuneStart(text[at]) {
			if !utf8.FullRune(text[at:]) {
				whole = at
			}
			break
		}
	}
	c.rest = slices.Clone(text[whole:])
	if _, err := io.WriteString(c.out, clean(string(text[:whole]))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// clean is printable for texts of several lines.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return r
		}
		return visible(r)
	}, strings.ToValidUTF8(s, "·"))
}

// warn tells the user of trouble.
func warn(msg string) { fmt.Fprintln(os.Stderr, "yagura:", clean(msg)) }

// written ends the program when its output can't be written. Nothing is lost by that: what was stored is stored, the rest is read again.
// That nobody reads the output any more, as after "| head", is not seen here: then the system ends the program without a word.
func written(err error) {
	if err != nil {
		os.Exit(fail(err))
	}
}
