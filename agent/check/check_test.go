package check_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/yagura-hids/yagura/agent/check"
	"github.com/yagura-hids/yagura/agent/config"
	"github.com/yagura-hids/yagura/internal/emulated"
	"github.com/yagura-hids/yagura/internal/emulated/emulatedtest"
)

var host = config.Host{System: "linux", Name: "web1", OS: []string{"Linux"}}

// bed is a host and its AWS.
type bed struct {
	t    *testing.T
	dir  string
	conf string
	now  func() time.Time
}

func newBed(t *testing.T) *bed {
	for _, key := range []string{
		"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
		"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
	} {
		t.Setenv(key, "")
	}
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", "/nowhere")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
	dir := t.TempDir()
	return &bed{t: t, dir: dir, conf: filepath.Join(dir, "ossec.conf")}
}

func (b *bed) write(name, text string) {
	b.t.Helper()
	if err := os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// run returns the results by name; several of a name are joined.
func (b *bed) run() (map[string]string, bool) {
	b.t.Helper()
	list := check.Run(b.t.Context(), check.Options{Files: []string{b.conf}, State: filepath.Join(b.dir, "state"), Host: host, Agent: "web1", Now: b.now})
	out := map[string]string{}
	for _, r := range list {
		out[r.Name] += string(r.Verdict) + " " + r.Seen + " -> " + r.Hint + "\n"
	}
	return out, check.Failed(list)
}

func (b *bed) expect(got map[string]string, want map[string]string) {
	b.t.Helper()
	for name, text := range want {
		if !strings.Contains(got[name], text) || text == "" && got[name] != "" {
			b.t.Errorf("%s: %q, want %q", name, got[name], text)
		}
	}
}

const section = "<ossec_config><client>%</client><syscheck><disabled>yes</disabled></syscheck>"

func TestFiles(t *testing.T) {
	b := newBed(t)
	got, failed := b.run()
	if !failed {
		t.Error("without an uplink all is well")
	}
	b.expect(got, map[string]string{"configuration": "is not there: the built-in default holds", "uplink": "fail nothing says where to send", "state": "warn "})

	b.write("ossec.conf", "<ossec_config>\n<sysceck/><rotcheck/></ossec_config>")
	got, failed = b.run()
	if !failed || len(got) != 1 {
		t.Errorf("%v", got)
	}
	b.expect(got, map[string]string{"configuration": b.conf + ":2:11: unknown section <rotcheck>"})

	b.write("app-1.log", "x\n")
	b.write("app-2.log", "x\n")
	if err := errorsOf(os.Mkdir(filepath.Join(b.dir, "state"), 0o700), os.Mkdir(filepath.Join(b.dir, "spool"), 0o700)); err != nil {
		t.Fatal(err)
	}
	b.write("ossec.conf", `<ossec_config><client><uplink>file:`+b.dir+`/spool</uplink><server-ip>192.0.2.1</server-ip></client>
		<localfile><log_format>syslog</log_format><location>`+b.dir+`/app-*.log</location></localfile>
		<localfile><log_format>syslog</log_format><location>`+b.dir+`/app-*.log</location></localfile>
		<localfile><log_format>syslog</log_format><location>`+b.dir+`/%Y.log</location></localfile>
		<localfile><log_format>command</log_format><command>df</command></localfile>
		<syscheck><directories>`+b.dir+`,`+b.dir+`/missing</directories></syscheck></ossec_config>`)
	b.now = func() time.Time { return time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC) }
	got, failed = b.run()
	if failed {
		t.Errorf("%v", got)
	}
	b.expect(got, map[string]string{
		"configuration":                  "without effect: client <server-ip>",
		"log " + b.dir + "/app-*.log":    "ok 2 readable",
		"log " + b.dir + "/%Y.log":       "warn " + b.dir + "/2026.log is not there",
		"command df":                     "ok",
		"syscheck":                       "ok 1 directories",
		"syscheck " + b.dir + "/missing": "warn not there",
		"state":                          "ok " + b.dir + "/state is writable",
		"uplink":                         "ok ",
		"credentials":                    "",
	})
	if !strings.Contains(got["configuration"], "warn "+b.conf+":3:3: localfile "+b.dir+"/app-*.log is listed twice") {
		t.Errorf("%s", got["configuration"])
	}
}

func errorsOf(list ...error) error {
	for _, err := range list {
		if err != nil {
			return err
		}
	}
	return nil
}

