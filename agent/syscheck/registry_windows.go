package syscheck

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"
)

// hives are the registry's roots, by their names.
var hives = map[string]registry.Key{
	"HKEY_LOCAL_MACHINE": registry.LOCAL_MACHINE, "HKEY_CURRENT_USER": registry.CURRENT_USER, "HKEY_USERS": registry.USERS,
	"HKEY_CLASSES_ROOT": registry.CLASSES_ROOT, "HKEY_CURRENT_CONFIG": registry.CURRENT_CONFIG,
}

// systemHive is this system's registry.
type systemHive struct{}

func (systemHive) open(path string, bits int) (hiveKey, error) {
	name, rest, _ := strings.Cut(path, `\`)
	root, ok := hives[strings.ToUpper(name)]
	if !ok {
		return nil, fmt.Errorf("registry key %s: it doesn't begin with the name of a root, such as HKEY_LOCAL_MACHINE", path)
	}
	access := uint32(registry.READ)
	switch bits {
	case 32:
		access |= registry.WOW64_32KEY
	case 64:
		access |= registry.WOW64_64KEY
	}
	k, err := registry.OpenKey(root, rest, access)
	switch {
	case errors.Is(err, windows.ERROR_FILE_NOT_FOUND), errors.Is(err, windows.ERROR_PATH_NOT_FOUND), errors.Is(err, windows.ERROR_KEY_DELETED):
		return nil, fmt.Errorf("registry key %s: %w", path, fs.ErrNotExist)
	case err != nil:
		return nil, fmt.Errorf("registry key %s: %w", path, err)
	}
	return systemKey{k, path}, nil
}

type systemKey struct {
	key  registry.Key
	path string
}

func (k systemKey) close() { _ = k.key.Close() } // it was only read

func (k systemKey) subkeys() ([]string, error) {
	names, err := k.key.ReadSubKeyNames(-1)
	if err != nil {
		return nil, fmt.Errorf("subkeys of %s: %w", k.path, err)
	}
	return names, nil
}

func (k systemKey) values() ([]value, error) {
	names, err := k.key.ReadValueNames(-1)
	if err != nil {
		return nil, fmt.Errorf("values of %s: %w", k.path, err)
	}
	var list []value
	for _, name := range names {
		v, err := k.value(name)
		if errors.Is(err, registry.ErrNotExist) {
			continue // gone meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("value %q of %s: %w", name, k.path, err)
		}
		list = append(list, v)
	}
	return list, nil
}

// value reads one, which may grow meanwhile.
func (k systemKey) value(name string) (value, error) {
	buf := make([]byte, 256)
	for {
		n, kind, err := k.key.GetValue(name, buf)
		if !errors.Is(err, registry.ErrShortBuffer) {
			return value{name, kind, buf[:min(n, len(buf))]}, err
		}
		buf = make([]byte, max(n, 2*len(buf)))
	}
}
