package uplink_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/agent/uplink"
)

// A full disk is waited for, and what is there stays whole meanwhile.
func TestFileDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatalf("mount a small disk: %v; run this as root", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 60<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	var said []string
	waits := 0
	up := uplink.File(dir, uplink.Options{
		Wait: func(context.Context, time.Duration) error {
			if waits++; waits < 6 {
				if left := strings.Join(names(t, dir), " "); left != "filler" {
					t.Errorf("left in the folder: %s", left)
				}
				return nil
			}
			return os.Remove(filler)
		},
		Report: func(msg string) { said = append(said, msg) },
	})
	if err := up.Send(t.Context(), batch(t, 1, 5000)); err != nil {
		t.Fatal(err)
	}
	if waits != 6 || len(said) != 2 || !strings.Contains(said[0], "no space left on device; trying again") || !strings.HasSuffix(said[1], "nothing was lost") {
		t.Errorf("%d waits, %q", waits, said)
	}
	if got := strings.Join(names(t, dir), " "); got != "1234567890abcdef-00000000000000000001.ygr" {
		t.Error(got)
	}
}
