package main

import (
	"os"
	"path/filepath"
)

func programData() string {
	if dir := os.Getenv("ProgramData"); dir != "" {
		return filepath.Join(dir, "Yagura")
	}
	return `C:\ProgramData\Yagura`
}

func defaultConf() string   { return filepath.Join(programData(), "ossec.conf") }
func defaultState() string  { return filepath.Join(programData(), "state") }
func defaultSocket() string { return filepath.Join(programData(), "state", "agent.sock") }
