package host_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/agent/host"
)

// metadata is a fake of EC2's service, version 2: it answers nobody without a token.
type metadata struct {
	t   *testing.T
	url string

	mu    sync.Mutex
	tags  map[string]string // nil for an instance that doesn't show them
	token func(w http.ResponseWriter) bool
	v1    int // questions without a token
}

const document = `{"accountId":"123456789012","region":"eu-central-1","instanceId":"i-0123456789abcdef0","imageId":"ami-0fedcba9876543210","privateIp":"192.0.2.7"}`

func serve(t *testing.T) *metadata {
	m := &metadata{t: t}
	s := httptest.NewServer(m)
	t.Cleanup(s.Close)
	m.url = s.URL
	return m
}

func (m *metadata) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	token := m.token
	m.mu.Unlock()
	if r.Method == http.MethodPut && r.URL.Path == "/latest/api/token" {
		if token != nil && !token(w) {
			return
		}
		w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", r.Header.Get("X-Aws-Ec2-Metadata-Token-Ttl-Seconds"))
		_, _ = w.Write([]byte("secret"))
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if r.Header.Get("X-Aws-Ec2-Metadata-Token") != "secret" {
		m.v1++
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	path := strings.TrimPrefix(r.URL.Path, "/latest")
	name, isTag := strings.CutPrefix(path, "/meta-data/tags/instance")
	switch {
	case path == "/dynamic/instance-identity/document":
		_, _ = w.Write([]byte(document))
	case isTag && m.tags != nil && name == "":
		for name := range m.tags {
			_, _ = w.Write([]byte(name + "\n"))
		}
	case isTag && m.tags != nil:
		_, _ = w.Write([]byte(m.tags[strings.TrimPrefix(name, "/")]))
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (m *metadata) set(change func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change()
}

// root lays out a host.
func root(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

var nitro = map[string]string{
	"sys/class/dmi/id/sys_vendor": "Amazon EC2", "sys/class/dmi/id/board_asset_tag": "i-0123456789abcdef0",
	"etc/machine-id": "0123456789abcdef0123456789abcdef", "etc/os-release": "PRETTY_NAME=\"x\"\nNAME=\"Amazon Linux\"\nVERSION_ID='2023'",
}

func identify(t *testing.T, o host.Options) *host.Host {
	t.Helper()
	h, err := host.Identify(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestInstance(t *testing.T) {
	m := serve(t)
	h := identify(t, host.Options{Root: root(t, nitro), IMDS: m.url, Report: func(msg string) { t.Error(msg) }})
	if h.ID != "i-0123456789abcdef0" || h.Region != "eu-central-1" || !h.EC2 || !strings.HasPrefix(h.Kernel, "Linux ") {
		t.Errorf("%+v", h)
	}
	a := h.Agent(t.Context())
	name, err := os.Hostname()
	if err != nil || a.Name != name || a.Instance != h.ID || a.Account != "123456789012" || a.Labels != nil || a.Image != "ami-0fedcba9876543210" ||
		a.OS != runtime.GOOS+"/"+runtime.GOARCH+" Amazon Linux 2023" {
		t.Errorf("%+v, %v", a, err)
	}
	m.set(func() { m.tags = map[string]string{"Name": "web 1", "team": "blue"} })
	h.SetConfig(map[string]string{"zone": "a", "image": "mine"}, []string{"web", "db"})
	a = h.Agent(t.Context())
	if len(a.Labels) != 4 || a.Labels["zone"] != "a" || a.Image != "ami-0fedcba9876543210" || a.Labels["tag:Name"] != "web 1" || a.Labels["tag:team"] != "blue" || a.Profile != "web,db" {
		t.Errorf("%+v", a)
	}
	m.set(func() { m.tags = map[string]string{} })
	if a = h.Agent(t.Context()); len(a.Labels) != 2 {
		t.Errorf("%+v", a)
	}
	if m.v1 != 0 {
		t.Errorf("%d questions without a token", m.v1)
	}
}

// An instance whose service doesn't answer keeps its name, and learns the rest when it does.
func TestInstanceInTrouble(t *testing.T) {
	gone := make(chan struct{})
	for name, token := range map[string]func(http.ResponseWriter) bool{
		"slow, or too many hops": func(http.ResponseWriter) bool { <-gone; return false },
		"forbidden":              func(w http.ResponseWriter) bool { w.WriteHeader(http.StatusForbidden); return false },
		"only version 1":         func(w http.ResponseWriter) bool { w.WriteHeader(http.StatusNotFound); return false },
	} {
		t.Run(name, func(t *testing.T) {
			m := serve(t)
			m.token = token
			var said []string
			h := identify(t, host.Options{
				Root: root(t, nitro), IMDS: m.url, HTTP: &http.Client{Timeout: 50 * time.Millisecond},
				Report: func(msg string) { said = append(said, msg) },
			})
			if h.ID != "i-0123456789abcdef0" || h.Region != "" || len(said) != 1 || !strings.Contains(said[0], "IMDSv2") || m.v1count() != 0 {
				t.Errorf("%+v, said %q, %d questions without a token", h, said, m.v1count())
			}
			if a := h.Agent(t.Context()); a.Account != "" || a.Image != "" || a.Instance != h.ID {
				t.Errorf("%+v", a)
			}
			if strings.HasPrefix(name, "slow") {
				close(gone)
			}
			m.set(func() { m.token, m.tags = nil, map[string]string{"x": "y"} })
			if name == "only version 1" { // the SDK asks no more for a token that there never was
				return
			}
			if a := h.Agent(t.Context()); a.Account != "123456789012" || a.Image != "ami-0fedcba9876543210" || a.Labels["tag:x"] != "y" {
				t.Errorf("%+v", a)
			}
		})
	}
}

func (m *metadata) v1count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.v1
}

// A host that is not on EC2 asks nobody.
func TestElsewhere(t *testing.T) {
	m := serve(t)
	m.token = func(http.ResponseWriter) bool { t.Error("asked"); return false }
	h := identify(t, host.Options{IMDS: m.url, Root: root(t, map[string]string{"etc/machine-id": "0123456789abcdef0123456789abcdef", "sys/class/dmi/id/sys_vendor": "QEMU"})})
	// printf yagura-agent | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef
	if h.ID != "2e7c40faa312218d" || h.EC2 {
		t.Errorf("%+v", h)
	}
	a := h.Agent(t.Context())
	if a.Instance != "" || a.Image != "" || len(a.Addresses) > 8 || slices.Contains(a.Addresses, "127.0.0.1") || a.OS != "linux/"+runtime.GOARCH+" Linux" {
		t.Errorf("%+v", a)
	}
	h.SetConfig(map[string]string{"image": "debian-12-web"}, nil)
	if a := h.Agent(t.Context()); a.Image != "debian-12-web" {
		t.Errorf("%+v", a)
	}
	xen := host.Options{IMDS: m.url, HTTP: &http.Client{Timeout: time.Millisecond}, Root: root(t, map[string]string{"sys/hypervisor/uuid": "ec2e1916-9099-7caf-fd21-012345abcdef", "etc/machine-id": "x"})}
	m.set(func() {
		m.token = func(w http.ResponseWriter) bool { w.WriteHeader(http.StatusForbidden); return false }
	})
	if h := identify(t, xen); !h.EC2 || len(h.ID) != 16 {
		t.Errorf("%+v", h)
	}
}

// A host without a machine id gets a random one, and keeps it.
func TestRandomID(t *testing.T) {
	o := host.Options{State: t.TempDir(), Root: root(t, map[string]string{"etc/machine-id": "uninitialized"})}
	first := identify(t, o).ID
	if again := identify(t, o).ID; again != first || !regexp.MustCompile(`^[0-9a-f]{16}$`).MatchString(first) {
		t.Errorf("%s, then %s", first, again)
	}
	if err := os.WriteFile(filepath.Join(o.State, "agent-id"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if id := identify(t, o).ID; len(id) != 16 || id == first {
		t.Errorf("%s after %s", id, first)
	}
	o.State = filepath.Join(o.State, "missing")
	if _, err := host.Identify(context.Background(), o); err == nil || !strings.Contains(err.Error(), "machine id") {
		t.Errorf("%v", err)
	}
}
