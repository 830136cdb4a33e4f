package packaging_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/yagura-hids/yagura/agent/relay/config"
	"github.com/yagura-hids/yagura/agent/relay/socket"
	"github.com/yagura-hids/yagura/packaging"
)

const version = "1.2.3+4.g0123abc"

// pack packs programs that only have the right names: what is in a package depends on nothing in them.
func pack(ctx context.Context, dir string) error {
	programs := filepath.Join(dir, "programs")
	if err := os.MkdirAll(programs, 0o755); err != nil {
		return err
	}
	for _, name := range []string{"agent-linux-amd64", "agent-linux-arm64", "agent-windows-amd64", "relay-linux-amd64", "relay-linux-arm64"} {
		if err := os.WriteFile(filepath.Join(programs, "yagura-"+name), []byte("program for "+name), 0o644); err != nil {
			return err
		}
	}
	r := packaging.Release{Root: "..", Version: version, Date: time.Unix(1_795_428_008, 0), Dir: filepath.Join(dir, "dist")}
	return r.Pack(ctx, programs)
}

var packed struct {
	once sync.Once
	dir  string
	err  error
}

// dist returns a folder with packages.
func dist(t *testing.T) string {
	t.Helper()
	packed.once.Do(func() {
		if packed.dir, packed.err = os.MkdirTemp("", "yagura-packaging-"); packed.err == nil {
			packed.err = pack(context.Background(), packed.dir)
		}
	})
	if packed.err != nil {
		t.Fatal(packed.err)
	}
	return filepath.Join(packed.dir, "dist")
}

func TestMain(m *testing.M) {
	code := m.Run()
	os.RemoveAll(packed.dir)
	os.Exit(code)
}

