package rootcheck_test

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/windows/registry"

	"github.com/yagura-hids/yagura/agent/rootcheck"
)

// TestWindowsPolicy makes a key, a file and a process (itself), and looks for them as policies do.
func TestWindowsPolicy(t *testing.T) {
	k, _, err := registry.CreateKey(registry.CURRENT_USER, `Software\Yagura test`, registry.ALL_ACCESS)
	if err != nil {
		t.Fatal(err)
	}
	defer registry.DeleteKey(registry.CURRENT_USER, `Software\Yagura test`)
	defer k.Close()
	for name, set := range map[string]func(string) error{
		"Number": func(name string) error { return k.SetDWordValue(name, 900_000) },
		"Text":   func(name string) error { return k.SetStringValue(name, "One two") },
		"List":   func(name string) error { return k.SetStringsValue(name, []string{"a", "b"}) },
		"Bytes":  func(name string) error { return k.SetBinaryValue(name, []byte{1}) },
	} {
		if err := set(name); err != nil {
			t.Fatal(err)
		}
	}
	dir, err := os.MkdirTemp("", "rootcheck") // Wine can't clean up after t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("YAGURA_TEST", dir)
	defer os.Remove(dir)
	defer os.Remove(write(t, filepath.Join(dir, "x.dll"), "a\r\nb\r\n"))
	policy := filepath.Join(dir, "p.txt")
	defer os.Remove(policy)
	for line, holds := range map[string]bool{
		`r:HKCU\Software\Yagura test`:                     true,
		`r:HKEY_CURRENT_USER\software\yagura TEST`:        true,
		`r:!HKCU\Software\Yagura test`:                    false,
		`r:HKCU\Software\Yagura none`:                     false,
		`r:!HKCU\Software\Yagura none`:                    true,
		`r:HKXX\Software`:                                 false,
		`r:HKCU\Software\Yagura test -> Number`:           true,
		`r:HKCU\Software\Yagura test -> !Number`:          false,
		`r:HKCU\Software\Yagura test -> !None`:            true,
		`r:HKCU\Software\Yagura none -> !None`:            false,
		`r:HKCU\Software\Yagura test -> None`:             false,
		`r:HKCU\Software\Yagura test -> Number -> dbba0`:  true, // hexadecimal, as in OSSEC's policies
		`r:HKCU\Software\Yagura test -> Number -> !dbba0`: false,
		`r:HKCU\Software\Yagura test -> Text -> r:^one`:   true,
		`r:HKCU\Software\Yagura test -> List -> b`:        true,
		`r:HKCU\Software\Yagura test -> Bytes`:            true,
		`f:%YAGURA_TEST%\x.dll`:                           true,
		`f:%YAGURA_TEST%\y.dll`:                           false,
		`f:%YAGURA_TEST%\x.dll -> b`:                      true,
		`d:%YAGURA_TEST% -> .dll$`:                        true,
		`p:r:test.exe$`:                                   true,
		`p:r:no such program`:                             false,
	} {
		write(t, policy, "[T] [any] []\n"+line+";\n")
		found, reports := once(t, rootcheck.Config{WindowsMalware: []string{policy}})
		if (len(found) == 1) != holds || len(reports) != 0 {
			t.Errorf("%s: %q, %q", line, found, reports)
		}
		for _, text := range found {
			want(t, []string{text}, "Windows Malware: T.")
		}
	}
}
