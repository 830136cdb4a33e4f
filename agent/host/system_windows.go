package host

import (
	"fmt"
	"strings"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"
)

// onEC2 tells by the firmware whether this is an instance of EC2.
func onEC2(Options) bool {
	const bios = `HARDWARE\DESCRIPTION\System\BIOS`
	return strings.Contains(value(bios, "SystemManufacturer"), "Amazon EC2") || strings.Contains(value(bios, "BIOSVendor"), "Amazon EC2") ||
		strings.Contains(value(bios, "BIOSVersion"), "amazon") // Xen's
}

// assetTag returns the instance id as the firmware tells it: Windows keeps no copy of it in the registry.
func assetTag(string) string { return "" }

// hardware returns the machine's id, "" if it has none.
func hardware(string) string { return value(`SOFTWARE\Microsoft\Cryptography`, "MachineGuid") }

// describe returns the system's name and version, and the kernel's.
func describe(string) (system, kernel string) {
	v := windows.RtlGetVersion()
	version := fmt.Sprintf("%d.%d.%d", v.MajorVersion, v.MinorVersion, v.BuildNumber)
	name := value(`SOFTWARE\Microsoft\Windows NT\CurrentVersion`, "ProductName")
	if name == "" {
		name = "Windows"
	}
	const eleven = 22000 // the build from which it is called so, though its name in the registry still says 10
	if v.BuildNumber >= eleven {
		name = strings.Replace(name, "Windows 10", "Windows 11", 1)
	}
	return "Microsoft " + name + " " + version, "Windows " + version
}

// value returns a text of the registry's local machine, "" if there is none.
func value(path, name string) string {
	k, err := registry.OpenKey(registry.LOCAL_MACHINE, path, registry.QUERY_VALUE|registry.WOW64_64KEY)
	if err != nil {
		return ""
	}
	defer k.Close() // only read
	text, _, err := k.GetStringValue(name)
	if err != nil {
		return ""
	}
	return text
}