func read(t *testing.T, path ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestVersion(t *testing.T) {
	date := time.Date(2026, 11, 24, 22, 20, 0, 0, time.FixedZone("", 3600))
	for described, want := range map[string]string{
		"v1.2.3":                  "1.2.3",
		"v1.2.3-4-g0123abc":       "1.2.3+4.g0123abc",
		"v1.2.3-4-g0123abc-dirty": "1.2.3+4.g0123abc.dirty",
		"v1.2.3-dirty":            "1.2.3.dirty",
		"v2.0.0~rc1":              "2.0.0~rc1",
		"0123abc":                 "0.0.0+20261124212000.0123abc",
		"0123abc-dirty":           "0.0.0+20261124212000.0123abc.dirty",
		"dev":                     "0.0.0+20261124212000.dev",
	} {
		if got := packaging.Version(described, date); got != want {
			t.Errorf("%s: %s, want %s", described, got, want)
		}
	}
}

// What is packed twice is the same, byte for byte, and SHA256SUMS has all of it. A package that was there before goes.
func TestReproducible(t *testing.T) {
	first, dir := dist(t), t.TempDir()
	old := filepath.Join(dir, "dist", "yagura-agent_0.1.0_amd64.deb")
	if err := os.MkdirAll(filepath.Dir(old), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(old, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := pack(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	again, err := os.ReadDir(filepath.Join(dir, "dist"))
	if err != nil {
		t.Fatal(err)
	}
	list := string(read(t, first, "SHA256SUMS"))
	for _, e := range again {
		if !bytes.Equal(read(t, first, e.Name()), read(t, dir, "dist", e.Name())) {
			t.Errorf("%s is another one", e.Name())
		}
		if e.Name() != "SHA256SUMS" && !strings.Contains(list, "  "+e.Name()+"\n") {
			t.Errorf("SHA256SUMS lacks %s", e.Name())
		}
	}
	if len(again) != 10 || strings.Count(list, "\n") != 9 {
		t.Errorf("%v\n%s", again, list)
	}
	check := exec.CommandContext(t.Context(), "sha256sum", "--check", "--strict", "SHA256SUMS")
	check.Dir = first
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// The files of each product's packages, without those that all have.
var files = map[string][]string{
	"yagura-agent": {"-rw-r----- root /etc/yagura/ossec.conf"},
	"yagura-relay": {
		"-rw-r--r-- root /etc/yagura/relay.conf",
		"-rw-r--r-- root /usr/lib/sysctl.d/60-yagura-relay.conf",
		"-rw-r--r-- root /usr/lib/sysusers.d/yagura-relay.conf",
	},
}

func TestDeb(t *testing.T) {
	for _, name := range []string{"yagura-agent", "yagura-relay"} {
		for _, arch := range []string{"amd64", "arm64"} {
			checkDeb(t, name, arch)
		}
	}
}

func checkDeb(t *testing.T, name, arch string) {
	t.Helper()
	control, data := deb(t, filepath.Join(dist(t), name+"_"+version+"_"+arch+".deb"))
	want := append([]string{
		"drwxr-xr-x root /etc/",
		"drwxr-xr-x root /etc/yagura/",
		"-rwxr-xr-x root /usr/bin/" + name,
		"-rw-r--r-- root /usr/lib/systemd/system/" + name + ".service",
		"-rw-r--r-- root /usr/share/doc/" + name + "/copyright",
		"-rw-r--r-- root /usr/share/man/man8/" + name + ".8",
	}, files[name]...)
	var got []string
	for _, e := range data {
		if e.Typeflag != tar.TypeDir || strings.HasPrefix(e.Name, "/etc") { // other folders are the system's
			got = append(got, fmt.Sprintf("%s %s %s", e.FileInfo().Mode(), e.Uname, e.Name))
		}
	}
	slices.SortFunc(want, byPath)
	slices.SortFunc(got, byPath)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s %s: %s", name, arch, diff)
	}
	if got := text(data, "/usr/bin/"+name); got != "program for "+strings.TrimPrefix(name, "yagura-")+"-linux-"+arch {
		t.Errorf("%s %s: %s", name, arch, got)
	}
	if got := text(control, "/conffiles"); got != strings.Fields(files[name][0])[2]+"\n" {
		t.Errorf("%s: conffiles %q", name, got)
	}
	for _, field := range []string{"Package: " + name + "\n", "Version: " + version + "\n", "Architecture: " + arch + "\n"} {
		if got := text(control, "/control"); !strings.Contains(got, field) {
			t.Errorf("control lacks %q:\n%s", field, got)
		}
	}
	checkScripts(t, control, "/postinst", "/prerm", "/postrm")
}

func byPath(a, b string) int {
	return strings.Compare(strings.Fields(a)[2], strings.Fields(b)[2])
}

func checkScripts(t *testing.T, control []entry, names ...string) {
	t.Helper()
	for _, name := range names {
		sh := exec.CommandContext(t.Context(), "sh", "-n")
		sh.Stdin = strings.NewReader(text(control, name))
		if out, err := sh.CombinedOutput(); err != nil || !strings.HasPrefix(text(control, name), "#!/bin/sh\n") {
			t.Errorf("%s: %v %s", name, err, out)
		}
	}
}

// entry is a file of a tar archive.
type entry struct {
	*tar.Header
	data []byte
}

// text returns a file's content, "" if there is none.
func text(entries []entry, name string) string {
	for _, e := range entries {
		if e.Name == name {
			return string(e.data)
		}
	}
	return ""
}

// deb reads a package: an ar archive of debian-binary, control.tar.gz, data.tar.gz.
func deb(t *testing.T, path string) (control, data []entry) {
	t.Helper()
	file := read(t, path)
	rest, ok := bytes.CutPrefix(file, []byte("!<arch>\n"))
	if !ok {
		t.Fatalf("%s is no ar archive", path)
	}
	for len(rest) >= 60 {
		name := strings.TrimRight(string(rest[:16]), " /")
		size, err := strconv.Atoi(strings.TrimSpace(string(rest[48:58])))
		if err != nil || 60+size > len(rest) {
			t.Fatalf("%s: %s: %d bytes (%v)", path, name, size, err)
		}
		switch body := rest[60 : 60+size]; name {
		case "control.tar.gz":
			control = untar(t, body)
		case "data.tar.gz":
			data = untar(t, body)
		}
		rest = rest[min(60+size+size%2, len(rest)):]
	}
	return control, data
}

func untar(t *testing.T, packed []byte) (entries []entry) {
	t.Helper()
	plain, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	archive := tar.NewReader(plain)
	for {
		head, err := archive.Next()
		if err == io.EOF {
			return entries
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		head.Name = strings.TrimPrefix(head.Name, ".")
		entries = append(entries, entry{head, data})
	}
}

// What rpm makes of its packages, packages-test tries; here, that they are such.
func TestRPM(t *testing.T) {
	for _, name := range []string{"yagura-agent", "yagura-relay"} {
		for _, arch := range []string{"x86_64", "aarch64"} {
			file := read(t, dist(t), name+"-"+version+"-1."+arch+".rpm")
			if !bytes.HasPrefix(file, []byte{0xed, 0xab, 0xee, 0xdb}) || !bytes.Contains(file, []byte(arch)) {
				t.Errorf("%s %s: no package", name, arch)
			}
		}
	}
}

func TestZip(t *testing.T) {
	r, err := zip.OpenReader(filepath.Join(dist(t), "yagura-agent_"+version+"_windows_amd64.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var names []string
	for _, f := range r.File {
		names = append(names, f.Name)
	}
	if diff := cmp.Diff([]string{"LICENSE.txt", "install.ps1", "ossec.conf", "yagura-agent.exe"}, names); diff != "" {
		t.Error(diff)
	}
}

// What is shipped can be read, asks for nothing yet, and has in its comments what can be read, too.
func TestRelayConf(t *testing.T) {
	text := string(read(t, "relay", "relay.conf"))
	conf, err := config.Parse("/etc/yagura/relay.conf", []byte(text))
	if err != nil || conf.Client.Uplink != "" || conf.Relay.Fleet != "" || conf.Auth.Enabled || conf.Secure() == nil {
		t.Fatalf("%+v, %v", conf, err)
	}
	shown := regexp.MustCompile(`(?s)<!-- (?:Where|What it|Enrolment).*?:\n(.*?)-->`).ReplaceAllString(text, "$1")
	conf, err = config.Parse("/etc/yagura/relay.conf", []byte(shown))
	if err != nil || conf.Client.Uplink != "kinesis:yagura" || conf.Client.SpoolSize != 2<<30 || conf.Relay.Fleet != "yagura-fleet" || len(conf.Remotes) != 2 || !conf.Auth.Enabled {
		t.Errorf("%+v, %v\n%s", conf, err, shown)
	}
}

// The buffer that is asked for is the one that check wants.
func TestRelayBuffer(t *testing.T) {
	if want := fmt.Sprintf("\nnet.core.rmem_max = %d\n", socket.WantBuffer); !strings.Contains(string(read(t, "relay", "sysctl.conf")), want) {
		t.Errorf("sysctl.conf lacks %q", want)
	}
}
