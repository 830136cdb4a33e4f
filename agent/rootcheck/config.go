package rootcheck

import "time"

// Config is what the <rootcheck> sections say. The zero value checks nothing but what needs no file.
type Config struct {
	Disabled       bool
	Files          []string // rootkit_files: names of files that rootkits leave; empty for the built-in list
	Trojans        []string // rootkit_trojans: signatures of trojaned programs; empty for the built-in list
	Audits         []string // system_audit: policy files
	WindowsAudits  []string
	WindowsApps    []string
	WindowsMalware []string
	Every          time.Duration // from the end of one check to the start of the next; 0 for 10 hours
	SkipNFS        bool
	ScanAll        bool     // look at the whole file system, not only at the usual places
	ReadAll        bool     // compare the size of all files with what can be read
	Base           string   // what stands for /; "" for /
	Ignore         []string // directories that the search of the file system leaves out
	Off            Check    // checks that are switched off
}

// Check is a set of checks.
type Check uint16

// The checks, by OSSEC's names without check_.
const (
	Dev Check = 1 << iota
	FilesCheck
	Interfaces
	Processes
	Ports
	System
	TrojansCheck
	UnixAudit
	WinApps
	WinAudit
	WinMalware
)
