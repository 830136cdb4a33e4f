// Package packagestest makes hosts with packages, for tests: a root folder in which dpkg installs archives that it built.
package packagestest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Root is a folder with a dpkg database.
type Root struct {
	t   testing.TB
	Dir string
}

// New returns a root without a package.
func New(t testing.TB) *Root {
	t.Helper()
	r := &Root{t, t.TempDir()}
	for _, dir := range []string{"var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/triggers", "var/log"} {
		r.must(os.MkdirAll(filepath.Join(r.Dir, dir), 0o755))
	}
	r.Write("/var/lib/dpkg/status", "")
	return r
}

func (r *Root) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// Path returns where a path of the host lies.
func (r *Root) Path(path string) string { return filepath.Join(r.Dir, path) }

// Write writes a file.
func (r *Root) Write(path, text string) {
	r.t.Helper()
	r.must(os.MkdirAll(filepath.Dir(r.Path(path)), 0o755))
	r.must(os.WriteFile(r.Path(path), []byte(text), 0o644))
}

// Files are a package's: path ─► text. "-> target" is a symbolic link; those below /etc are conffiles.
type Files map[string]string

// built is the time of all files of packages.
var built = time.Unix(1_790_000_000, 0)

// Deb builds an archive and returns its path.
func (r *Root) Deb(name, version string, files Files) string {
	r.t.Helper()
	dir := r.t.TempDir()
	pkg := &Root{r.t, filepath.Join(dir, "pkg")}
	conffiles, sums := "", ""
	for path, text := range files {
		if target, ok := strings.CutPrefix(text, "-> "); ok {
			r.must(os.MkdirAll(filepath.Dir(pkg.Path(path)), 0o755))
			r.must(os.Symlink(target, pkg.Path(path)))
			continue
		}
		pkg.Write(path, text)
		r.must(os.Chtimes(pkg.Path(path), built, built))
		if strings.HasPrefix(path, "/etc/") {
			conffiles += path + "\n"
			continue
		}
		out := r.run("md5sum", pkg.Path(path))
		sums += out[:32] + "  " + strings.TrimPrefix(path, "/") + "\n"
	}
	pkg.Write("/DEBIAN/control", fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: x\n", name, version))
	pkg.Write("/DEBIAN/conffiles", conffiles)
	pkg.Write("/DEBIAN/md5sums", sums)
	deb := filepath.Join(dir, name+"_"+version+".deb")
	r.run("dpkg-deb", "--root-owner-group", "-Znone", "--build", pkg.Dir, deb)
	return deb
}

// Dpkg runs dpkg on the root.
func (r *Root) Dpkg(args ...string) {
	r.t.Helper()
	r.run("dpkg", append([]string{"--root=" + r.Dir, "--log=" + r.Path("/var/log/dpkg.log"), "--force-unsafe-io"}, args...)...)
}

func (r *Root) run(name string, args ...string) string {
	r.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("%s %q: %v: %s", name, args, err, out)
	}
	return string(out)
}