// As somebody who may read nothing, it says so.
func TestNotAllowed(t *testing.T) {
	if os.Getenv("CHECK_AS_NOBODY") != "" {
		b := &bed{t: t, dir: os.Getenv("CHECK_AS_NOBODY")}
		b.conf = filepath.Join(b.dir, "ossec.conf")
		got, _ := b.run()
		b.expect(got, map[string]string{
			"log " + b.dir + "/secret/log": "is not there", "log " + b.dir + "/log": "permission denied -> run the agent as root",
			"syscheck " + b.dir + "/secret": "permission denied", "state": "fail ",
		})
		return
	}
	b := newBed(t)
	b.write("log", "x\n")
	if err := errorsOf(os.Mkdir(filepath.Join(b.dir, "state"), 0o755), os.Mkdir(filepath.Join(b.dir, "secret"), 0o700), os.Chmod(b.dir, 0o755), os.Chmod(filepath.Dir(b.dir), 0o755)); err != nil {
		t.Fatal(err)
	}
	b.write("ossec.conf", `<ossec_config>
		<localfile><log_format>syslog</log_format><location>`+b.dir+`/log</location></localfile>
		<localfile><log_format>syslog</log_format><location>`+b.dir+`/secret/log</location></localfile>
		<syscheck><directories>`+b.dir+`/secret</directories></syscheck></ossec_config>`)
	if err := os.Chmod(b.conf, 0o644); err != nil {
		t.Fatal(err)
	}
	exe, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	b.write("test", string(exe)) // where nobody can run it
	program := filepath.Join(b.dir, "test")
	if err := os.Chmod(program, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-test.run=^TestNotAllowed$")
	cmd.Env, cmd.Dir = append(os.Environ(), "CHECK_AS_NOBODY="+b.dir), "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestAWS(t *testing.T) {
	streams, other := emulatedtest.Start(t, emulated.Kinesis), emulatedtest.Start(t, emulated.Moto)
	b := newBed(t) // behind the parts, whose own environment it isn't
	b.write("ossec.conf", strings.Replace(section, "%", `<uplink>kinesis:hids</uplink><region>us-east-1</region><central>/yagura</central>`, 1)+"</ossec_config>")
	got, failed := b.run()
	if !failed {
		t.Error("without credentials all is well")
	}
	b.expect(got, map[string]string{"credentials": "no AWS credentials", "uplink": "", "central configuration": ""})

	t.Setenv("AWS_ACCESS_KEY_ID", "emulated")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "emulated")
	t.Setenv("AWS_ENDPOINT_URL", other)
	t.Setenv("AWS_ENDPOINT_URL_KINESIS", streams)
	got, _ = b.run()
	b.expect(got, map[string]string{
		"credentials": "ok emulated, from EnvConfigCredentials; region us-east-1", "clock": "ok ", "uplink": "ResourceNotFoundException",
		"central configuration": "warn nothing below /yagura for profile default",
	})

	key := credentials.NewStaticCredentialsProvider("emulated", "emulated", "")
	k := kinesis.New(kinesis.Options{Region: "us-east-1", BaseEndpoint: &streams, Credentials: key})
	if _, err := k.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: aws.String("hids"), ShardCount: aws.Int32(1)}); err != nil {
		t.Fatal(err)
	}
	waiter := kinesis.NewStreamExistsWaiter(k, func(o *kinesis.StreamExistsWaiterOptions) { o.MinDelay, o.MaxDelay = 10*time.Millisecond, time.Second })
	if err := waiter.Wait(t.Context(), &kinesis.DescribeStreamInput{StreamName: aws.String("hids")}, time.Minute); err != nil {
		t.Fatal(err)
	}
	put := func(text string) {
		t.Helper()
		s := ssm.New(ssm.Options{Region: "us-east-1", BaseEndpoint: &other, Credentials: key})
		in := &ssm.PutParameterInput{Name: aws.String("/yagura/default/a"), Value: &text, Type: types.ParameterTypeString, Overwrite: aws.Bool(true)}
		if _, err := s.PutParameter(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	put("<agent_config><localfile><log_format>command</log_format><command>id</command></localfile></agent_config>")
	b.now = func() time.Time { return time.Now().Add(6 * time.Minute) }
	got, _ = b.run()
	b.expect(got, map[string]string{
		"clock": "fail 6m", "uplink": "ok stream hids would take batches", "central configuration": "ok 1 parameters",
	})
	if !strings.Contains(got["central configuration"], `warn ssm:/yagura/default/a:1:15: localfile's command "id"`) {
		t.Errorf("%s", got["central configuration"])
	}
	b.now = func() time.Time { return time.Now().Add(-time.Minute) }
	put("<agent_config><x/></agent_config>")
	got, failed = b.run()
	b.expect(got, map[string]string{"clock": "warn -", "central configuration": "fail ssm:/yagura/default/a:1:15: unknown section <x>"})
	if !failed {
		t.Error("faulty central configuration is well")
	}
}

func TestClockWithoutAnswer(t *testing.T) {
	b := newBed(t)
	silent := httptest.NewServer(http.NotFoundHandler())
	silent.Close()
	t.Setenv("AWS_ACCESS_KEY_ID", "emulated")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "emulated")
	t.Setenv("AWS_ENDPOINT_URL", silent.URL)
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	b.write("ossec.conf", strings.Replace(section, "%", `<uplink>kinesis:hids</uplink><region>us-east-1</region>`, 1)+"</ossec_config>")
	got, _ := b.run()
	b.expect(got, map[string]string{"clock": "warn no answer", "uplink": "connection refused"})
}

func TestUnit(t *testing.T) {
	conf, err := config.Parse(host, config.Text{Name: "c", Source: []byte(`<ossec_config><localfile><log_format>syslog</log_format><location>/home/app/log</location></localfile>
		<syscheck><directories>/root/.ssh,/srv/secret,/etc,/tmp</directories></syscheck></ossec_config>`)})
	if err != nil {
		t.Fatal(err)
	}
	got := check.Unit(conf, "LoadState=loaded\nProtectHome=yes\nPrivateTmp=yes\nInaccessiblePaths=-/srv/secret\n")
	want := "yagura-agent.service hides /home/app/log (ProtectHome), /root/.ssh (ProtectHome), /srv/secret (InaccessiblePaths), /tmp (PrivateTmp)"
	if len(got) != 1 || got[0].Verdict != check.Warn || got[0].Seen != want {
		t.Errorf("%+v", got)
	}
	if got := check.Unit(conf, "LoadState=loaded\nProtectHome=read-only\nPrivateTmp=no\n"); len(got) != 1 || got[0].Verdict != check.OK {
		t.Errorf("%+v", got)
	}
	if got := check.Unit(conf, "LoadState=not-found\n"); got != nil {
		t.Errorf("%+v", got)
	}
}
