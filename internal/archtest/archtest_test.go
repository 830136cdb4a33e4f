package archtest_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/yagura-hids/yagura/"

// mayImport says for each package which others of the module it may import. A package that is missing here fails the test.
var mayImport = map[string][]string{
	// words and languages: nothing
	"internal/event":    {},
	"internal/osxml":    {},
	"internal/pattern":  {},
	"rules":             {},
	"internal/archtest": {},

	// what one line, one decoder, one rule, one file means
	"internal/predecode": {"internal/event"},
	"internal/decoder":   {"internal/event", "internal/osxml", "internal/pattern"},
	"internal/rule":      {"internal/event", "internal/osxml", "internal/pattern"},
	"internal/config":    {"internal/osxml"},
	"internal/alertlog":  {"internal/event"},
	"internal/codec":     {"internal/event"},
	"internal/syscheck":  {},
	"internal/rootcheck": {},
	"internal/wire":      {},

	// the ruleset as a value, and the engine
	"internal/ruleset":            {"internal/config", "internal/decoder", "internal/osxml", "internal/pattern", "internal/rule"},
	"internal/analysis":           {"internal/event", "internal/pattern", "internal/predecode", "internal/rootcheck", "internal/rule", "internal/ruleset", "internal/syscheck"},
	"internal/analysis/statetest": {"internal/analysis", "internal/config", "internal/event", "internal/ruleset"},
	"internal/logtest":            {"internal/analysis", "internal/decoder", "internal/event", "internal/rule", "internal/ruleset", "internal/ruleview"},
	"internal/ruletest":           {"internal/analysis", "internal/event", "internal/osxml", "internal/ruleset"},
	"internal/rulecheck":          {"internal/decoder", "internal/event", "internal/osxml", "internal/pattern", "internal/rule", "internal/ruleset", "internal/syscheck"},
	"internal/ruleview":           {"internal/osxml", "internal/pattern", "internal/rule", "internal/ruleset", "internal/ruletest"},
	"internal/importer":           {"internal/config"},
	"internal/conformance":        {},

	// tables, what is kept in them, and where
	"internal/table":                   {},
	"internal/table/tabletest":         {"internal/table"},
	"internal/table/bolt":              {"internal/table"},
	"internal/table/dynamo":            {"internal/table"},
	"internal/table/dynamo/dynamotest": {"internal/table", "internal/table/dynamo"},
	"internal/alertstore":              {"internal/event", "internal/table"},
	"internal/statestore":              {"internal/analysis", "internal/table"},
	"internal/fleet":                   {"internal/table", "internal/wire"},
	"internal/prevalence":              {"internal/fleet", "internal/table"},
	"internal/maintenance":             {"internal/event", "internal/fleet", "internal/table"},
	"internal/baseline":                {"internal/event", "internal/fleet", "internal/maintenance", "internal/prevalence", "internal/syscheck", "internal/table"},
	"internal/changelist":              {"internal/baseline", "internal/syscheck"},
	"internal/analysisd":               {"internal/alertstore", "internal/analysis", "internal/baseline", "internal/event", "internal/statestore", "internal/table"},
	"internal/resend":                  {"internal/baseline", "internal/fleet", "internal/syscheck"},
	"internal/resend/ssm":              {"internal/baseline", "internal/syscheck"},

	// what runs on a host: it ships lines and judges none
	"agent/logcollector": {"internal/event"},
	"agent/spool":        {"internal/codec", "internal/event"},
	"agent/sender":       {"agent/spool", "internal/codec", "internal/event"},
	"agent/packages":     {"internal/syscheck"},

	"agent/packages/packagestest": {},

	"agent/syscheck":  {"agent/packages", "agent/spool", "internal/event", "internal/pattern", "internal/syscheck"},
	"agent/rootcheck": {"agent/spool", "internal/event", "internal/osxml", "internal/pattern"},
	"agent/config":    {"agent/logcollector", "agent/rootcheck", "agent/syscheck", "internal/event", "internal/osxml", "internal/pattern"},
	"agent/agentd": {
		"agent/config", "agent/logcollector", "agent/rootcheck", "agent/sender", "agent/spool", "agent/syscheck", "internal/codec", "internal/event",
		"internal/syscheck",
	},
	"agent/central": {"agent/config"},
	"agent/host":    {"internal/event"},
	"agent/check":   {"agent/central", "agent/config", "agent/logcollector", "agent/uplink", "internal/osxml"},
	"agent/uplink":  {"internal/codec"},
	"agent/program": {},

	// the relay
	"agent/relay/check": {"agent/check", "agent/relay/authd", "agent/relay/config", "agent/relay/socket", "internal/fleet", "internal/osxml"},
	"agent/relay": {
		"agent/relay/authd", "agent/relay/config", "agent/relay/legacy", "agent/relay/limit", "agent/relay/session", "agent/relay/socket",
		"agent/relay/syslog", "agent/sender", "agent/spool", "internal/codec", "internal/event", "internal/fleet", "internal/wire",
	},
	"agent/relay/relaytest": {"internal/wire"},
	"agent/relay/config":    {"agent/config", "internal/osxml"},
	"agent/relay/session":   {},
	"agent/relay/socket":    {},
	"agent/relay/limit":     {},
	"agent/relay/syslog":    {"agent/relay/limit", "agent/relay/socket", "internal/event"},
	"agent/relay/authd":     {"agent/relay/limit", "internal/fleet", "internal/wire"},
	"agent/relay/legacy":    {"internal/event", "internal/syscheck"},

	// the relay's doors, which legacy agents and appliances come in by

	// the home on one machine, which is given the engine as a function
	"internal/local": {
		"agent/logcollector", "agent/spool", "internal/alertlog", "internal/alertstore", "internal/analysis", "internal/baseline", "internal/event", "internal/fleet",
		"internal/predecode", "internal/table", "internal/table/bolt",
	},

	// a recorded night for tests
	"internal/night": {"internal/syscheck"},

	// telling of alerts, and the home on AWS
	"internal/notify":     {"internal/event"},
	"internal/notify/sns": {"internal/notify"},
	"internal/cost":       {},
	"internal/template":   {},
	"internal/setaside":   {"internal/codec"},
	"internal/handler":    {"internal/analysisd", "internal/codec", "internal/event", "internal/maintenance", "internal/notify"},

	// the agent's packages
	"packaging": {},

	// what AWS does, on this machine
	"internal/emulated":              {"internal/emulated/faults"},
	"internal/emulated/emulatedtest": {"internal/emulated"},
	"internal/emulated/faults":       {},
	"internal/emulated/lambda":       {"internal/emulated"},

	// mains wire, so they may import anything
	"cmd/yagura":                  nil,
	"agent":                       nil,
	"agent/relay/cmd":             nil,
	"agent/relay/relaytest/flood": nil,
	"functions/analyze":           nil,
	"functions/maintenance":       nil,
	"internal/emulated/install":   {"internal/emulated"},
	"functions/notify":            nil,
	"internal/night/record":       nil,
	"packaging/build":             nil,
	"packaging/publish":           nil,
}

