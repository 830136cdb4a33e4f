package central_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/yagura-hids/yagura/agent/central"
	"github.com/yagura-hids/yagura/agent/config"
	"github.com/yagura-hids/yagura/internal/emulated"
	"github.com/yagura-hids/yagura/internal/emulated/emulatedtest"
)

// store is an SSM behind a proxy that can refuse.
type store struct {
	t      *testing.T
	direct *ssm.Client
	client *ssm.Client
	status atomic.Int32 // that the proxy answers; 0 lets through
	asked  atomic.Int32
}

func start(t *testing.T) *store {
	s := &store{t: t}
	target := emulatedtest.Shared(t, emulated.Moto)
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	forward := httputil.NewSingleHostReverseProxy(u)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		switch code := int(s.status.Load()); code {
		case 0:
			forward.ServeHTTP(w, r)
		case -1:
			panic(http.ErrAbortHandler) // the connection breaks
		case http.StatusForbidden:
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"__type":"AccessDeniedException","Message":"not authorized to perform: ssm:GetParametersByPath"}`)
		default:
			w.WriteHeader(code)
		}
	}))
	t.Cleanup(proxy.Close)
	s.direct, s.client = connect(target), connect(proxy.URL)
	return s
}

func connect(to string) *ssm.Client {
	return ssm.New(ssm.Options{
		Region: emulated.Region, BaseEndpoint: &to, Credentials: credentials.NewStaticCredentialsProvider("emulated", "emulated", ""),
		HTTPClient: &http.Client{Transport: &http.Transport{}}, Retryer: aws.NopRetryer{},
	})
}

func (s *store) put(name, value string, kind types.ParameterType) {
	s.t.Helper()
	in := &ssm.PutParameterInput{Name: &name, Value: &value, Type: kind, Overwrite: aws.Bool(true)}
	if _, err := s.direct.PutParameter(s.t.Context(), in); err != nil {
		s.t.Fatal(err)
	}
}

func block(path string) string {
	return "<agent_config><localfile><log_format>syslog</log_format><location>" + path + "</location></localfile></agent_config>"
}

// All parameters of all profiles come, in the profiles' order, each profile's by name, however many pages they are and however they are kept.
func TestFetch(t *testing.T) {
	s := start(t)
	var want []string
	for i := range 25 {
		name := fmt.Sprintf("/fetch/web/%02d", i)
		if i%5 == 0 {
			name = fmt.Sprintf("/fetch/web/%02d/deeper", i)
		}
		s.put(name, block(name), []types.ParameterType{types.ParameterTypeString, types.ParameterTypeSecureString}[i%2])
		want = append(want, "ssm:"+name)
	}
	s.put("/fetch/db/1", "db", types.ParameterTypeString)
	s.put("/fetch/website/1", "of another profile", types.ParameterTypeString)
	got, err := central.Fetch(t.Context(), s.client, "/fetch", []string{"db", "web", "nobody"})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, text := range got {
		names = append(names, text.Name)
		if !text.Central || text.Name != "ssm:/fetch/db/1" && string(text.Source) != block(strings.TrimPrefix(text.Name, "ssm:")) {
			t.Errorf("%+v", text)
		}
	}
	if strings.Join(names, " ") != "ssm:/fetch/db/1 "+strings.Join(want, " ") {
		t.Errorf("%q", names)
	}
	s.status.Store(http.StatusForbidden)
	_, err = central.Fetch(t.Context(), s.client, "/fetch", []string{"db"})
	if err == nil || !strings.Contains(err.Error(), "below /fetch/db of SSM") || !strings.Contains(err.Error(), "allow this host's role ssm:GetParametersByPath") {
		t.Errorf("%v", err)
	}
}

// A client whose configuration can't be had yet connects later.
func TestConnect(t *testing.T) {
	s := start(t)
	s.put("/connect/web/a", "x", types.ParameterTypeString)
	tries := 0
	c := central.Connect(func(context.Context) (aws.Config, error) {
		if tries++; tries == 1 {
			return aws.Config{}, errors.New("no AWS credentials")
		}
		o := s.direct.Options()
		return aws.Config{Region: o.Region, BaseEndpoint: o.BaseEndpoint, Credentials: o.Credentials, HTTPClient: o.HTTPClient}, nil
	})
	if _, err := central.Fetch(t.Context(), c, "/connect", []string{"web"}); err == nil || !strings.Contains(err.Error(), "no AWS credentials") {
		t.Errorf("%v", err)
	}
	for range 2 {
		if got, err := central.Fetch(t.Context(), c, "/connect", []string{"web"}); err != nil || len(got) != 1 {
			t.Errorf("%v, %v", got, err)
		}
	}
	if tries != 2 {
		t.Errorf("%d tries", tries)
	}
}

// endless answers with pages without end.
type endless struct{}

func (endless) GetParametersByPath(context.Context, *ssm.GetParametersByPathInput, ...func(*ssm.Options)) (*ssm.GetParametersByPathOutput, error) {
	value := strings.Repeat("x", 8192)
	return &ssm.GetParametersByPathOutput{NextToken: aws.String("x"), Parameters: []types.Parameter{{Name: aws.String("x"), Value: &value}}}, nil
}

func TestFetchIsBounded(t *testing.T) {
	if _, err := central.Fetch(t.Context(), endless{}, "/x", []string{"a"}); !errors.Is(err, central.ErrTooLarge) {
		t.Errorf("%v", err)
	}
}

// life is an agent that lives through several looks.
type life struct {
	s       *store
	file    string
	said    []string
	applied []string // locations that were put into force, with commas between those of one
	*central.Central
}

func (l *life) begin() {
	l.s.t.Helper()
	host := config.Host{System: "linux", Name: "web1"}
	var err error
	l.Central, err = central.New(central.Options{
		Client: l.s.client, Path: "/life", Profiles: []string{"web", "db"}, File: l.file, Report: func(msg string) { l.said = append(l.said, msg) },
		Apply: func(_ context.Context, texts []config.Text) error {
			conf, err := config.Parse(host, append([]config.Text{{Name: "ossec.conf", Source: []byte("<ossec_config/>")}}, texts...)...)
			if err == nil {
				l.applied = append(l.applied, locations(conf))
			}
			return err
		},
	})
	if err != nil {
		l.s.t.Fatal(err)
	}
}

func locations(conf *config.Config) string {
	var list []string
	for _, src := range conf.Sources {
		if strings.HasPrefix(src.Location, "/x/") {
			list = append(list, src.Location)
		}
	}
	return strings.Join(list, ",")
}

func (l *life) expect(applied, said string) {
	l.s.t.Helper()
	l.Look(l.s.t.Context())
	if got := strings.Join(l.applied, " "); got != applied {
		l.s.t.Errorf("applied %q, want %q", got, applied)
	}
	if got := strings.Join(l.said, "|"); !strings.Contains(got, said) || said == "" && got != "" {
		l.s.t.Errorf("said %q, want %q", got, said)
	}
	l.applied, l.said = nil, nil
}

func (l *life) inForce() string {
	var list []string
	for _, text := range l.Texts() {
		list = append(list, text.Name)
	}
	return strings.Join(list, " ")
}

// A good configuration is put into force once and kept across restarts; a bad one is refused once with all its faults.
func TestLook(t *testing.T) {
	s := start(t)
	l := &life{s: s, file: filepath.Join(t.TempDir(), "central.json")}
	l.begin()
	l.expect("", "")
	s.put("/life/web/b", block("/x/b"), types.ParameterTypeString)
	s.put("/life/web/a", block("/x/a"), types.ParameterTypeString)
	s.put("/life/db/a", block("/x/db"), types.ParameterTypeString)
	l.expect("/x/a,/x/b,/x/db", "")
	l.expect("", "")
	s.put("/life/web/a", "<agent_config><localfile/><sysceck/></agent_config>", types.ParameterTypeString)
	l.Look(t.Context())
	if len(l.said) != 1 || !strings.Contains(l.said[0], "refused") || !strings.Contains(l.said[0], "ssm:/life/web/a:1:15: localfile without") ||
		!strings.Contains(l.said[0], "ssm:/life/web/a:1:27: unknown section <sysceck>") {
		t.Errorf("%q", l.said)
	}
	l.said = nil
	l.expect("", "") // said once

	// A new life begins with what was last good, though SSM has something bad, or nothing to say.
	const good = "ssm:/life/web/a ssm:/life/web/b ssm:/life/db/a"
	s.status.Store(-1)
	l.begin()
	if l.inForce() != good {
		t.Errorf("in force %s", l.inForce())
	}
	l.expect("", "central configuration below /life/web")
	l.expect("", "")
	s.status.Store(http.StatusInternalServerError)
	l.expect("", "")
	s.status.Store(0)
	l.expect("", "central configuration can be read again|central configuration refused")
	if l.inForce() != good {
		t.Errorf("in force %s", l.inForce())
	}
	s.put("/life/web/a", block("/x/a2"), types.ParameterTypeString)
	l.expect("/x/a2,/x/b,/x/db", "")
	l.begin()
	l.expect("", "")
}

// What can't be kept is in force all the same; what was kept badly is no reason not to start.
func TestFile(t *testing.T) {
	s := start(t)
	s.put("/life/web/b", block("/x/b"), types.ParameterTypeString)
	l := &life{s: s, file: filepath.Join(t.TempDir(), "missing", "central.json")}
	l.begin()
	l.Look(t.Context())
	if len(l.applied) != 1 || len(l.said) != 1 || !strings.Contains(l.said[0], "not kept for the next start") {
		t.Errorf("%q %q", l.applied, l.said)
	}
	file := filepath.Join(t.TempDir(), "central.json")
	if err := os.WriteFile(file, []byte("[{"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := central.New(central.Options{Client: s.client, Path: "/life", File: file, Apply: func(context.Context, []config.Text) error { return nil }})
	if err == nil || !strings.Contains(err.Error(), file) || len(c.Texts()) != 0 {
		t.Errorf("%v", err)
	}
	c.Look(t.Context()) // profile "default"
	if len(c.Texts()) != 0 {
		t.Errorf("%v", c.Texts())
	}
}

// It looks at once, then about every 5 minutes, and ends when it is told to.
func TestRun(t *testing.T) {
	s := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	var waits []time.Duration
	random := []float64{0, 0.5, 0.99}
	ready := make(chan time.Time)
	close(ready)
	c, err := central.New(central.Options{
		Client: s.client, Path: "/run", File: filepath.Join(t.TempDir(), "x"), Random: func() float64 { return random[len(waits)] },
		After: func(d time.Duration) <-chan time.Time {
			if waits = append(waits, d.Round(time.Second)); len(waits) == 3 {
				cancel()
				return nil
			}
			return ready
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	c.Run(ctx)
	if s.asked.Load() != 3 || fmt.Sprint(waits) != "[3m45s 5m0s 6m14s]" {
		t.Errorf("%d looks, waits %v", s.asked.Load(), waits)
	}
}
