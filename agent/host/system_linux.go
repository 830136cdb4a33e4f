package host

import (
	"bufio"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"golang.org/x/sys/unix"
)

// onEC2 tells by the firmware whether this is an instance of EC2.
func onEC2(o Options) bool {
	return firstLine(o.Root, "/sys/class/dmi/id/sys_vendor") == "Amazon EC2" ||
		strings.HasPrefix(firstLine(o.Root, "/sys/class/dmi/id/bios_vendor"), "Amazon EC2") ||
		strings.HasPrefix(strings.ToLower(firstLine(o.Root, "/sys/hypervisor/uuid")), "ec2")
}

var instanceForm = regexp.MustCompile(`^i-[0-9a-f]{8,17}$`)

// assetTag returns the instance id as the firmware tells it, "" if it doesn't.
func assetTag(root string) string {
	if tag := firstLine(root, "/sys/class/dmi/id/board_asset_tag"); instanceForm.MatchString(tag) {
		return tag
	}
	return ""
}

// hardware returns the machine's id, "" if it has none.
func hardware(root string) string {
	for _, name := range []string{"/etc/machine-id", "/var/lib/dbus/machine-id"} {
		if id := firstLine(root, name); id != "" && id != "uninitialized" {
			return id
		}
	}
	return ""
}

// describe returns the distribution's name and version, and the kernel's.
func describe(root string) (system, kernel string) {
	fields := map[string]string{}
	for _, name := range []string{"/etc/os-release", "/usr/lib/os-release"} {
		if f, err := os.Open(filepath.Join("/", root, name)); err == nil {
			lines := bufio.NewScanner(f)
			for lines.Scan() {
				key, value, _ := strings.Cut(lines.Text(), "=")
				fields[key] = strings.Trim(value, `"'`)
			}
			_ = f.Close() // only read
			break
		}
	}
	system = strings.TrimSpace(fields["NAME"] + " " + fields["VERSION_ID"])
	if system == "" {
		system = "Linux"
	}
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return system, "Linux"
	}
	return system, "Linux " + unix.ByteSliceToString(u.Release[:])
}
