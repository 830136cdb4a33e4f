package syscheck_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/windows/registry"

	"github.com/yagura-hids/yagura/agent/syscheck"
	words "github.com/yagura-hids/yagura/internal/syscheck"
)

// testKey makes a key of the user's own registry that is deleted in the end.
func testKey(t *testing.T) registry.Key {
	t.Helper()
	const path = `Software\YaguraTest`
	k, _, err := registry.CreateKey(registry.CURRENT_USER, path, registry.ALL_ACCESS)
	must(t, err)
	t.Cleanup(func() {
		k.Close()
		for _, sub := range []string{`\sub\low`, `\sub`, `\new`, ``} {
			registry.DeleteKey(registry.CURRENT_USER, path+sub)
		}
	})
	return k
}

func TestSystemRegistry(t *testing.T) {
	h := newHost(t)
	h.conf = syscheck.Config{Registry: []syscheck.Registry{{Key: `HKEY_CURRENT_USER\Software\YaguraTest`, ReportChanges: true}}}
	h.conf.RegistryIgnore = []syscheck.Match{{Text: `HKEY_CURRENT_USER\Software\Elsewhere`}, {Text: `\Enum$`, Pattern: true}}
	k := testKey(t)
	for _, sub := range []string{"sub", `sub\low`, "Enum"} {
		s, _, err := registry.CreateKey(k, sub, registry.ALL_ACCESS)
		must(t, err, s.SetStringValue("x", "in "+sub), s.Close())
	}
	t.Cleanup(func() { registry.DeleteKey(registry.CURRENT_USER, `Software\YaguraTest\Enum`) })
	must(t, k.SetStringValue("text", "väl\nue"), k.SetDWordValue("number", 7), k.SetQWordValue("long", 8), k.SetBinaryValue("bytes", make([]byte, 2000)),
		k.SetStringsValue("texts", []string{"a", "b"}), k.SetExpandStringValue("expanded", "%windir%"), k.SetStringValue("", "default"))
	scan := func() (list []string) {
		t.Helper()
		_, err := h.new().Scan(context.Background(), true)
		must(t, err)
		for _, ev := range h.take() {
			if c, err := words.Parse(ev.Text); err == nil && ev.Location == "syscheck-registry" {
				list = append(list, strings.TrimSpace(c.Type+" "+strings.TrimPrefix(c.Path, `HKEY_CURRENT_USER\Software\`)+" "+c.Diff))
			}
		}
		slices.Sort(list)
		return list
	}
	wantList(t, scan(), "baseline YaguraTest", `baseline YaguraTest\sub`, `baseline YaguraTest\sub\low`)
	wantList(t, scan())
	must(t, k.SetStringValue("text", "other"), k.DeleteValue("long"), registry.DeleteKey(k, `sub\low`))
	n, _, err := registry.CreateKey(k, "new", registry.ALL_ACCESS)
	must(t, err, n.Close())
	wantList(t, scan(), `added YaguraTest\new`, `deleted YaguraTest\sub\low`,
		"modified YaguraTest @@ -4 +3,0 @@\n-\"long\"=qword:8\n@@ -6 +5 @@\n-\"text\"=sz:\"väl\\nue\"\n+\"text\"=sz:\"other\"")
	if len(h.said) > 0 {
		t.Errorf("%q", h.said)
	}
}

// TestSystemViews looks at a key that 32- and 64-bit programs see differently.
func TestSystemViews(t *testing.T) {
	const path = `Software\YaguraTest`
	for bits, access := range map[string]uint32{"32": registry.WOW64_32KEY, "64": registry.WOW64_64KEY} {
		k, _, err := registry.CreateKey(registry.LOCAL_MACHINE, path, registry.ALL_ACCESS|access)
		must(t, err, k.SetStringValue("view", bits), k.Close())
		t.Cleanup(func() {
			if s, err := registry.OpenKey(registry.LOCAL_MACHINE, "Software", registry.ALL_ACCESS|access); err == nil {
				registry.DeleteKey(s, "YaguraTest")
				s.Close()
			}
		})
	}
	h := newHost(t)
	const key = `HKEY_LOCAL_MACHINE\` + path
	h.conf = syscheck.Config{Registry: []syscheck.Registry{{Key: key, Bits: 32}, {Key: key, Bits: 64}, {Key: `HKEY_NOWHERE\x`}}}
	var hashes []string
	for _, ev := range h.scan() {
		if c, err := words.Parse(ev.Text); err == nil && ev.Location == "syscheck-registry" {
			hashes = append(hashes, c.Path+" "+c.After.SHA256)
		}
	}
	if len(hashes) != 2 || !strings.HasPrefix(hashes[1], "[x64] "+key) || strings.HasSuffix(hashes[0], strings.Fields(hashes[1])[2]) {
		t.Errorf("%q", hashes)
	}
	if len(h.said) != 1 || !strings.Contains(h.said[0], "HKEY_LOCAL_MACHINE") {
		t.Errorf("%q", h.said)
	}
}

// TestWindowsFile looks at what Windows tells of a file.
func TestWindowsFile(t *testing.T) {
	h := newHost(t)
	h.write("a", "one")
	events := h.scan()
	var records []words.Record
	for _, ev := range events {
		if c, err := words.Parse(ev.Text); err == nil && c.After != nil {
			records = append(records, *c.After)
		}
	}
	if len(records) != 1 || !strings.HasPrefix(records[0].UID, "S-1-") {
		t.Fatalf("%+v", records)
	}
	h.must(os.Rename(h.path("a"), h.path("b")))
	h.want("moved a > b")
	h.must(os.Chmod(h.path("b"), 0o444))
	h.want("modified b")
	h.must(os.Chmod(h.path("b"), 0o644))
}
