package ruleset_test

import (
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/yagura-hids/yagura/internal/config"
	"github.com/yagura-hids/yagura/internal/osxml"
	"github.com/yagura-hids/yagura/internal/ruleset"
	"github.com/yagura-hids/yagura/rules"
)

// Pieces of small rulesets.
const (
	base  = `<rule id="1" level="0" noalert="1"><category>syslog</category><description>Top.</description></rule>`
	good  = `<decoder name="x"><prematch>^x</prematch></decoder>`
	child = `<decoder name="x-child"><parent>x</parent><regex>(y)</regex><order>id</order></decoder>`
)

func group(rules string) string { return `<group name="g,">` + rules + `</group>` }

// aRule returns a rule that any event satisfies.
func aRule(id string) string {
	return `<rule id="` + id + `" level="1"><description>Rule ` + id + `.</description></rule>`
}

// files returns a file system of names and contents.
func files(pairs ...string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		fsys[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return fsys
}

func includes(paths ...string) []config.Include {
	var list []config.Include
	for _, p := range paths {
		list = append(list, config.Include{Path: p})
	}
	return list
}

// loaded tells, of the rules 10 to 19 and the decoders a to f, which a set has: "a b 10 12".
func loaded(set *ruleset.Set) string {
	var words []string
	for _, name := range strings.Fields("a b c d e f") {
		if _, ok := set.Decoders.ID(name); ok {
			words = append(words, name)
		}
	}
	for id := 10; id < 20; id++ {
		if set.Rules.Rule(id) != nil {
			words = append(words, strings.TrimPrefix(set.Rules.Rule(id).Description, "Rule "))
		}
	}
	return strings.ReplaceAll(strings.Join(words, " "), ".", "")
}

func TestLoad(t *testing.T) {
	dec := func(name string) string { return `<decoder name="` + name + `"><prematch>^x</prematch></decoder>` }
	first, second := group(base+aRule("10")), group(aRule("11"))
	dirs := func(path, pattern string) []config.Include {
		return []config.Include{{Path: path, Dir: true, Pattern: pattern}}
	}
	for _, tt := range []struct {
		name  string
		fsys  fs.FS
		conf  config.Rules
		want  string
		files int
	}{
		{"default layout", files("decoder.xml", dec("a"), "rules/a.xml", first), config.Rules{}, "a 10", 2},
		{"with local decoders", files("decoder.xml", dec("a"), "local_decoder.xml", dec("b"), "rules/a.xml", first), config.Rules{}, "a b 10", 3},
		{"with an empty local file", files("decoder.xml", dec("a"), "local_decoder.xml", "<!-- -->", "rules/a.xml", first), config.Rules{}, "a 10", 3},
		{"below etc", files("etc/decoder.xml", dec("a"), "etc/local_decoder.xml", dec("b"), "etc/rules/a.xml", first), config.Rules{}, "a b 10", 3},
		{"decoders in etc, rules beside it", files("etc/decoder.xml", dec("a"), "rules/a.xml", first), config.Rules{}, "a 10", 2},
		{"rules_config first", files("decoder.xml", dec("a"), "rules/a.xml", second, "rules/rules_config.xml", first), config.Rules{}, "a 10 11", 3},
		{"other files are left", files("decoder.xml", dec("a"), "rules/a.xml", first, "rules/b.xml.orig", "<", "rules/c/d.xml", "<"), config.Rules{}, "a 10", 2},
		{"includes, in their order", files("decoder.xml", dec("a"), "rules/b.xml", first, "rules/a.xml", second, "rules/c.xml", "<"),
			config.Rules{Includes: includes("b.xml", "a.xml")}, "a 10 11", 3},
		{"a file counts once", files("decoder.xml", dec("a"), "rules/a.xml", first), config.Rules{Includes: includes("a.xml", "rules/a.xml", "/rules/a.xml")}, "a 10", 2},
		{"paths from the root", files("x/y.xml", dec("b"), "etc/z.xml", first),
			config.Rules{Decoders: includes("/x/y.xml"), Includes: includes("etc/z.xml")}, "b 10", 2},
		{"includes below etc", files("etc/decoder.xml", dec("a"), "etc/rules/a.xml", first), config.Rules{Includes: includes("a.xml")}, "a 10", 2},
		{"directory, sorted", files("decoder.xml", dec("a"), "own/2.xml", second, "own/1.xml", first, "own/3.txt", "<"),
			config.Rules{Includes: dirs("own", ".xml$")}, "a 10 11", 3},
		{"directory with a pattern on the path", files("decoder.xml", dec("a"), "own/1_rules.xml", first, "own/2.xml", "<"),
			config.Rules{Includes: dirs("/own/", "^own/\\S+_rules.xml$")}, "a 10", 2},
		{"directory of decoders", files("d/1.xml", dec("a"), "d/2.xml", dec("b"), "rules/a.xml", first), config.Rules{Decoders: dirs("d", ".xml$")}, "a b 10", 3},
		{"directory adds only what is new", files("decoder.xml", dec("a"), "rules/2.xml", first, "rules/1.xml", second),
			config.Rules{Includes: append(includes("2.xml"), dirs("rules", ".xml$")...)}, "a 10 11", 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			set, err := ruleset.Load(tt.fsys, tt.conf)
			if err != nil {
				t.Fatal(err)
			}
			if got := loaded(set); got != tt.want || set.Files != tt.files {
				t.Errorf("loaded %q of %d files, want %q of %d", got, set.Files, tt.want, tt.files)
			}
		})
	}
}

