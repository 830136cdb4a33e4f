//go:build !windows

package syscheck

import "errors"

// systemHive is the registry of a system that has none.
type systemHive struct{}

func (systemHive) open(string, int) (hiveKey, error) {
	return nil, errors.New("registry keys are watched on Windows only")
}
