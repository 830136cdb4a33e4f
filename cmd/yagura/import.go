package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/yagura-hids/yagura/internal/importer"
	"github.com/yagura-hids/yagura/internal/osxml"
)

type importCmd struct {
	From    string `arg:"" help:"The installation's folder." type:"path" placeholder:"/var/ossec"`
	To      string `help:"Where to bring it." type:"path" default:"${imported}" placeholder:"DIR"`
	DryRun  bool   `help:"Only tell what would be brought, and whether it would load."`
	Force   bool   `help:"Replace files that are another at the destination. Without it they are kept, and told."`
	Verbose bool   `short:"v" help:"Name each file, OSSEC's and Wazuh's own, too."`
}

// Help adds what the flags don't say.
func (importCmd) Help() string {
	return `Brings what an OSSEC (2.8 to 4) or Wazuh 4 installation knows: ossec.conf, decoders, rules, lists (text and .cdb), the agents' keys and
agent.conf. It changes nothing there, leaves out what it can't use and says why, and checks that the rest loads. Doing it again brings what is
new; a file that differs from the one brought is kept, and told, unless --force is given.

  yagura import /var/ossec --dry-run           what would come?
  sudo yagura import /var/ossec                bring it to ` + defaultImport() + `
  yagura local --conf ` + filepath.Join(defaultImport(), "etc/ossec.conf") + `

Exit code 0: all was brought, and it loads; 1: something was not brought, or has faults.`
}

// defaultImport is where an installation is brought to: the system's place for root, else the user's.
func defaultImport() string {
	if os.Geteuid() == 0 {
		return "/etc/yagura/ossec"
	}
	if dir, err := os.UserConfigDir(); err == nil {
		return filepath.Join(dir, "yagura", "ossec")
	}
	return "yagura-ossec"
}

// Run brings the installation and tells what came of it.
func (c importCmd) Run() error {
	to, opts := c.To, importer.Options{Force: c.Force}
	if c.DryRun {
		temp, err := os.MkdirTemp("", "yagura-import-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(temp) }() // nobody can be told more than that it's in the system's folder for such
		to, opts.Into = temp, temp
	}
	report, err := importer.Import(c.From, c.To, opts)
	if err != nil {
		return err
	}
	show := importScreen{screen: newScreen(os.Stdout), importCmd: c, report: report}
	show.items()
	show.left()
	show.checked(to)
	if _, err := io.WriteString(show.out, show.text.String()); err != nil {
		return err
	}
	if show.bad {
		return &codeError{code: 1}
	}
	return nil
}

// importScreen says what was brought and what was not.
type importScreen struct {
	screen
	importCmd
	report *importer.Report
	text   strings.Builder
	bad    bool
}

func (s *importScreen) print(format string, args ...any) { fmt.Fprintf(&s.text, format, args...) }

func (s *importScreen) items() {
	kind, verb := "OSSEC", "brought to"
	if s.report.Wazuh {
		kind = "Wazuh"
	}
	if s.DryRun {
		verb = "would be brought to"
	}
	s.print("%s (%s), %s %s\n", clean(s.From), kind, verb, clean(s.To))
	stock, changed := 0, 0
	for _, it := range s.report.Items {
		whose := "yours"
		switch {
		case it.Changed:
			whose = "changed"
			changed++
		case !it.Own:
			whose = "stock"
			stock++
		}
		if it.Own || it.Changed || s.Verbose {
			s.print("    %-8s %-8s %s\n", whose, it.State, clean(it.Path))
		}
	}
	if stock > 0 && !s.Verbose {
		s.print("    %-8s          %s of %s as they came (-v names them)\n", "stock", count(stock, "file"), kind)
	}
	if changed > 0 {
		s.print("    changed: not yours by their names, but written after the installation\n")
	}
	if s.report.Agents > 0 {
		s.print("    %s in client.keys; to go on with them: yagura agents import %s\n", count(s.report.Agents, "agent"),
			shellWord(filepath.Join(s.To, "etc", "client.keys")))
	}
}

func (s *importScreen) left() {
	if len(s.report.Left) == 0 {
		return
	}
	s.bad = true
	s.print("Not brought:\n")
	for _, l := range s.report.Left {
		s.print("    %s %s\n", s.paint(yellow, clean(l.What)), clean(l.Why))
	}
}

// checked loads what was brought and tells what is wrong with it.
func (s *importScreen) checked(dir string) {
	s.sharedFaults(dir)
	if s.report.Conf == "" && len(s.report.Items) == 0 {
		return
	}
	flags := rulesFlags{Rules: dir}
	if s.report.Conf != "" {
		flags = rulesFlags{Conf: filepath.Join(dir, s.report.Conf)}
	}
	p := &problems{screen: screen{out: &s.text, colour: s.colour}}
	src, err := flags.source()
	if err == nil {
		p.path = func(file string) string { return filepath.Join(s.From, file) }
		err = p.check(src, s.mine)
	}
	var faults *osxml.FaultError
	switch {
	case errors.As(err, &faults):
		p.all("fault", faults.Faults)
	case err != nil:
		s.print("It doesn't load: %s\n", clean(err.Error()))
	}
	s.bad = s.bad || err != nil
	where := s.To
	if src != nil && src.dir == "" { // the configuration names no rules, and none are there
		where = "the built-in ruleset, since none was brought"
	}
	s.print("%s, %s in your files", count(p.faults, "fault"), count(p.warnings, "warning"))
	if p.others > 0 {
		s.print(", %d in others (yagura rules check tells them)", p.others)
	}
	s.print("; it loads: %s\n", map[bool]string{true: "yes", false: "no"}[err == nil])
	if err == nil && !s.DryRun {
		s.next(flags, where)
	}
}

// mine tells whether a file is the user's own, or changed.
func (s *importScreen) mine(file string) bool {
	return slices.ContainsFunc(s.report.Items, func(it importer.Item) bool { return it.Path == file && (it.Own || it.Changed) })
}

// sharedFaults reads the configuration that the server kept for its agents, for its faults.
func (s *importScreen) sharedFaults(dir string) {
	for _, name := range s.report.Shared {
		if _, err := (rulesFlags{Conf: filepath.Join(dir, name)}).config(); err != nil {
			s.bad = true
			s.print("%s\n", clean(err.Error()))
		}
	}
}

// next says how to go on.
func (s *importScreen) next(flags rulesFlags, where string) {
	if flags.Conf == "" {
		s.print("Rules: %s\nGo on with: yagura rules check --rules %s\n", clean(where), clean(s.To))
		return
	}
	s.print("Go on with: yagura local --conf %s\n", clean(flags.Conf))
}
