//go:build linux

package packages_test

import (
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yagura-hids/yagura/agent/packages"
)

// rpmbuild makes a package of shell commands that fill $R, and returns its path.
func rpmbuild(t *testing.T, version, commands, list string) string {
	t.Helper()
	dir := t.TempDir()
	spec := filepath.Join(dir, "tool.spec")
	text := fmt.Sprintf("Name: tool\nEpoch: 1\nVersion: %s\nRelease: 1\nSummary: x\nLicense: x\nBuildArch: noarch\n%%description\nx\n"+
		"%%install\nR=%%{buildroot}\nmkdir -p $R/usr/bin $R/etc\n%s\n%%files\n%s\n", version, commands, list)
	if err := os.WriteFile(spec, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	rpmRun(t, "rpmbuild", "-bb", "--define", "_topdir "+dir, spec)
	return filepath.Join(dir, "RPMS/noarch/tool-"+version+"-1.noarch.rpm")
}

func rpmRun(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v: %s\nthis test needs rpm: apt-get install rpm", args, err, out)
	}
}

var realRPM = flag.Bool("rpm", false, "try rpm itself, which must be installed: make test-rpm")

func TestRPM(t *testing.T) {
	if !*realRPM {
		t.Skip("not every machine has rpm: make test-rpm")
	}
	h := newHost(t)
	rpm := func(args ...string) {
		t.Helper()
		rpmRun(t, append([]string{"rpm", "--root", h.Dir, "--dbpath", "/var/lib/rpm"}, args...)...)
	}
	link := func(path, content string, isNew, symlink bool) (*packages.Work, []packages.Algorithm) {
		return h.index.Link(context.Background(), h.Path(path), &packages.Content{New: isNew, Symlink: symlink, Sum: func(a packages.Algorithm) []byte {
			sum := sha256.Sum256([]byte(content))
			if a == packages.SHA256 {
				return sum[:]
			}
			return nil
		}})
	}
	rpmRun(t, "rpm", "--root", h.Dir, "--dbpath", "/var/lib/rpm", "--initdb")
	h.refresh()
	rpm("-i", "--nodeps", rpmbuild(t, "1", `echo one >$R/usr/bin/tool; echo g >$R/usr/bin/gone`, "/usr/bin/tool\n/usr/bin/gone"))
	h.refresh()
	if w, _ := link("/usr/bin/tool", "one\n", true, false); w == nil || w.Package.From != "" || w.Package.To != "1:1-1" || w.Package.Arch != "noarch" {
		t.Errorf("installed: %+v", w)
	}
	h.index.Forget(h.now)
	rpm("-U", "--nodeps", rpmbuild(t, "2", `echo two >$R/usr/bin/tool; ln -s tool $R/usr/bin/t; echo c >$R/etc/tool.conf`, "/usr/bin/tool\n/usr/bin/t\n%config /etc/tool.conf\n%ghost /etc/tool.ghost"))
	h.restart()
	h.refresh()
	w, _ := link("/usr/bin/tool", "two\n", false, false)
	if w == nil || w.Package.From != "1:1-1" || w.Package.To != "1:2-1" || w.Package.Manager != "rpm" || w.Package.Transaction == "" || w.Package.Time.IsZero() {
		t.Fatalf("upgraded: %+v", w)
	}
	h.restart()
	for path, content := range map[string]string{"/usr/bin/tool": "two\n", "/etc/tool.conf": "c\n"} {
		if w, _ := link(path, content, false, false); w == nil {
			t.Errorf("%s isn't linked", path)
		}
		if w, _ := link(path, "evil", false, false); w != nil {
			t.Errorf("%s is linked, whatever it is", path)
		}
	}
	if w, _ := link("/usr/bin/t", "", true, true); w == nil {
		t.Error("a new symbolic link isn't linked")
	}
	if w, _ := link("/etc/tool.ghost", "", true, false); w != nil {
		t.Error("of this file the package has no content")
	}
	h.want("/usr/bin/gone", false, "tool 1:1-1 > 1:2-1")
	rpm("-e", "tool")
	h.refresh()
	h.want("/usr/bin/tool", false, "tool 1:1-1 > ")
}

// What rpm writes, in the manner of Fedora 42 and CentOS 7, made up by hand: kernels beside each other, keys, digests of another age.
func TestRPMOutput(t *testing.T) {
	states := strings.Join([]string{
		"kernel-core\tx86_64\t6.14.0-63.fc42\t1790000000\t1790000001", "kernel-core\tx86_64\t6.14.2-1.fc42\t1790000100\t1790000101",
		"gpg-pubkey\t(none)\t105ef944-65ca83d1\t1790000000\t1790000001", "bash\tx86_64\t0:5.2.37-1.fc42\t1790000000\t1790000001", "",
	}, "\n")
	var keys []string
	if err := packages.ParseRPMStates(strings.NewReader(states), func(key, label string) { keys = append(keys, key+" "+label) }); err != nil {
		t.Fatal(err)
	}
	want := "kernel-core:x86_64=6.14.0-63.fc42 kernel-core-6.14.0-63.fc42.x86_64|kernel-core:x86_64=6.14.2-1.fc42 kernel-core-6.14.2-1.fc42.x86_64|" +
		"gpg-pubkey:(none)=105ef944-65ca83d1 gpg-pubkey-105ef944-65ca83d1|bash:x86_64 bash-0:5.2.37-1.fc42.x86_64"
	if got := strings.Join(keys, "|"); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	files := "bash\tx86_64\t(none):4.2-1\t(none)\t33261\t0\tcfd65bed18a1fae631091c3a4c4dd533\t/bin/bash\n" +
		"bash\tx86_64\t(none):4.2-1\t(none)\t41471\t0\t\t/bin/sh\n" +
		"bash\tx86_64\t(none):4.2-1\t8\t16877\t0\t\t/etc/skel\n" +
		"bash\tx86_64\t(none):4.2-1\t10\t33261\t0\tcfd65bed18a1fae631091c3a4c4dd533\t/sha512\n" +
		"bash\tx86_64\t(none):4.2-1\t8\t33188\t0\t" + strings.Repeat("ab", 32) + "\t/a\tb\n" +
		"package nothing is not installed\n"
	var got []string
	if err := packages.ParseRPMFiles(strings.NewReader(files), func(label, path string, a packages.Algorithm) {
		got = append(got, fmt.Sprint(label, " ", path, " ", a))
	}); err != nil {
		t.Fatal(err)
	}
	if text := strings.Join(got, "|"); text != "bash-4.2-1.x86_64 /bin/bash 1|bash-4.2-1.x86_64 /bin/sh 0|bash-4.2-1.x86_64 /a\tb 3" {
		t.Error(text)
	}
}
