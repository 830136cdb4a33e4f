package logcollector

import (
	"context"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// shell runs text, which is killed with what it started when ctx ends.
func shell(ctx context.Context, text string) *exec.Cmd {
	name := os.Getenv("ComSpec")
	if name == "" {
		name = "cmd.exe"
	}
	cmd := exec.CommandContext(ctx, name)
	cmd.SysProcAttr = &syscall.SysProcAttr{CmdLine: `/S /C "` + text + `"`, HideWindow: true} // cmd has quoting of its own
	cmd.Cancel = func() error {
		tree := exec.Command("taskkill", "/T", "/F", "/PID", strconv.Itoa(cmd.Process.Pid))
		if tree.Run() == nil {
			return nil
		}
		return cmd.Process.Kill()
	}
	return cmd
}