// forbidden are imports outside the module that a package may not have, directly or through others of the module.
var forbidden = []struct {
	packages []string
	imports  []string // with those below them, where "/..." says so
	reason   string
}{
	{engine,
		[]string{"net", "net/http/...", "os/exec", "log/...", "math/rand/...", "crypto/rand", "database/...", "syscall"},
		"the engine is a function of its arguments"},
	{[]string{"internal/event", "internal/predecode", "internal/osxml", "internal/pattern", "internal/decoder", "internal/rule"},
		[]string{"os", "path/filepath"},
		"what means something opens no files; ruleset reads them through fs.FS"},
	{append(slices.Clone(engine), "agent/logcollector"), []string{"go.etcd.io/bbolt/..."}, "only the home knows its store"},
	{append(slices.Clone(engine), "agent/logcollector", "internal/local", "internal/notify", "internal/cost", "internal/table", "internal/table/bolt",
		"internal/alertstore", "internal/statestore", "internal/analysisd", "internal/maintenance"), []string{"github.com/aws/..."},
		"analysis runs on a laptop, too"},
	{[]string{"internal/handler"}, []string{"github.com/aws/aws-sdk-go-v2/..."}, "handlers know Lambda's events, and are given the rest"},
	{[]string{"agent/relay/session"}, []string{"net", "crypto/aes", "golang.org/x/crypto/..."}, "who is behind a datagram knows no sockets and no ciphers"},
	{append(slices.Clone(engine), "internal/local", "agent/logcollector"),
		[]string{"github.com/alecthomas/kong", "github.com/schollz/progressbar/v3", "golang.org/x/term"},
		"flags and terminals are the command's"},
}

