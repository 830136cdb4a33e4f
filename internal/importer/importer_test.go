package importer_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/yagura-hids/yagura/internal/importer"
)

// tree writes names and contents into a new folder.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		write(t, dir, name, text)
	}
	return dir
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func bring(t *testing.T, from, to string, opts importer.Options) *importer.Report {
	t.Helper()
	report, err := importer.Import(from, to, opts)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// paths returns "state own path" of each file.
func paths(r *importer.Report) []string {
	var list []string
	for _, it := range r.Items {
		whose := "stock"
		if it.Own {
			whose = "own"
		}
		if it.Changed {
			whose = "changed"
		}
		list = append(list, string(it.State)+" "+whose+" "+it.Path)
	}
	return list
}

func left(r *importer.Report) []string {
	var list []string
	for _, l := range r.Left {
		list = append(list, l.What+" "+l.Why)
	}
	return list
}

const (
	conf = `<ossec_config><rules><include>rules_config.xml</include><include>extra/more.xml</include><list>lists/hosts</list></rules>
<active-response><command>x</command></active-response></ossec_config>`
	key = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
)

func ossec() map[string]string {
	return map[string]string{
		"etc/ossec.conf": conf, "etc/decoder.xml": "d", "etc/local_decoder.xml": "l", "rules/rules_config.xml": "r", "rules/local_rules.xml": "own",
		"rules/notes.txt": "no", "extra/more.xml": "more", "lists/hosts": "a:b", "lists/hosts.cdb": "bin", "etc/client.keys": "001 web1 any " + key + "\n",
		"etc/shared/agent.conf": "<agent_config/>", "etc/shared/linux/agent.conf": "<agent_config/>", "etc/shared/rootkit.txt": "no",
		"queue/rids/001": "1:2", "active-response/bin/drop.sh": "x", "logs/alerts/alerts.log": "no", "bin/ossec-analysisd": "x",
	}
}

func TestImport(t *testing.T) {
	from, to := tree(t, ossec()), filepath.Join(t.TempDir(), "a", "b")
	old := time.Now().Add(-48 * time.Hour)
	for _, name := range []string{"bin/ossec-analysisd", "rules/rules_config.xml", "rules/local_rules.xml"} {
		if err := os.Chtimes(filepath.Join(from, name), old, old); err != nil {
			t.Fatal(err)
		}
	}
	r := bring(t, from, to, importer.Options{})
	want := []string{"new own etc/ossec.conf", "new changed extra/more.xml", "new own lists/hosts", "new own lists/hosts.cdb", "new changed etc/decoder.xml",
		"new own etc/local_decoder.xml", "new own rules/local_rules.xml", "new stock rules/rules_config.xml", "new own etc/client.keys",
		"new own etc/shared/agent.conf", "new own etc/shared/linux/agent.conf"}
	if diff := cmp.Diff(want, paths(r)); diff != "" {
		t.Error(diff)
	}
	wantLeft := []string{"<active-response> in etc/ossec.conf is not supported yet, and has no effect",
		"active-response/bin active response is not supported yet", "queue/rids the counters of agents' messages begin anew"}
	if diff := cmp.Diff(wantLeft, left(r)); diff != "" {
		t.Error(diff)
	}
	if r.Agents != 1 || r.Conf != "etc/ossec.conf" || r.Wazuh || len(r.Shared) != 2 {
		t.Errorf("%+v", r)
	}
	for name, text := range map[string]string{"rules/local_rules.xml": "own", "lists/hosts.cdb": "bin", "etc/client.keys": "001 web1 any " + key + "\n"} {
		got, err := os.ReadFile(filepath.Join(to, name))
		if err != nil || string(got) != text {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	private(t, to)
}

// private asks that nobody but the owner may read what is below dir.
func private(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v", path, info.Mode())
		}
		if strings.Contains(path, ".yagura-import") {
			t.Errorf("%s was left", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// Again it changes nothing; what differs is kept unless it's forced.
func TestImportAgain(t *testing.T) {
	from, to := tree(t, ossec()), filepath.Join(t.TempDir(), "new")
	bring(t, from, to, importer.Options{})
	for _, p := range paths(bring(t, from, to, importer.Options{})) {
		if !strings.HasPrefix(p, "same ") {
			t.Errorf("again: %s", p)
		}
	}
	write(t, to, "rules/local_rules.xml", "mine")
	read := func() string {
		text, err := os.ReadFile(filepath.Join(to, "rules/local_rules.xml"))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	r := bring(t, from, to, importer.Options{})
	if l := strings.Join(left(r), "\n"); !strings.Contains(l, "rules/local_rules.xml is another one at the destination, which was kept") || read() != "mine" {
		t.Errorf("%q; left: %s", read(), l)
	}
	into := t.TempDir()
	r = bring(t, from, to, importer.Options{Force: true, Into: into})
	if !strings.Contains(strings.Join(paths(r), "\n"), "replaced own rules/local_rules.xml") || read() != "mine" {
		t.Errorf("a dry run: %q, %v", read(), paths(r))
	}
	if text, err := os.ReadFile(filepath.Join(into, "rules/local_rules.xml")); err != nil || string(text) != "own" {
		t.Errorf("a dry run has %q, %v", text, err)
	}
	if bring(t, from, to, importer.Options{Force: true}); read() != "own" {
		t.Errorf("forced: %q", read())
	}
	private(t, to)
}

// What leads out of the tree, is no file, or is too large is not brought, and told.
func TestImportHostile(t *testing.T) {
	from, to, secret := tree(t, ossec()), t.TempDir(), tree(t, map[string]string{"secret": "s"})
	link := func(target, name string) {
		if err := os.Symlink(target, filepath.Join(from, name)); err != nil {
			t.Fatal(err)
		}
	}
	link(filepath.Join(secret, "secret"), "rules/a_rules.xml")
	link("../../../../../../etc/passwd", "rules/b_rules.xml")
	link("local_rules.xml", "rules/c_rules.xml") // within: it's brought
	link("d_rules.xml", "rules/d_rules.xml")     // to itself
	link(secret, "lists/away")
	if err := syscall.Mkfifo(filepath.Join(from, "rules/pipe.xml"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(from, "lists/hosts"), 65<<20); err != nil { // sparse
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(secret, "secret"), filepath.Join(to, "stolen")); err != nil {
		t.Fatal(err)
	}
	r := bring(t, from, to, importer.Options{})
	l := strings.Join(left(r), "\n")
	for _, want := range []string{"rules/a_rules.xml is a link that leads out", "rules/b_rules.xml is a link that leads out", "rules/d_rules.xml can't be read: ",
		"lists/away is a link that leads out", "rules/pipe.xml is no plain file", "lists/hosts is larger than 64 MiB"} {
		if !strings.Contains(l, want) {
			t.Errorf("%q is not told in\n%s", want, l)
		}
	}
	for _, name := range []string{"rules/a_rules.xml", "rules/b_rules.xml", "rules/pipe.xml", "lists/hosts", "lists/away"} {
		if _, err := os.Lstat(filepath.Join(to, name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s was brought: %v", name, err)
		}
	}
	if text, err := os.ReadFile(filepath.Join(to, "rules/c_rules.xml")); err != nil || string(text) != "own" {
		t.Errorf("a link within: %q, %v", text, err)
	}
}

// A link at the destination that leads out of it is not written through.
func TestImportIntoLinks(t *testing.T) {
	from, to, outside := tree(t, ossec()), t.TempDir(), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(to, "rules")); err != nil {
		t.Fatal(err)
	}
	if _, err := importer.Import(from, to, importer.Options{}); err == nil {
		t.Error("it went through a link")
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) > 0 {
		t.Errorf("written outside: %v, %v", entries, err)
	}
}

func TestImportWazuh(t *testing.T) {
	from := tree(t, map[string]string{"ruleset/rules/0010-rules_config.xml": "r", "ruleset/decoders/0005-x.xml": "d", "ruleset/lists/a/b": "x",
		"etc/rules/mine.xml": "m", "etc/decoders/local_decoder.xml": "l", "etc/lists/hosts": "h", "etc/ossec.conf": "<ossec_config/>"})
	r := bring(t, from, t.TempDir(), importer.Options{})
	want := []string{"new own etc/ossec.conf", "new own etc/rules/mine.xml", "new own etc/decoders/local_decoder.xml",
		"new stock ruleset/rules/0010-rules_config.xml", "new stock ruleset/decoders/0005-x.xml", "new own etc/lists/hosts", "new stock ruleset/lists/a/b"}
	if diff := cmp.Diff(want, paths(r)); diff != "" || !r.Wazuh {
		t.Error(diff)
	}
}

func TestImportErrors(t *testing.T) {
	from := tree(t, ossec())
	if _, err := importer.Import(t.TempDir(), t.TempDir(), importer.Options{}); !errors.Is(err, importer.ErrNothing) {
		t.Errorf("an empty folder: %v", err)
	}
	if _, err := importer.Import(filepath.Join(from, "nowhere"), t.TempDir(), importer.Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("none: %v", err)
	}
	for _, to := range []string{from, filepath.Join(from, "x", "y")} {
		if _, err := importer.Import(from, to, importer.Options{}); err == nil || !strings.Contains(err.Error(), "lies in the installation") {
			t.Errorf("into itself: %v", err)
		}
	}
	if _, err := importer.Import(from, filepath.Join(from, "..", filepath.Base(from), "etc", "decoder.xml"), importer.Options{}); err == nil {
		t.Error("into a file")
	}
}
