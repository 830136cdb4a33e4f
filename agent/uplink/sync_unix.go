//go:build !windows

package uplink

import (
	"errors"
	"os"
)

// syncFolder puts on the disk what names a folder has.
func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
