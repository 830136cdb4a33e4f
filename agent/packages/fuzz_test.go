package packages_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/yagura-hids/yagura/agent/packages"
)

// What dpkg and rpm wrote may be anything by now: nothing panics, and a list gives no path that isn't in it, nor a directory of the next one.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"Package: tool\nStatus: install ok installed\nArchitecture: all\nVersion: 1\nConffiles:\n /etc/x cfd65bed18a1fae631091c3a4c4dd533 obsolete\n newconffile\n\nPackage:\n",
		"/.\n/usr\n/usr/bin\n/usr/bin/tool\n\n/usr/bin/\n",
		"cfd65bed18a1fae631091c3a4c4dd533  usr/bin/tool\nzz  x\n",
		"/usr/bin/x\n/usr/bin/x.real\nmine\n/a\n",
		"2026-03-01 04:00:00 startup archives unpack\n2026-03-01 04:00:01 upgrade tool:all 1 2\n2026-03-01 04:00:01\n2026-03-01 04:00:01 status installed x\n",
		"bash\tx86_64\t(none):4.2-1\t(none)\t33261\t0\tcfd65bed18a1fae631091c3a4c4dd533\t/bin/bash\n",
		"bash\tx86_64\t5-1\t1\t2\n",
	} {
		f.Add([]byte(text))
	}
	for _, b := range packages.Remembered() {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, path := range packages.ParseAll(text) {
			if !bytes.Contains(text, []byte(path)) || !strings.HasPrefix(path, "/") {
				t.Errorf("path %q", path)
			}
		}
		_ = packages.ParseRPMStates(bytes.NewReader(text), func(string, string) {})
		_ = packages.ParseRPMFiles(bytes.NewReader(text), func(string, string, packages.Algorithm) {})
		before, work := packages.Reencode(text)
		if again, _ := packages.Reencode(before); before != nil && !bytes.Equal(before, again) {
			t.Errorf("%x became %x", before, again)
		}
		if _, again := packages.Reencode(work); work != nil && !bytes.Equal(work, again) {
			t.Errorf("%q became %q", work, again)
		}
	})
}

// One link may lead to another, and round in a circle.
func TestAliases(t *testing.T) {
	links := map[string]string{"/bin": "/usr/bin", "/usr/sbin": "/usr/bin", "/sbin": "/usr/sbin", "/a": "/b", "/b": "/a", "/lib": "/usr/lib"}
	for path, want := range map[string]string{
		"/bin/x": "/usr/bin/x", "/sbin/x": "/usr/bin/x", "/usr/sbin/x/y": "/usr/bin/x/y", "/binary/x": "/binary/x", "/bin": "/bin", "/usr": "/usr", "": "", "/": "/",
		"/a/x": "/a/x", "/usr/lib/x": "/usr/lib/x",
	} {
		if got := packages.Aliases(links, path); got != want {
			t.Errorf("%q: %q, want %q", path, got, want)
		}
	}
}
