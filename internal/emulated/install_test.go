package emulated_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/yagura-hids/yagura/internal/emulated"
)

// fakeTools puts node, npm, java, mvn and python3 into PATH that note their calls in a file, whose content is returned by the function.
// A tool fails while there is a file fail-NAME in the folder.
func fakeTools(t *testing.T) (dir string, calls func() string) {
	t.Helper()
	dir = t.TempDir()
	script := `#!/bin/sh
name=${0##*/}
[ ! -e "` + dir + `/fail-$name" ] || { echo "$name says why"; exit 3; }
case "$*" in *-version|*ensurepip*) exit 0 ;; esac
echo "$name" >> "` + dir + `/calls"
case "$*" in "-m venv venv") mkdir -p venv/bin && ln -s "$0" venv/bin/python ;; esac
`
	for _, name := range []string{"node", "npm", "java", "mvn", "python3"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	return dir, func() string {
		text, _ := os.ReadFile(filepath.Join(dir, "calls"))
		return strings.Join(strings.Fields(string(text)), " ")
	}
}

func TestInstallsOnceForAll(t *testing.T) {
	_, calls := fakeTools(t)
	dir := filepath.Join(t.TempDir(), "parts")
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if err := emulated.Install(t.Context(), dir, func(string) {}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got, want := calls(), "npm mvn java python3 python"; got != want {
		t.Errorf("called %q, want %q", got, want)
	}
}

func TestHalfDoneInstallIsDoneAgain(t *testing.T) {
	tools, calls := fakeTools(t)
	dir := t.TempDir()
	fail := filepath.Join(tools, "fail-python")
	if err := os.WriteFile(fail, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	err := emulated.Install(t.Context(), dir, func(string) {})
	if err == nil || !strings.Contains(err.Error(), "install moto") || !strings.Contains(err.Error(), "exit status 3\npython says why") {
		t.Errorf("got %v", err)
	}
	if err := os.Remove(fail); err != nil {
		t.Fatal(err)
	}
	var said []string
	if err := emulated.Install(t.Context(), dir, func(s string) { said = append(said, s) }); err != nil {
		t.Fatal(err)
	}
	if got, want := calls(), "npm mvn java python3 python3 python"; got != want || len(said) != 1 {
		t.Errorf("called %q, want %q; said %q", got, want, said)
	}
}

func TestInstallNamesWhatIsMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	err := emulated.Install(t.Context(), t.TempDir(), func(string) {})
	want := `the emulated AWS needs Node.js, npm, Java 17 or later, Maven, Python 3 with venv, which this machine lacks (or which fails). Install it:
  Debian, Ubuntu: apt install nodejs npm default-jre-headless maven python3-venv
  Amazon Linux: dnf install nodejs npm java-17-amazon-corretto-headless maven python3-pip`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
