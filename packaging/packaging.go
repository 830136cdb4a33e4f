// Package packaging makes the packages of the agent and the relay, and brings them where hosts get them.
//
//	./agent ─ go build ─► yagura-agent ─ nfpm (nfpm.yaml) ─► .deb .rpm   linux/amd64, linux/arm64
//	                                   └ zip             ─► .zip         windows/amd64
//	./agent/relay/cmd ──► yagura-relay ─ nfpm (relay/nfpm.yaml) ─► .deb .rpm
//	                                            all of them ─► SHA256SUMS
//
//	s3://BUCKET/yagura-agent/VERSION/…      packages and SHA256SUMS; once there, never changed
//	                        /latest         the version that was published last
//
// Two builds of one commit give the same bytes: all times are the commit's, and no machine's name is in them.
package packaging

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Release is what packages are made of.
type Release struct {
	Root    string    // the repository's folder
	Version string    // as [Version] has it
	Date    time.Time // of all files in the packages
	Dir     string    // where the packages go
}

// sums is the file that has the SHA-256 of each package, as sha256sum writes and checks it.
const sums = "SHA256SUMS"

var described = regexp.MustCompile(`^v(\d[0-9a-zA-Z.~]*)(?:-(\d+)-(g[0-9a-f]+))?(-dirty)?$`)

// Version makes of what git describe says, and the commit's date, a version that dpkg and rpm take and put in the right order: a tag v1.2.3 is
// 1.2.3, what is committed upon it 1.2.3+4.g0123abc, and what has no tag 0.0.0+DATE.0123abc.
func Version(describe string, date time.Time) string {
	m := described.FindStringSubmatch(describe)
	switch {
	case m == nil:
		return "0.0.0+" + date.UTC().Format("20060102150405") + "." + strings.ReplaceAll(describe, "-", ".")
	case m[2] != "":
		m[1] += "+" + m[2] + "." + m[3]
	}
	return m[1] + strings.ReplaceAll(m[4], "-", ".")
}

// product is a program of its own.
type product struct {
	name   string
	source string // its main's folder
	nfpm   string // what is in its packages
}

var (
	agent = product{"yagura-agent", "./agent", "packaging/nfpm.yaml"}
	relay = product{"yagura-relay", "./agent/relay/cmd", "packaging/relay/nfpm.yaml"}
)

// target is a system that a product is built for, and the package for it.
type target struct {
	product
	system, arch string
	file         string // its name, with VERSION for the version
}

// targets have the names that dpkg and rpm give to packages.
var targets = []target{
	{agent, "linux", "amd64", "yagura-agent_VERSION_amd64.deb"},
	{agent, "linux", "arm64", "yagura-agent_VERSION_arm64.deb"},
	{agent, "linux", "amd64", "yagura-agent-VERSION-1.x86_64.rpm"},
	{agent, "linux", "arm64", "yagura-agent-VERSION-1.aarch64.rpm"},
	{agent, "windows", "amd64", "yagura-agent_VERSION_windows_amd64.zip"},
	{relay, "linux", "amd64", "yagura-relay_VERSION_amd64.deb"},
	{relay, "linux", "arm64", "yagura-relay_VERSION_arm64.deb"},
	{relay, "linux", "amd64", "yagura-relay-VERSION-1.x86_64.rpm"},
	{relay, "linux", "arm64", "yagura-relay-VERSION-1.aarch64.rpm"},
}

// program is the name of a target's program in the folder that [Release.Pack] reads.
func (t target) program() string { return t.name + "-" + t.system + "-" + t.arch }

// Build builds the programs for all targets, and packs them.
func (r *Release) Build(ctx context.Context) error {
	programs, err := os.MkdirTemp("", "yagura-packages-")
	if err != nil {
		return fmt.Errorf("build: %w", err)
	}
	defer os.RemoveAll(programs) //nolint:errcheck // a temporary folder
	for _, t := range targets {
		out := filepath.Join(programs, t.program())
		if _, err := os.Stat(out); err == nil {
			continue
		}
		build := []string{"go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -X main.version=" + r.Version, "-o", out, t.source}
		if err := r.run(ctx, []string{"GOOS=" + t.system, "GOARCH=" + t.arch, "CGO_ENABLED=0"}, build); err != nil {
			return fmt.Errorf("build %s for %s/%s: %w", t.name, t.system, t.arch, err)
		}
	}
	return r.Pack(ctx, programs)
}

// Pack makes the packages of the programs in a folder, whose names are PRODUCT-SYSTEM-ARCHITECTURE. Packages that were in Dir before go.
func (r *Release) Pack(ctx context.Context, programs string) error {
	if err := r.clear(); err != nil {
		return err
	}
	for _, t := range targets {
		pack := r.nfpm
		if t.system == "windows" {
			pack = r.zip
		}
		program, file := filepath.Join(programs, t.program()), filepath.Join(r.Dir, strings.ReplaceAll(t.file, "VERSION", r.Version))
		if err := pack(ctx, t, program, file); err != nil {
			return fmt.Errorf("pack %s: %w", file, err)
		}
	}
	return writeSums(r.Dir)
}

func (r *Release) clear() error {
	if err := os.MkdirAll(r.Dir, 0o755); err != nil { //nolint:gosec // packages are for all
		return err
	}
	old, err := packages(r.Dir)
	if err != nil {
		return err
	}
	for _, file := range append(old, filepath.Join(r.Dir, sums)) {
		if err := os.Remove(file); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return nil
}

func (r *Release) nfpm(ctx context.Context, t target, program, file string) error {
	env := []string{"ARCH=" + t.arch, "VERSION=" + r.Version, "BINARY=" + program, fmt.Sprint("SOURCE_DATE_EPOCH=", r.Date.Unix())}
	abs, err := filepath.Abs(file)
	if err != nil {
		return err
	}
	kind := strings.TrimPrefix(filepath.Ext(file), ".")
	return r.run(ctx, env, []string{"go", "tool", "-modfile=tools/nfpm/go.mod", "nfpm", "package", "-f", t.nfpm, "-p", kind, "-t", abs})
}

// run runs a command in the repository's folder. What it says is part of the error.
func (r *Release) run(ctx context.Context, env, command []string) error {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir, cmd.Env = r.Root, append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", cmp.Or(command[len(command)-1], command[0]), err, out)
	}
	return nil
}

// packages returns the packages in a folder, sorted.
func packages(dir string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "yagura-*"))
	slices.Sort(files)
	return files, err
}

func writeSums(dir string) error {
	files, err := packages(dir)
	if err != nil {
		return err
	}
	var text strings.Builder
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "%x  %s\n", sha256.Sum256(data), filepath.Base(file))
	}
	return os.WriteFile(filepath.Join(dir, sums), []byte(text.String()), 0o644) //nolint:gosec // for all to read
}
