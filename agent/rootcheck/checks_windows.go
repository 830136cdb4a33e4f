package rootcheck

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/windows"
	reg "golang.org/x/sys/windows/registry"
)

// checks returns the checks of this system, in OSSEC's order.
func checks() []check {
	return []check{
		{WinAudit, "winaudit", policies(windowsAudit)},
		{WinMalware, "winmalware", policies(windowsMalware)},
		{WinApps, "winapps", policies(windowsApp)},
	}
}

var hives = map[string]reg.Key{
	"HKEY_LOCAL_MACHINE": reg.LOCAL_MACHINE, "HKLM": reg.LOCAL_MACHINE,
	"HKEY_CLASSES_ROOT": reg.CLASSES_ROOT, "HKCR": reg.CLASSES_ROOT,
	"HKEY_CURRENT_CONFIG": reg.CURRENT_CONFIG,
	"HKEY_USERS":          reg.USERS, "HKU": reg.USERS,
	"HKEY_CURRENT_USER": reg.CURRENT_USER, "HKCU": reg.CURRENT_USER,
}

// registry tells whether the key, the entry or the value that a test names is there.
func registry(t *test) (string, bool) {
	hive, sub, _ := strings.Cut(t.values[0], `\`)
	root, ok := hives[strings.ToUpper(hive)]
	if !ok {
		return "", false
	}
	k, err := reg.OpenKey(root, sub, reg.QUERY_VALUE|reg.WOW64_64KEY)
	if err != nil {
		return "", false
	}
	defer k.Close() //nolint:errcheck // nothing was written
	if t.entry == "" {
		return t.values[0], true
	}
	if entry, ok := strings.CutPrefix(t.entry, "!"); ok {
		return t.values[0] + " -> " + entry, values(k, entry) == nil
	}
	for _, value := range values(k, t.entry) {
		if t.pattern == nil || t.pattern.text(value) {
			return t.values[0] + " -> " + t.entry, true
		}
	}
	return "", false
}

// values returns an entry's value as text, numbers in hexadecimal, each string of a list by itself; nil if there is no such entry.
func values(k reg.Key, entry string) []string {
	if s, _, err := k.GetStringValue(entry); err == nil {
		return []string{s}
	}
	if n, _, err := k.GetIntegerValue(entry); err == nil {
		return []string{strconv.FormatUint(n, 16)}
	}
	if list, _, err := k.GetStringsValue(entry); err == nil {
		return append(list, "")
	}
	if _, _, err := k.GetValue(entry, nil); err == nil { // binary
		return []string{""}
	}
	return nil
}

// expandPath puts in what %VAR% stands for, and the system's drive before a leading backslash.
func expandPath(path string) string {
	path, err := reg.ExpandString(path)
	if err != nil || !strings.HasPrefix(path, `\`) || strings.HasPrefix(path, `\\`) {
		return path
	}
	return filepath.Join(os.Getenv("SystemDrive")+`\`, path)
}

// processes returns the path of each process that runs, or its name where the path can't be had.
func processes(context.Context, string) []string {
	list := []string{}
	snapshot, err := windows.CreateToolhelp32Snapshot(windows.TH32CS_SNAPPROCESS, 0)
	if err != nil {
		return list
	}
	defer windows.CloseHandle(snapshot) //nolint:errcheck // nothing was written
	entry := windows.ProcessEntry32{}
	entry.Size = uint32(unsafe.Sizeof(entry))
	for err := windows.Process32First(snapshot, &entry); err == nil; err = windows.Process32Next(snapshot, &entry) {
		list = append(list, imagePath(entry.ProcessID, windows.UTF16ToString(entry.ExeFile[:])))
	}
	return list
}

func imagePath(pid uint32, name string) string {
	h, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, pid)
	if err != nil {
		return name
	}
	defer windows.CloseHandle(h) //nolint:errcheck // nothing was written
	buf := make([]uint16, windows.MAX_LONG_PATH)
	n := uint32(len(buf))
	if err := windows.QueryFullProcessImageName(h, 0, &buf[0], &n); err != nil {
		return name
	}
	return windows.UTF16ToString(buf[:n])
}