func TestLoadNothing(t *testing.T) {
	_, err := ruleset.Load(fstest.MapFS{}, config.Rules{})
	const want = "decoder.xml: there is no decoder file: put it there, or name decoder files in ossec.conf's <rules>\n" +
		"rules: there are no rules: put rule files there, or name them in ossec.conf's <rules>"
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

func TestLoadLists(t *testing.T) {
	withList := func(path string) string {
		return group(base + `<rule id="10" level="1"><list field="srcip">` + path + `</list><description>Rule 10.</description></rule>`)
	}
	for _, tt := range []struct{ name, configured, named, file, fault string }{
		{"as it is", "lists/a", "lists/a", "lists/a", ""},
		{"cdb on one side", "lists/a.cdb", "lists/a", "lists/a", ""},
		{"cdb on the other", "lists/a", "lists/a.cdb", "lists/a", ""},
		{"in rules", "a", "rules/a", "rules/a", ""},
		{"below etc", "lists/a", "lists/a", "etc/lists/a", ""},
		{"not configured", "lists/a", "lists/b", "lists/b", "list lists/b: no <list> of ossec.conf names it"},
		{"not there", "lists/a", "lists/a", "lists/b", "list lists/a: open lists/a: file does not exist"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fsys := files("decoder.xml", good, "rules/r.xml", withList(tt.named), tt.file, "10.:x\n")
			_, err := ruleset.Load(fsys, config.Rules{Lists: []string{tt.configured}, Includes: includes("r.xml")})
			switch {
			case tt.fault == "" && err != nil:
				t.Error(err)
			case tt.fault != "" && (err == nil || !strings.Contains(err.Error(), tt.fault)):
				t.Errorf("got %v, want %s", err, tt.fault)
			}
		})
	}
}

