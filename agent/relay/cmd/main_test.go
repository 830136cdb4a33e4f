package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/internal/codec"
)

var program struct {
	once sync.Once
	dir  string
	err  error
}

// build returns the program's path.
func build(t *testing.T) string {
	t.Helper()
	program.once.Do(func() {
		if program.dir, program.err = os.MkdirTemp("", "yagura-relay-"); program.err != nil {
			return
		}
		out, err := exec.Command("go", "build", "-o", filepath.Join(program.dir, "yagura-relay"), ".").CombinedOutput()
		if err != nil {
			program.err = fmt.Errorf("%w: %s", err, out)
		}
	})
	if program.err != nil {
		t.Fatal(program.err)
	}
	return filepath.Join(program.dir, "yagura-relay")
}

func TestMain(m *testing.M) {
	code := m.Run()
	os.RemoveAll(program.dir)
	os.Exit(code)
}

// amazon answers as DynamoDB with an empty table does, and as SSM with one parameter.
func amazon(t *testing.T) string {
	t.Helper()
	answers := map[string]string{
		"DynamoDB_20120810.Query":              `{"Items":[],"Count":0,"ScannedCount":0}`,
		"DynamoDB_20120810.BatchGetItem":       `{"Responses":{},"UnprocessedKeys":{}}`,
		"DynamoDB_20120810.PutItem":            `{}`,
		"DynamoDB_20120810.TransactWriteItems": `{}`,
		"AmazonSSM.GetParameter":               `{"Parameter":{"Name":"/x","Value":"hunter2\n"}}`,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, ok := answers[r.Header.Get("X-Amz-Target")]
		if !ok {
			w.WriteHeader(http.StatusBadRequest)
		}
		io.WriteString(w, answer)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// host is a machine with a relay's files.
type host struct {
	t                        *testing.T
	amazon, dir, conf        string
	agents, syslog, enrol, h int
}

func newHost(t *testing.T) *host {
	t.Helper()
	h := &host{t: t, amazon: amazon(t), dir: t.TempDir()}
	h.conf = filepath.Join(h.dir, "relay.conf")
	ports := freePorts(t, 4)
	h.agents, h.syslog, h.enrol, h.h = ports[0], ports[1], ports[2], ports[3]
	h.write(fmt.Sprintf(`<ossec_config>
  <client><uplink>file:%s/out</uplink><region>eu-central-1</region><gather>1</gather></client>
  <relay><name>relay-1</name><fleet>dynamodb:yagura-fleet</fleet><health_port>%d</health_port></relay>
  <remote><port>%d</port><local_ip>127.0.0.1</local_ip></remote>
  <remote><connection>syslog</connection><port>%d</port><protocol>tcp</protocol><local_ip>127.0.0.1</local_ip><allowed-ips>127.0.0.1</allowed-ips></remote>
  <auth><port>%d</port><password>ssm:/yagura/enrol</password></auth>
</ossec_config>`, h.dir, h.h, h.agents, h.syslog, h.enrol))
	if err := os.Mkdir(filepath.Join(h.dir, "out"), 0o700); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *host) write(conf string) {
	h.t.Helper()
	if err := os.WriteFile(h.conf, []byte(conf), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// freePorts returns ports that nobody has at the moment.
func freePorts(t *testing.T, n int) (ports []int) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

func (h *host) command(args ...string) *exec.Cmd {
	h.t.Helper()
	files := []string{"--socket", filepath.Join(h.dir, "relay.sock")}
	if args[0] != "status" {
		files = append(files, "--conf", h.conf, "--state", filepath.Join(h.dir, "state"))
	}
	cmd := exec.CommandContext(h.t.Context(), build(h.t), append(args, files...)...)
	cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID=AKID", "AWS_SECRET_ACCESS_KEY=secret", "AWS_ENDPOINT_URL="+h.amazon, "AWS_EC2_METADATA_DISABLED=true")
	return cmd
}

// call runs the program to its end.
func (h *host) call(args ...string) (said string, code int) {
	h.t.Helper()
	cmd := h.command(args...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		h.t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// await waits for a condition, for half a minute at most.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !done(); {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// healthy tells what the load balancer sees.
func (h *host) healthy() bool {
	answer, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/", h.h))
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

func TestRun(t *testing.T) {
	h := newHost(t)
	if said, code := h.call("status"); code != 3 || !strings.Contains(said, "the relay is not running; start it: systemctl start yagura-relay") {
		t.Errorf("%d: %s", code, said)
	}
	if said, code := h.call("check"); code != 0 || !strings.Contains(said, fmt.Sprintf("port %d/udp: free, for agents", h.agents)) {
		t.Fatalf("%d: %s", code, said)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	relay := h.command("run")
	var log bytes.Buffer
	relay.Stderr = &log
	if err := relay.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- relay.Wait(); cancel() }()
	await(t, "health", func() bool { return h.healthy() || ctx.Err() != nil })

	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", h.syslog))
	if err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	fmt.Fprint(conn, "<38>Nov 25 01:30:00 router1 sshd[1]: hello\n")
	conn.Close()
	await(t, "the event", func() bool { return h.arrived("hello") })

	if said, code := h.call("status"); code != 0 || !strings.Contains(said, "relay      relay-1, version dev, running for") || !strings.Contains(said, fmt.Sprintf("agents 127.0.0.1:%d/udp", h.agents)) {
		t.Errorf("%d: %s", code, said)
	}
	said, code := h.call("status", "--json")
	var s struct {
		Name string
		Sent struct{ Events int }
	}
	if err := json.Unmarshal([]byte(said), &s); err != nil || code != 0 || s.Name != "relay-1" || s.Sent.Events == 0 {
		t.Errorf("%v %d: %s", err, code, said)
	}
	if said, code := h.call("check"); code != 0 || !strings.Contains(said, "a relay runs here and has them") {
		t.Errorf("%d: %s", code, said)
	}
	if said, code := h.call("run"); code != 1 || !strings.Contains(said, "a relay runs already") {
		t.Errorf("%d: %s", code, said)
	}
	if err := relay.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("%v\n%s", err, log.String())
	}
}

// arrived tells whether a batch with that text was sent.
func (h *host) arrived(text string) bool {
	files, err := filepath.Glob(filepath.Join(h.dir, "out", "*.ygr"))
	if err != nil {
		h.t.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			continue // not whole yet
		}
		b, err := codec.Decode(data)
		if err != nil {
			h.t.Fatal(err)
		}
		for _, e := range b.Events {
			if strings.Contains(e.Text, text) && b.AgentID == "127.0.0.1" {
				return true
			}
		}
	}
	return false
}

// What waiting doesn't mend has a code of its own, after which the service isn't started again.
func TestWrongConfiguration(t *testing.T) {
	for conf, want := range map[string]string{
		"<ossec_config><relay><fleet>dynamodb:yagura-fleet</fleet></relay></ossec_config>":            "name one in",
		"<ossec_config><client><uplink>file:/tmp</uplink></client></ossec_config>":                    "nothing says where agents' keys are",
		"<ossec_config><remote><connection>syslog</connection></remote></ossec_config>":               "syslog without allowed-ips",
		"<ossec_config><client><uplink>file:/tmp</uplink></client><relay><x/></relay></ossec_config>": "relay.conf:1:65: relay: unknown element <x>",
	} {
		h := newHost(t)
		h.write(conf)
		if said, code := h.call("run"); code != 78 || !strings.Contains(said, want) {
			t.Errorf("%s: %d: %s", conf, code, said)
		}
		if said, code := h.call("check"); code != 1 || !strings.Contains(said, "fail ") {
			t.Errorf("%s: check: %d: %s", conf, code, said)
		}
	}
}

// A port that somebody has is named, with what to do, and the relay ends.
func TestTakenPort(t *testing.T) {
	h := newHost(t)
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", h.syslog))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if said, code := h.call("run"); code != 1 || !strings.Contains(said, "address already in use") {
		t.Errorf("%d: %s", code, said)
	}
	if said, code := h.call("check"); code != 1 || !strings.Contains(said, fmt.Sprintf("ss -lnp 'sport = :%d'", h.syslog)) {
		t.Errorf("%d: %s", code, said)
	}
}