// engine are the packages whose result depends on their arguments only: given the same events they give the same alerts at any time.
var engine = []string{
	"internal/event", "internal/osxml", "internal/pattern", "internal/predecode", "internal/decoder", "internal/rule", "internal/ruleset",
	"internal/analysis", "internal/alertlog", "internal/codec", "internal/syscheck",
}

// pkg is a package's code on all platforms, without its tests.
type pkg struct {
	files   []*ast.File
	imports []string
}

// source is the module, read once. Reading it here, not through the go command, lets go test know when to run this again.
func source(t *testing.T) (map[string]*pkg, *token.FileSet) {
	t.Helper()
	packages, fset := map[string]*pkg{}, token.NewFileSet()
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch name := entry.Name(); {
		case err != nil:
			return err
		case entry.IsDir() && path != root && (name[0] == '.' || name == "testdata" || name == "tools"): // tools is another module
			return fs.SkipDir
		case entry.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		return add(packages, fset, filepath.ToSlash(dir), path)
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(packages) < 2 {
		t.Fatalf("%d packages found: this test looks in the wrong place", len(packages))
	}
	return packages, fset
}

func add(packages map[string]*pkg, fset *token.FileSet, dir, path string) error {
	f, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	p := packages[dir]
	if p == nil {
		p = new(pkg)
		packages[dir] = p
	}
	p.files = append(p.files, f)
	for _, spec := range f.Imports {
		p.imports = append(p.imports, strings.Trim(spec.Path.Value, `"`))
	}
	return nil
}

func TestPackagesImportOneWay(t *testing.T) {
	packages, _ := source(t)
	for name, p := range packages {
		allowed, known := mayImport[name]
		if !known {
			t.Errorf("%s: a new package; say in mayImport what it may import", name)
		}
		for _, path := range p.imports {
			inner, own := strings.CutPrefix(path, module)
			if own && allowed != nil && !slices.Contains(allowed, inner) {
				t.Errorf("%s imports %s: that is not its direction", name, inner)
			}
		}
	}
	for name := range mayImport {
		if _, there := packages[name]; !there {
			t.Errorf("mayImport names %s, which is gone", name)
		}
	}
}

func TestForbiddenImports(t *testing.T) {
	packages, _ := source(t)
	for _, rule := range forbidden {
		for _, name := range rule.packages {
			if packages[name] == nil {
				t.Errorf("%s is forbidden something, but gone", name)
			}
			for path, via := range reach(packages, name) {
				if slices.ContainsFunc(rule.imports, func(bad string) bool { return matches(bad, path) }) {
					t.Errorf("%s imports %s (in %s): %s", name, path, via, rule.reason)
				}
			}
		}
	}
}

// matches tells whether path is the one that pattern names, or one of those.
func matches(pattern, path string) bool {
	base, all := strings.CutSuffix(pattern, "/...")
	return path == base || all && strings.HasPrefix(path, base+"/")
}

// reach returns the imports of a package and of those of the module that it imports, each with a package that has it.
func reach(packages map[string]*pkg, name string) map[string]string {
	found := map[string]string{}
	seen := map[string]bool{}
	var visit func(string)
	visit = func(name string) {
		if seen[name] {
			return
		}
		seen[name] = true
		if packages[name] == nil {
			return
		}
		for _, path := range packages[name].imports {
			found[path] = name
			if inner, own := strings.CutPrefix(path, module); own {
				visit(inner)
			}
		}
	}
	visit(name)
	return found
}

// clocks are the functions of package time that read the machine's clock or wait for it.
var clocks = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}

func TestEngineReadsNoClock(t *testing.T) {
	packages, fset := source(t)
	for _, name := range engine {
		if packages[name] == nil {
			t.Fatalf("engine names %s, which is gone", name)
		}
		for _, file := range packages[name].files {
			ast.Inspect(file, func(n ast.Node) bool {
				sel, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains(clocks, sel.Sel.Name) {
					t.Errorf("%s: time.%s: take the time from the event", fset.Position(sel.Pos()), sel.Sel.Name)
				}
				return true
			})
		}
	}
}
