//go:build !linux

package main

import (
	"errors"
	"os"
)

func openTerminal() (ours, theirs *os.File, err error) { return nil, nil, errors.ErrUnsupported }
