package local_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/yagura-hids/yagura/agent/logcollector"
	"github.com/yagura-hids/yagura/internal/local"
)

// machine makes the folders and files of a machine, and journalctl where wanted, and returns its root.
func machine(t *testing.T, journalctl bool, names ...string) string {
	t.Helper()
	root := t.TempDir()
	for _, name := range names {
		write(t, filepath.Join(root, name), "")
	}
	t.Setenv("PATH", filepath.Join(root, "bin"))
	if journalctl {
		if err := os.Chmod(write(t, filepath.Join(root, "bin", "journalctl"), "#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestDefaultSources(t *testing.T) {
	const socket = "/run/systemd/journal/socket"
	for name, c := range map[string]struct {
		journalctl bool
		files      []string
		want       []string
	}{
		"nothing": {},
		"Debian without journal": {
			files: []string{"/var/log/auth.log", "/var/log/syslog", "/var/log/dpkg.log", "/var/log/alternatives.log"},
			want:  []string{"syslog /var/log/auth.log", "syslog /var/log/syslog", "syslog /var/log/dpkg.log"},
		},
		"Red Hat without journal": {
			files: []string{"/var/log/secure", "/var/log/messages", "/var/log/httpd/ssl_access_log"},
			want:  []string{"syslog /var/log/secure", "syslog /var/log/messages", "apache /var/log/httpd/*access_log"},
		},
		"journal and syslog daemon: no line twice": {
			journalctl: true,
			files:      []string{socket, "/var/log/auth.log", "/var/log/syslog", "/var/log/nginx/access.log", "/var/log/nginx/error.log"},
			want:       []string{"journald all", "apache /var/log/nginx/*access*.log", "apache /var/log/nginx/*error*.log"},
		},
		"journal that nothing can read": {
			files: []string{socket, "/var/log/auth.log"},
			want:  []string{"syslog /var/log/auth.log"},
		},
		"journalctl without a journal, as in a container": {
			journalctl: true,
			files:      []string{"/var/log/auth.log"},
			want:       []string{"syslog /var/log/auth.log"},
		},
		"a folder of that name is no log": {files: []string{"/var/log/auth.log/x"}},
	} {
		t.Run(name, func(t *testing.T) {
			root := machine(t, c.journalctl, c.files...)
			var got []string
			for _, s := range local.DefaultSources(root) {
				got = append(got, s.Format+" "+strings.TrimPrefix(s.Location, root))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// What is found can be followed.
func TestDefaultSourcesAreFollowed(t *testing.T) {
	root := machine(t, false, "/var/log/auth.log", "/var/log/apache2/access.log", "/var/log/squid/access.log")
	sources := local.DefaultSources(root)
	if len(sources) != 3 {
		t.Fatalf("%d sources, want 3", len(sources))
	}
	src, err := logcollector.New(sources, logcollector.Positions{}, logcollector.Options{Report: func(m string) { t.Error(m) }})
	if err != nil {
		t.Fatal(err)
	}
	if err := src.Close(); err != nil {
		t.Error(err)
	}
}
