package packaging_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// unit returns the path of a copy of the unit whose program exists, and systemd-analyze.
func unit(t *testing.T) (analyze, file string) {
	t.Helper()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Fatalf("%v; apt install systemd, or dnf install systemd: it judges the unit, and need not run", err)
	}
	file = filepath.Join(t.TempDir(), "yagura-agent.service")
	text := strings.Replace(string(read(t, "yagura-agent.service")), "ExecStart=/usr/bin/yagura-agent ", "ExecStart=/bin/true ", 1)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return analyze, file
}

func TestUnitIsUnderstood(t *testing.T) {
	analyze, file := unit(t)
	if out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", file).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

// At most 4.0 of 10, where 10 is a root that may do anything.
func TestUnitIsHardened(t *testing.T) {
	analyze, file := unit(t)
	if out, err := exec.CommandContext(t.Context(), analyze, "security", "--offline=true", "--no-pager", "--threshold=40", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
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
