package packages

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// rpm is asked by its command: there are three formats of its database.
type rpm struct {
	root, path string
	labels     map[string]string // a package's key ─► what the command calls it
}

func (*rpm) name() string { return "rpm" }

// rpmPlaces are where the database lies, rpmFiles its files in three formats.
var (
	rpmPlaces = []string{"/usr/lib/sysimage/rpm", "/var/lib/rpm"}
	rpmFiles  = []string{"rpmdb.sqlite", "rpmdb.sqlite-wal", "Packages.db", "Packages"}
)

func (r *rpm) place() string {
	for _, dir := range rpmPlaces {
		for _, name := range rpmFiles {
			if _, err := os.Stat(filepath.Join(r.root, dir, name)); err == nil {
				return filepath.Join(r.root, dir)
			}
		}
	}
	return ""
}

func (r *rpm) stamp() string {
	dir := r.place()
	if dir == "" {
		return ""
	}
	stamp := ""
	for _, name := range rpmFiles {
		stamp += stampOf(filepath.Join(dir, name)) + " "
	}
	return stamp
}

func (r *rpm) busy() bool {
	dir := r.place()
	return dir != "" && locked(filepath.Join(dir, ".rpm.lock"))
}

// rpmTime is how long the command may take.
const rpmTime = time.Minute

// query gives what the command writes to parse.
func (r *rpm) query(ctx context.Context, parse func(io.Reader) error, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, rpmTime)
	defer cancel()
	if r.root != "" {
		args = append([]string{"--dbpath", r.place()}, args...)
	}
	cmd := exec.CommandContext(ctx, r.path, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	var trouble bytes.Buffer
	cmd.Stderr = &limited{&trouble}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return err
	}
	parsed := parse(out)
	if parsed != nil {
		cancel()
	}
	// A package that is gone since is no trouble: the database will be read again.
	if err := cmd.Wait(); err != nil && parsed == nil && (ctx.Err() != nil || trouble.Len() > 0) {
		return fmt.Errorf("%s: %w: %s", r.path, err, bytes.TrimSpace(trouble.Bytes()))
	}
	return parsed
}

// limited is a buffer for what nobody reads whole.
type limited struct{ b *bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	if room := 1000 - l.b.Len(); room > 0 {
		l.b.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

const rpmVersion = `%|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}`

func (r *rpm) states(ctx context.Context) (map[string]state, map[string]bool, error) {
	all := map[string]state{}
	r.labels = map[string]string{}
	err := r.query(ctx, func(out io.Reader) error {
		return parseRPMStates(out, func(key, label string, s state) {
			if _, twice := all[key]; twice {
				key += "=" + s.version
			}
			all[key], r.labels[key] = s, label
		})
	}, "-qa", "--qf", `%{NAME}\t%{ARCH}\t`+rpmVersion+`\t%{INSTALLTIME}\t%{INSTALLTID}\n`)
	return all, nil, err
}

// parseRPMStates reads lines of name, architecture, version, time and number of the transaction. Of kernels and keys several are there at once.
func parseRPMStates(r io.Reader, fn func(key, label string, s state)) error {
	lines := scanLines(r)
	for lines.Scan() {
		f := strings.Split(lines.Text(), "\t")
		if len(f) != 5 || f[0] == "" {
			return fmt.Errorf("can't read %.200q", lines.Text())
		}
		at, err := strconv.ParseInt(f[3], 10, 64)
		if err != nil {
			return fmt.Errorf("can't read %.200q", lines.Text())
		}
		key := f[0] + ":" + f[1]
		if f[0] == "gpg-pubkey" || strings.HasPrefix(f[0], "kernel") {
			key += "=" + f[2]
		}
		fn(key, rpmLabel(f[0], f[2], f[1]), state{version: f[2], installed: true, settled: true, written: at, run: f[4]})
	}
	return lines.Err()
}

const rpmQuery = `[%{=NAME}\t%{=ARCH}\t%{=EPOCH}:%{=VERSION}-%{=RELEASE}\t%{=FILEDIGESTALGO}\t%{FILEMODES}\t%{FILEFLAGS}\t%{FILEDIGESTS}\t%{FILENAMES}\n]`

// rpmAtOnce is how many packages are asked for in one call.
const rpmAtOnce = 200

func (r *rpm) files(ctx context.Context, keys map[string]bool, _ bool, fn func(key, path string, sum digest)) error {
	if len(keys) > 0 && r.labels == nil { // after a restart
		if _, _, err := r.states(ctx); err != nil {
			return err
		}
	}
	byLabel := map[string]string{}
	for key := range keys {
		if label, ok := r.labels[key]; ok {
			byLabel[label] = key
		}
	}
	labels := slices.Sorted(maps.Keys(byLabel))
	for some := range slices.Chunk(labels, rpmAtOnce) {
		err := r.query(ctx, func(out io.Reader) error {
			return parseRPMFiles(out, func(label, path string, sum digest) {
				if key, ok := byLabel[label]; ok {
					fn(key, path, sum)
				}
			})
		}, append([]string{"-q", "--qf", rpmQuery, "--"}, some...)...)
		if err != nil {
			return err
		}
	}
	return nil
}

// rpm's numbers: a file that is named only, and algorithms.
const rpmGhost = 1 << 6

var rpmAlgorithms = map[string]Algorithm{"(none)": MD5, "1": MD5, "2": SHA1, "8": SHA256}

var errRPM = errors.New("can't read what rpm tells of files")

// parseRPMFiles reads lines of name, architecture, version, algorithm, mode, flags, digest and path.
func parseRPMFiles(r io.Reader, fn func(label, path string, sum digest)) error {
	lines := scanLines(r)
	for lines.Scan() {
		f := strings.SplitN(lines.Text(), "\t", 8)
		if len(f) != 8 {
			if !strings.Contains(lines.Text(), "\t") { // the rest of a path, or "is not installed"
				continue
			}
			return errRPM
		}
		mode, err := strconv.ParseInt(f[4], 10, 32)
		flags, err2 := strconv.ParseUint(f[5], 10, 32)
		if err != nil || err2 != nil {
			return errRPM
		}
		sum, ok := digest{}, false
		switch mode & 0o170000 {
		case 0o100000:
			sum, ok = parseDigest(rpmAlgorithms[f[3]], f[6])
		case 0o120000:
			ok = true
		}
		if ok && flags&rpmGhost == 0 {
			fn(rpmLabel(f[0], strings.TrimPrefix(f[2], "(none):"), f[1]), f[7], sum)
		}
	}
	return lines.Err()
}

// rpmLabel is what the command calls a package.
func rpmLabel(name, version, arch string) string {
	if arch == "(none)" {
		return name + "-" + version
	}
	return name + "-" + version + "." + arch
}

// times takes from the database when a package was installed; of a removed one it tells nothing.
func (r *rpm) times(changed map[string]state) map[string]deed {
	out := map[string]deed{}
	newest := state{}
	for key, s := range changed {
		if s.installed {
			out[key] = deed{time.Unix(s.written, 0), s.run}
			if s.written > newest.written {
				newest = s
			}
		}
	}
	for key, s := range changed { // in the same run
		if !s.installed && newest.installed {
			out[key] = deed{time.Unix(newest.written, 0), newest.run}
		}
	}
	return out
}