// What is wrong with a directory or a file itself is a fault like others.
func TestLoadUnreadable(t *testing.T) {
	fsys := files("decoder.xml", good, "rules/a.xml", group(base))
	fsys["rules/b.xml"] = &fstest.MapFile{Data: []byte("x")}
	for _, tt := range []struct {
		name string
		fsys fs.FS
		in   config.Include
		want string
	}{
		{"bad pattern", fsys, config.Include{Path: "rules", Dir: true, Pattern: "(x", Pos: osxml.Pos{File: "c", Line: 2, Col: 3}}, `c:2:3: pattern "(x": `},
		{"no such directory", fsys, config.Include{Path: "own", Dir: true, Pattern: ".xml$", Pos: osxml.Pos{File: "c", Line: 2, Col: 3}},
			"c:2:3: no file in own matches .xml$: check the path and the pattern"},
		{"outside", fsys, config.Include{Path: "../x.xml", Pos: osxml.Pos{File: "c", Line: 2, Col: 3}}, "c:2:3: there is no file ../x.xml: "},
		{"unreadable", unreadable{fsys, "rules/b.xml"}, config.Include{Path: "b.xml"}, "rules/b.xml: permission denied"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ruleset.Load(tt.fsys, config.Rules{Includes: append(includes("a.xml"), tt.in)})
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

// unreadable is a file system with a file that can be seen and not read.
type unreadable struct {
	fstest.MapFS
	name string
}

func (u unreadable) ReadFile(name string) ([]byte, error) {
	if name == u.name {
		return nil, fs.ErrPermission
	}
	return u.MapFS.ReadFile(name)
}

// The hash is the same for the same files and another for anything else.
func TestHash(t *testing.T) {
	list := group(base + `<rule id="10" level="1"><list field="srcip">lists/a</list><description>x</description></rule>`)
	small := func() fstest.MapFS {
		return files("decoder.xml", good, "rules/a.xml", list, "rules/b.xml", group(aRule("11")), "lists/a", "k:v")
	}
	hash := func(fsys fs.FS) string {
		t.Helper()
		set, err := ruleset.Load(fsys, config.Rules{Lists: []string{"lists/a"}})
		if err != nil {
			t.Fatal(err)
		}
		return set.Hash
	}
	want := hash(small())
	if len(want) != 16 || want != hash(small()) {
		t.Errorf("hashes %s and %s", want, hash(small()))
	}
	seen := map[string]string{want: "nothing"}
	for what, change := range map[string]func(fstest.MapFS){
		"a comment in a rule file": func(f fstest.MapFS) { f["rules/b.xml"].Data = append(f["rules/b.xml"].Data, "<!-- -->"...) },
		"a decoder":                func(f fstest.MapFS) { f["decoder.xml"].Data = []byte(good + child) },
		"a list":                   func(f fstest.MapFS) { f["lists/a"].Data = []byte("k:w") },
		"a new file":               func(f fstest.MapFS) { f["rules/c.xml"] = &fstest.MapFile{Data: []byte(group(aRule("12")))} },
		"a name":                   func(f fstest.MapFS) { f["rules/d.xml"] = f["rules/b.xml"]; delete(f, "rules/b.xml") },
		"a file less":              func(f fstest.MapFS) { delete(f, "rules/b.xml") },
	} {
		fsys := small()
		change(fsys)
		got := hash(fsys)
		if other, twice := seen[got]; twice {
			t.Errorf("%s has the hash of %s", what, other)
		}
		seen[got] = what
	}
	unread := small()
	unread["README"] = &fstest.MapFile{Data: []byte("x")}
	if hash(unread) != want {
		t.Error("a file that is no part of the ruleset changes the hash")
	}
}

// ossecRuleset is a directory with a ruleset that must load beside our own.
func ossecRuleset() string { return os.Getenv("OSSEC_RULESET") }

func load(tb testing.TB, dir string) *ruleset.Set {
	tb.Helper()
	fsys, files, err := ruleset.Choose(rules.FS, dir)
	if err != nil {
		tb.Fatal(err)
	}
	set, err := ruleset.Load(fsys, files)
	if err != nil {
		tb.Fatal(err)
	}
	return set
}

// The built-in ruleset loads without a fault, and so does the one that OSSEC_RULESET names.
func TestLoadWhole(t *testing.T) {
	if set := load(t, ""); set.Rules.Rule(1) == nil || set.Files < 5 {
		t.Errorf("the built-in ruleset has %d files", set.Files)
	}
	if dir := ossecRuleset(); dir != "" {
		if set := load(t, dir); set.Rules.Rule(5716) == nil {
			t.Error("no rule 5716")
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	for name, dir := range map[string]string{"own": "", "ossec": ossecRuleset()} {
		if name == "ossec" && dir == "" {
			continue
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				load(b, dir)
			}
		})
	}
}
