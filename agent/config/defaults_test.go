package config_test

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/yagura-hids/yagura/agent/config"
	"github.com/yagura-hids/yagura/agent/logcollector"
	"github.com/yagura-hids/yagura/agent/syscheck"
)

// Without a configuration, each part has what the system is known to have; a part that a file speaks of has none of it.
func TestDefaults(t *testing.T) {
	t.Setenv("WINDIR", `C:\Windows`)
	for _, system := range []string{"linux", "freebsd", "darwin", "windows"} {
		t.Run(system, func(t *testing.T) {
			host := config.Host{System: system, Root: t.TempDir()}
			got, err := config.Parse(host)
			if err != nil {
				t.Fatal(err)
			}
			c := got.Syscheck
			if len(c.Directories) < 9 || !c.Schedule.OnStart || c.Schedule.At >= 0 || len(c.Ignore) == 0 || len(c.NoDiff) == 0 || got.Hash == "" || len(got.BuiltIn) != 3 {
				t.Errorf("%+v", got)
			}
			for _, d := range c.Directories {
				if d.Check&syscheck.SHA256 == 0 || d.Check&(syscheck.MD5|syscheck.SHA1) != 0 || d.Path[0] == '%' && d.Path[1] == 'W' {
					t.Errorf("%+v", d)
				}
			}
			if windows := system == "windows"; (len(c.Registry) > 0) != windows || (len(got.Sources) == 3) != windows {
				t.Errorf("%d keys, sources %v", len(c.Registry), got.Sources)
			}
			got, err = config.Parse(host, config.Text{Source: []byte("<ossec_config><syscheck/></ossec_config>")})
			if err != nil || len(got.Syscheck.Directories) != 0 || len(got.BuiltIn) != 2 || (len(got.Sources) == 3) != (system == "windows") {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

func TestDefaultSources(t *testing.T) {
	tests := []struct {
		name  string
		files []string
		want  []logcollector.Source
	}{
		{"nothing", nil, nil},
		{
			"a syslog daemon", []string{"/var/log/syslog", "/var/log/auth.log", "/var/log/secure/"},
			[]logcollector.Source{{Location: "/var/log/auth.log", Format: "syslog"}, {Location: "/var/log/syslog", Format: "syslog"}},
		},
		{
			"the journal and a syslog daemon", []string{"/run/systemd/journal/socket", "/var/log/syslog", "/var/log/auth.log", "/var/log/mail.log"},
			[]logcollector.Source{{Location: "all", Format: "journald"}},
		},
		{
			"a socket of no journal", []string{"/run/systemd/journal/dev-log", "/var/log/secure"},
			[]logcollector.Source{{Location: "/var/log/secure", Format: "syslog"}},
		},
		{
			"web servers", []string{"/run/systemd/journal/socket", "/var/log/nginx/access.log", "/var/log/apache2/error.log", "/var/log/dpkg.log", "/var/log/httpd/old.log"},
			[]logcollector.Source{
				{Location: "all", Format: "journald"}, {Location: "/var/log/apache2/*error*.log", Format: "apache"},
				{Location: "/var/log/nginx/*access*.log", Format: "apache"}, {Location: "/var/log/dpkg.log", Format: "syslog"},
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			for _, name := range tt.files {
				mkfile(t, filepath.Join(root, name), name)
			}
			t.Setenv("PATH", fakeJournalctl(t))
			for i, s := range tt.want {
				if s.Format != "journald" {
					tt.want[i].Location = filepath.Join(root, s.Location)
				}
			}
			if diff := cmp.Diff(tt.want, sources(t, root)); diff != "" {
				t.Error(diff)
			}
			t.Setenv("PATH", t.TempDir())
			got := sources(t, root)
			if slices.ContainsFunc(got, func(s logcollector.Source) bool { return s.Format == "journald" }) {
				t.Errorf("without journalctl: %v", got)
			}
		})
	}
}

// sources are those of a host that has no configuration.
func sources(t *testing.T, root string) []logcollector.Source {
	t.Helper()
	got, err := config.Parse(config.Host{System: "linux", Root: root})
	if err != nil {
		t.Fatal(err)
	}
	return got.Sources
}

// mkfile makes an empty file, or a folder for a name that ends with "/", or a socket.
func mkfile(t *testing.T, path, name string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	var err error
	switch {
	case filepath.Base(path) == "socket":
		var l net.Listener
		if l, err = net.Listen("unix", path); err == nil {
			t.Cleanup(func() { _ = l.Close() })
		}
	case name[len(name)-1] == '/':
		err = os.Mkdir(path, 0o700)
	default:
		err = os.WriteFile(path, nil, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func fakeJournalctl(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "journalctl"), []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}
