package template_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// What the agent's SSM document is run with here.
const (
	deb     = "yagura-agent_1.2.3+4.gabc_amd64.deb"
	region  = "eu-central-1"
	folder  = "/packages/yagura-agent/"
	version = "1.2.3+4.gabc"
)

// amazon is an instance's metadata service and S3, which has objects by their paths and takes requests of the instance's role only.
type amazon struct {
	*httptest.Server
	objects map[string]string
	asked   []string
}

var role = aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "secret", SessionToken: "session"}

func newAmazon(t *testing.T) *amazon {
	t.Helper()
	a := &amazon{objects: map[string]string{folder + "latest": version + "\n"}}
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /latest/api/token", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Aws-Ec2-Metadata-Token-Ttl-Seconds") != "" {
			fmt.Fprint(w, "token")
		}
	})
	mux.HandleFunc("GET /latest/meta-data/iam/security-credentials/{role...}", func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("X-Aws-Ec2-Metadata-Token") != "token":
			w.WriteHeader(http.StatusUnauthorized)
		case r.PathValue("role") == "":
			fmt.Fprint(w, "yagura-AgentRole")
		case r.PathValue("role") == "yagura-AgentRole":
			json.NewEncoder(w).Encode(map[string]string{"AccessKeyId": role.AccessKeyID, "SecretAccessKey": role.SecretAccessKey, "Token": role.SessionToken})
		}
	})
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		a.asked = append(a.asked, r.URL.Path)
		object, ok := a.objects[r.URL.Path]
		switch {
		case r.Header.Get("Authorization") != signature(t, r):
			http.Error(w, "SignatureDoesNotMatch", http.StatusForbidden)
		case !ok:
			http.Error(w, "NoSuchKey", http.StatusNotFound)
		default:
			fmt.Fprint(w, object)
		}
	})
	a.Server = httptest.NewServer(mux)
	t.Cleanup(a.Close)
	return a
}

