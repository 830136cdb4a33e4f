//go:build darwin || freebsd

package host

import (
	"context"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// onEC2 tells by the firmware whether this is an instance of EC2.
func onEC2(Options) bool {
	if runtime.GOOS == "freebsd" {
		return strings.TrimSpace(output("kenv", "-q", "smbios.system.maker")) == "Amazon EC2"
	}
	return strings.Contains(output("ioreg", "-rd1", "-c", "IOPlatformExpertDevice"), "Amazon") ||
		strings.Contains(output("ioreg", "-rd1", "-c", "IONVMeController"), "Amazon Elastic Block Store")
}

// assetTag returns the instance id as the firmware tells it, "" if it doesn't.
func assetTag(string) string {
	if runtime.GOOS == "freebsd" {
		if tag := strings.TrimSpace(output("kenv", "-q", "smbios.planar.tag")); strings.HasPrefix(tag, "i-") {
			return tag
		}
	}
	return ""
}

var platformUUID = regexp.MustCompile(`"IOPlatformUUID" = "([0-9A-Fa-f-]+)"`)

// hardware returns the machine's id, "" if it has none.
func hardware(string) string {
	if runtime.GOOS == "darwin" {
		if found := platformUUID.FindStringSubmatch(output("ioreg", "-rd1", "-c", "IOPlatformExpertDevice")); found != nil {
			return found[1]
		}
		return ""
	}
	id, err := unix.Sysctl("kern.hostuuid")
	if err != nil || strings.Trim(id, "0-") == "" {
		return ""
	}
	return id
}

// describe returns the system's name and version, and the kernel's.
func describe(string) (system, kernel string) {
	release, err := unix.Sysctl("kern.osrelease")
	if err != nil {
		release = ""
	}
	if runtime.GOOS == "freebsd" {
		return strings.TrimSpace("FreeBSD " + release), strings.TrimSpace("FreeBSD " + release)
	}
	version, err := unix.Sysctl("kern.osproductversion")
	if err != nil {
		version = ""
	}
	return strings.TrimSpace("macOS " + version), strings.TrimSpace("Darwin " + release)
}

// output returns what a program of the system says, "" if it fails.
func output(name string, args ...string) string {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	b, err := exec.CommandContext(ctx, name, args...).Output()
	if err != nil {
		return ""
	}
	return string(b)
}
