package packaging_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// units are the services: where each is, and the most that systemd-analyze may say against it, of 100, where 100 is a root that may do anything.
var units = map[string]struct {
	dir  string
	most string
}{
	"yagura-agent": {"", "40"},      // it is root, and looks everywhere
	"yagura-relay": {"relay", "20"}, // it listens to strangers
}

// unit returns the path of a copy of a unit whose program exists, and systemd-analyze.
func unit(t *testing.T, name string) (analyze, file string) {
	t.Helper()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Fatalf("%v; apt install systemd, or dnf install systemd: it judges the units, and need not run", err)
	}
	file = filepath.Join(t.TempDir(), name+".service")
	text := strings.Replace(string(read(t, units[name].dir, name+".service")), "ExecStart=/usr/bin/"+name+" ", "ExecStart=/bin/true ", 1)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return analyze, file
}

func TestUnitIsUnderstood(t *testing.T) {
	for name := range units {
		analyze, file := unit(t, name)
		if out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", file).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

func TestUnitIsHardened(t *testing.T) {
	for name, u := range units {
		analyze, file := unit(t, name)
		out, err := exec.CommandContext(t.Context(), analyze, "security", "--offline=true", "--no-pager", "--threshold="+u.most, file).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// What would keep the relay from hearing anybody.
func TestUnitLetsTheRelayHear(t *testing.T) {
	text := "\n" + string(read(t, "relay", "yagura-relay.service"))
	for _, setting := range []string{"PrivateNetwork", "PrivateUsers", "IPAddressDeny"} {
		if strings.Contains(text, "\n"+setting) {
			t.Errorf("the unit has %s", setting)
		}
	}
	if !strings.Contains(text, "\nAmbientCapabilities=CAP_NET_BIND_SERVICE\n") || !strings.Contains(text, "\nUser=yagura-relay\n") {
		t.Error("the unit lacks its user, or the right to port 514")
	}
}

// What would blind the agent, however well it scores.
func TestUnitLetsTheAgentSee(t *testing.T) {
	text := "\n" + string(read(t, "yagura-agent.service"))
	for _, setting := range []string{
		"PrivateTmp", "PrivateDevices", "PrivateUsers", "PrivateNetwork", "ProtectProc", "ProcSubset", "ProtectKernelModules", "InaccessiblePaths",
		"ProtectHome=yes", "ProtectHome=tmpfs", "RootDirectory",
	} {
		if strings.Contains(text, "\n"+setting) {
			t.Errorf("the unit has %s", setting)
		}
	}
	for _, right := range []string{"CAP_DAC_READ_SEARCH", "CAP_SYS_PTRACE", "CAP_NET_BIND_SERVICE"} {
		_, rest, _ := strings.Cut(text, "\nCapabilityBoundingSet=")
		line, _, _ := strings.Cut(rest, "\n")
		if !strings.Contains(line, right) {
			t.Errorf("the unit lacks %s", right)
		}
	}
}