// signature is what the SDK would say of itself in a request for the same.
func signature(t *testing.T, r *http.Request) string {
	t.Helper()
	same, err := http.NewRequestWithContext(t.Context(), r.Method, "http://"+r.Host+r.URL.EscapedPath(), nil)
	if err != nil {
		t.Error(err)
		return ""
	}
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil {
		t.Error(err)
	}
	const hash = "UNSIGNED-PAYLOAD"
	same.Header.Set("X-Amz-Content-Sha256", hash)
	err = v4.NewSigner().SignHTTP(t.Context(), role, same, hash, "s3", region, at, func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	if err != nil {
		t.Error(err)
	}
	return same.Header.Get("Authorization")
}

// publish puts a package into the bucket, and its sum.
func (a *amazon) publish(name, content string) {
	a.objects[folder+version+"/"+name] = content
	a.objects[folder+version+"/SHA256SUMS"] += fmt.Sprintf("%x  %s\n", sha256.Sum256([]byte(content)), name)
}

// host is a machine on which the document's step for Linux is run: a folder with the programs that it may find, and what they were called for.
type host struct {
	dir, conf string
	amazon    *amazon
}

// newHost returns a host that has the given programs beside the usual ones.
func newHost(t *testing.T, programs map[string]string) *host {
	t.Helper()
	h := &host{dir: t.TempDir(), amazon: newAmazon(t)}
	h.conf = filepath.Join(h.dir, "etc", "yagura", "ossec.conf")
	for _, dir := range []string{"bin", "etc/yagura"} {
		if err := os.MkdirAll(filepath.Join(h.dir, filepath.FromSlash(dir)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, usual := range []string{"cat", "cp", "grep", "mktemp", "rm", "sed", "sh", "sha256sum"} {
		h.link(t, usual, usual)
	}
	python, err := exec.CommandContext(t.Context(), "python3", "-c", "import sys; print(sys.executable)").Output()
	if err != nil {
		t.Fatal(err)
	}
	h.link(t, "python3", strings.TrimSpace(string(python)))
	shipped, err := os.ReadFile(filepath.Join(root, "packaging", "ossec.conf"))
	if err != nil {
		t.Fatal(err)
	}
	h.write(t, "shipped.conf", string(shipped))
	if programs["systemctl"] == "" {
		h.write(t, "bin/systemctl", "#!/bin/sh\n"+called)
	}
	for name, text := range programs {
		h.write(t, filepath.Join("bin", name), "#!/bin/sh\n"+text)
	}
	return h
}

// called writes down a program's name and arguments.
const called = "echo \"${0##*/} $*\" >>\"$HOST/called\"\n"

// debian are the programs of a host with apt-get. What it installs brings the configuration as shipped, if there is none.
func debian() map[string]string {
	return map[string]string{
		"dpkg":       "echo amd64\n",
		"dpkg-query": "cat \"$HOST/installed\" 2>/dev/null\n",
		"apt-get": called + "case \"$*\" in\n*' remove '*) echo 'config-files " + version + "' >\"$HOST/installed\" ;;\n" +
			"*) for p; do :; done; grep -q program \"$p\" || exit 1; echo 'installed " + version + "' >\"$HOST/installed\"\n" +
			"[ -e \"$HOST/etc/yagura/ossec.conf\" ] || cp \"$HOST/shipped.conf\" \"$HOST/etc/yagura/ossec.conf\" ;;\nesac\n",
	}
}

func (h *host) link(t *testing.T, name, target string) {
	t.Helper()
	path, err := exec.LookPath(target)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path, filepath.Join(h.dir, "bin", name)); err != nil {
		t.Fatal(err)
	}
}

func (h *host) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(h.dir, name), []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

func (h *host) read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(h.dir, name))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(text)
}

// run runs the document's step for Linux as SSM does, with the template's defaults but for the action. It returns what was said, and the
// programs that were called for it.
func (h *host) run(t *testing.T, action string) (said string, calls []string, err error) {
	t.Helper()
	script := step(t, "Linux")
	for name, value := range map[string]string{
		"Action": action, "Version": "latest", "Bucket": "packages", "Region": region, "Uplink": "kinesis:yagura", "Central": "/yagura/agents",
	} {
		script = strings.ReplaceAll(script, "{{ "+name+" }}", value)
	}
	script = strings.ReplaceAll(script, "/etc/yagura", filepath.Join(h.dir, "etc", "yagura"))
	h.write(t, "called", "")
	sh := exec.CommandContext(t.Context(), "/bin/sh", "-c", script)
	sh.Env = []string{"PATH=" + filepath.Join(h.dir, "bin"), "HOST=" + h.dir, "AWS_EC2_METADATA_SERVICE_ENDPOINT=" + h.amazon.URL, "AWS_ENDPOINT_URL_S3=" + h.amazon.URL}
	out, err := sh.CombinedOutput()
	if text := strings.TrimSpace(h.read(t, "called")); text != "" {
		calls = strings.Split(text, "\n")
	}
	return string(out), calls, err
}

// step returns the script of the step for a platform.
func step(t *testing.T, platform string) string {
	t.Helper()
	for _, s := range list(dig(properties(t, "AgentDocument"), "Content", "mainSteps")) {
		if dig(s, "precondition", "StringEquals") != nil && slices.Contains(list(dig(s, "precondition", "StringEquals")), any(platform)) {
			return say(list(dig(s, "inputs", "runCommand"))[0])
		}
	}
	t.Fatalf("the document has no step for %s", platform)
	return ""
}

const (
	enable = "systemctl --quiet enable yagura-agent"
	start  = "systemctl start yagura-agent"
)

func TestDocumentInstalls(t *testing.T) {
	h := newHost(t, debian())
	h.amazon.publish(deb, "the program")
	h.amazon.publish("yagura-agent_"+version+"_arm64.deb", "another program")
	said, calls, err := h.run(t, "install")
	if err != nil || len(calls) != 3 || !strings.HasSuffix(calls[0], " install --allow-downgrades ./"+deb) || calls[1] != enable || calls[2] != start {
		t.Fatalf("%v\n%s\n%q", err, said, calls)
	}
	conf := h.read(t, "etc/yagura/ossec.conf")
	for _, line := range []string{"\n    <uplink>kinesis:yagura</uplink>\n", "\n    <region>eu-central-1</region>\n", "\n    <central>/yagura/agents</central>\n"} {
		if !strings.Contains(conf[strings.LastIndex(conf, "<ossec_config>"):], line) {
			t.Errorf("ossec.conf lacks %q:\n%s", line, conf)
		}
	}

	// Where all is well, it is left so, and only the version is asked for.
	h.amazon.asked = nil
	if said, calls, err := h.run(t, "install"); err != nil || !slices.Equal(calls, []string{enable, start}) {
		t.Errorf("again: %v\n%s\n%q", err, said, calls)
	}
	if !slices.Equal(h.amazon.asked, []string{folder + "latest"}) || h.read(t, "etc/yagura/ossec.conf") != conf {
		t.Errorf("again: asked for %q", h.amazon.asked)
	}
}

// A configuration that says where events go is the host's own.
func TestDocumentKeepsTheConfiguration(t *testing.T) {
	h := newHost(t, debian())
	h.amazon.publish(deb, "the program")
	own := "<ossec_config>\n<!-- <uplink>kinesis:x</uplink> --><client><uplink>kinesis:own</uplink></client>\n</ossec_config>\n"
	h.write(t, "etc/yagura/ossec.conf", own)
	if said, _, err := h.run(t, "install"); err != nil || h.read(t, "etc/yagura/ossec.conf") != own {
		t.Errorf("%v\n%s\n%s", err, said, h.read(t, "etc/yagura/ossec.conf"))
	}
}

func TestDocumentRefusesWhatIsNotWhatItShouldBe(t *testing.T) {
	for name, c := range map[string]struct {
		change func(a *amazon)
		want   string
	}{
		"another package": {func(a *amazon) { a.objects[folder+version+"/"+deb] = "some other program" }, "is not what SHA256SUMS says"},
		"no sum":          {func(a *amazon) { a.objects[folder+version+"/SHA256SUMS"] = "" }, "SHA256SUMS of " + version + " has no " + deb},
		"no package":      {func(a *amazon) { delete(a.objects, folder+version+"/"+deb) }, "see that it is there"},
		"no version":      {func(a *amazon) { delete(a.objects, folder+"latest") }, "s3://packages/yagura-agent/latest can't be had"},
	} {
		h := newHost(t, debian())
		h.amazon.publish(deb, "the program")
		c.change(h.amazon)
		if said, calls, err := h.run(t, "install"); err == nil || len(calls) > 0 || !strings.Contains(said, c.want) {
			t.Errorf("%s: %v\n%s\n%q", name, err, said, calls)
		}
	}
}

func TestDocumentUpgradesAndRemoves(t *testing.T) {
	h := newHost(t, debian())
	h.amazon.publish(deb, "the program")
	if said, calls, err := h.run(t, "upgrade"); err != nil || len(calls) > 0 || !strings.Contains(said, "nothing to upgrade") {
		t.Errorf("upgrade of none: %v\n%s\n%q", err, said, calls)
	}
	if said, calls, err := h.run(t, "remove"); err != nil || len(calls) > 0 {
		t.Errorf("removal of none: %v\n%s\n%q", err, said, calls)
	}
	h.write(t, "installed", "installed 1.0.0\n")
	h.write(t, "etc/yagura/ossec.conf", h.read(t, "shipped.conf"))
	if said, calls, err := h.run(t, "upgrade"); err != nil || len(calls) != 3 || !strings.HasSuffix(calls[0], "./"+deb) {
		t.Errorf("upgrade: %v\n%s\n%q", err, said, calls)
	}
	if said, calls, err := h.run(t, "remove"); err != nil || len(calls) != 1 || !strings.HasSuffix(calls[0], " remove yagura-agent") {
		t.Errorf("removal: %v\n%s\n%q", err, said, calls)
	}
	if said, calls, err := h.run(t, "install"); err != nil || len(calls) != 3 { // dpkg still knows the version, but it isn't installed
		t.Errorf("install after removal: %v\n%s\n%q", err, said, calls)
	}
}

func TestDocumentOnRPM(t *testing.T) {
	h := newHost(t, map[string]string{
		"uname": "echo aarch64\n",
		"rpm": "case $1 in\n--query) cat \"$HOST/installed\" 2>/dev/null || { echo package yagura-agent is not installed; exit 1; } ;;\n" +
			"*) " + called + "cp \"$HOST/shipped.conf\" \"$HOST/etc/yagura/ossec.conf\"; printf '" + version + "' >\"$HOST/installed\" ;;\nesac\n",
	})
	name := "yagura-agent-" + version + "-1.aarch64.rpm"
	h.amazon.publish(name, "the program")
	if said, calls, err := h.run(t, "install"); err != nil || len(calls) != 3 || calls[0] != "rpm --upgrade --oldpackage --nosignature "+name {
		t.Fatalf("%v\n%s\n%q", err, said, calls)
	}
	if said, calls, err := h.run(t, "install"); err != nil || len(calls) != 2 {
		t.Errorf("again: %v\n%s\n%q", err, said, calls)
	}
	if said, calls, err := h.run(t, "remove"); err != nil || len(calls) != 1 || calls[0] != "rpm --erase yagura-agent" {
		t.Errorf("removal: %v\n%s\n%q", err, said, calls)
	}
}

func TestDocumentNeedsPackagesAndPython(t *testing.T) {
	h := newHost(t, nil)
	if said, _, err := h.run(t, "install"); err == nil || !strings.Contains(said, "neither apt-get nor rpm") {
		t.Errorf("%v\n%s", err, said)
	}
	h = newHost(t, debian())
	if err := os.Remove(filepath.Join(h.dir, "bin", "python3")); err != nil {
		t.Fatal(err)
	}
	if said, _, err := h.run(t, "install"); err == nil || !strings.Contains(said, "python3 is not installed") {
		t.Errorf("%v\n%s", err, said)
	}
}

// SSM writes parameters into the scripts as they are: none may end the quotes that it stands in. All are declared and used, on both platforms.
func TestDocumentParameters(t *testing.T) {
	declared := dig(properties(t, "AgentDocument"), "Content", "parameters").(object)
	if len(declared) < 3 {
		t.Fatalf("parameters %v", declared)
	}
	for name, p := range declared {
		if dig(p, "allowedValues") == nil {
			pattern := regexp.MustCompile(say(dig(p, "allowedPattern")))
			for _, bad := range []string{"", "a'b", "a\"b", "a b", "a$b", "a`b", "a;b", "a\nb", "a\\b", "a&b"} {
				if pattern.MatchString(bad) {
					t.Errorf("%s may be %q", name, bad)
				}
			}
		}
		if say(dig(p, "description")) == "" {
			t.Errorf("%s wants a description", name)
		}
	}
	used := regexp.MustCompile(`\{\{.*?\}\}`)
	for _, platform := range []string{"Linux", "Windows"} {
		seen := map[string]bool{}
		for _, u := range used.FindAllString(step(t, platform), -1) {
			name := strings.Trim(u, "{} ")
			seen[name] = true
			if declared[name] == nil || u != "{{ "+name+" }}" {
				t.Errorf("%s: %s is no parameter", platform, u)
			}
		}
		if len(seen) != len(declared) {
			t.Errorf("%s uses %d of %d parameters", platform, len(seen), len(declared))
		}
	}
}

// What a parameter is by default, the document lets through.
func TestDocumentDefaults(t *testing.T) {
	declared := dig(properties(t, "AgentDocument"), "Content", "parameters").(object)
	for name, value := range map[string]string{
		"Version": "latest", "Bucket": "my-packages.example", "Region": "us-gov-west-1", "Uplink": "kinesis:yagura", "Central": "/yagura/agents",
	} {
		if !regexp.MustCompile(say(dig(declared, name, "allowedPattern"))).MatchString(value) {
			t.Errorf("%s may not be %s", name, value)
		}
	}
	if got := say(dig(declared, "Uplink", "default")) + say(dig(declared, "Central", "default")); got != "kinesis:${Stream}/${AWS::StackName}/agents" {
		t.Errorf("an agent gets %s", got)
	}
}

// The association is of the document, for the tag, and calls it with what it declares.
func TestAssociation(t *testing.T) {
	p := properties(t, "AgentAssociation")
	if dig(resources(t), "AgentAssociation", "Condition") != "Enroll" || dig(resources(t), "AgentDocument", "Condition") != "HasAgentBucket" {
		t.Error("agents would be installed without anybody asking")
	}
	if say(p["Name"]) != "AgentDocument" || say(dig(list(p["Targets"])[0], "Key")) != "tag:${EnrollTagKey}" || say(list(dig(list(p["Targets"])[0], "Values"))[0]) != "EnrollTagValue" {
		t.Errorf("%v", p)
	}
	if !regexp.MustCompile(`^rate\((30|[4-9]\d) minutes\)$`).MatchString(say(p["ScheduleExpression"])) {
		t.Errorf("SSM knows no schedule %s", say(p["ScheduleExpression"])) // the shortest is 30 minutes
	}
	declared := dig(properties(t, "AgentDocument"), "Content", "parameters").(object)
	for name := range p["Parameters"].(object) {
		if declared[name] == nil {
			t.Errorf("the document has no parameter %s", name)
		}
	}
}
