package ruleset_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/yagura-hids/yagura/internal/ruleset"
)

// own is a small built-in ruleset: decoder a, rules 10 and 11.
func own() fs.FS {
	return files(
		"ossec.conf", "<ossec_config><rules><decoder>decoders/a.xml</decoder><include>rules/base.xml</include><include>rules/more.xml</include></rules></ossec_config>",
		"decoders/a.xml", `<decoder name="a"><prematch>^x</prematch></decoder>`,
		"rules/base.xml", group(base+aRule("10")), "rules/more.xml", group(aRule("11")), "rules/unlisted.txt", "<")
}

// folder writes names and contents into a new directory.
func folder(t *testing.T, pairs ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(pairs); i += 2 {
		path := filepath.Join(dir, pairs[i])
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(pairs[i+1]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestChoose(t *testing.T) {
	const b = `<decoder name="b"><prematch>^y</prematch></decoder>`
	conf := func(text string) string { return "<ossec_config>" + text + "</ossec_config>" }
	for _, tt := range []struct {
		name  string
		files []string // nil for no directory
		want  string
	}{
		{"the built-in one", nil, "a 10 11"},
		{"a whole one", []string{"decoder.xml", b, "rules/r.xml", group(base + aRule("12"))}, "b 12"},
		{"a whole one below etc", []string{"etc/decoder.xml", b, "etc/rules/r.xml", group(base + aRule("12"))}, "b 12"},
		{"one with ossec.conf", []string{"ossec.conf", conf("<rules><include>r.xml</include><decoder>x/d.xml</decoder></rules>"), "x/d.xml", b,
			"rules/r.xml", group(base + aRule("12")), "rules/other.xml", "<"}, "b 12"},
		{"one with etc/ossec.conf", []string{"etc/ossec.conf", conf("<rules><include>r.xml</include></rules>"), "etc/decoder.xml", b,
			"rules/r.xml", group(base + aRule("12")), "rules/other.xml", "<"}, "b 12"},
		{"ossec.conf without rules", []string{"ossec.conf", conf(""), "etc/decoder.xml", b, "rules/r.xml", group(base + aRule("12"))}, "b 12"},
		{"rules are added", []string{"rules/local_rules.xml", group(aRule("12"))}, "a 10 11 12"},
		{"decoders are added", []string{"decoders/z.xml", b}, "a b 10 11"},
		{"a file replaces its namesake, in its place", []string{"rules/base.xml", group(base + aRule("13"))}, "a 11 13"},
		{"both", []string{"decoders/a.xml", b, "rules/1.xml", group(aRule("14")), "rules/more.xml", group(aRule("12"))}, "b 10 12 14"},
		{"other files are left", []string{"rules/notes.txt", "<", "README", "<"}, "a 10 11"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := ""
			if tt.files != nil {
				dir = folder(t, tt.files...)
			}
			fsys, names, err := ruleset.Choose(own(), dir)
			if err != nil {
				t.Fatal(err)
			}
			set, err := ruleset.Load(fsys, names)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, loaded(set)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A user's rule may be a child of a built-in one, and overwrite another.
func TestChooseAddsToOwn(t *testing.T) {
	dir := folder(t, "rules/local_rules.xml", group(`<rule id="12" level="5"><if_sid>10</if_sid><description>Rule 12.</description></rule>`+
		`<rule id="11" level="7" overwrite="yes"><match>x</match><description>Rule 11 anew.</description></rule>`))
	fsys, names, err := ruleset.Choose(own(), dir)
	if err != nil {
		t.Fatal(err)
	}
	set, err := ruleset.Load(fsys, names)
	if err != nil {
		t.Fatal(err)
	}
	if got := loaded(set); got != "a 10 11 anew 12" || set.Rules.Rule(11).Level != 7 {
		t.Errorf("loaded %q", got)
	}
}

func TestChooseErrors(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	file := filepath.Join(folder(t, "file", "x"), "file")
	for _, tt := range []struct {
		name, dir string
		own       fs.FS
		is        error
		text      string
	}{
		{"no directory", missing, own(), fs.ErrNotExist, "ruleset " + missing + ": want a directory: "},
		{"a file", file, own(), fs.ErrInvalid, "ruleset " + file + ": want a directory: "},
		{"an empty directory", t.TempDir(), own(), ruleset.ErrNoRules, "no decoders and no rules there"},
		{"a broken ossec.conf", folder(t, "etc/ossec.conf", "<ossec_config>"), own(), nil, "ossec_config> is never closed"},
		{"a broken built-in one", "", files("ossec.conf", "<x/>"), nil, "built-in ruleset: ossec.conf:1:1: "},
		{"no built-in one", "", files(), fs.ErrNotExist, "built-in ruleset: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := ruleset.Choose(tt.own, tt.dir)
			if err == nil || tt.is != nil && !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("got %v, want %v with %q", err, tt.is, tt.text)
			}
		})
	}
}

func TestRoot(t *testing.T) {
	for conf, want := range map[string]string{
		"/var/ossec/etc/ossec.conf": "/var/ossec", "/srv/rules/ossec.conf": "/srv/rules", "ossec.conf": ".", "etc/ossec.conf": ".", "/etc/ossec.conf": "/",
	} {
		if got := ruleset.Root(conf); got != want {
			t.Errorf("Root(%s) = %s, want %s", conf, got, want)
		}
	}
}
