// Package syscheck watches files: what was added, changed, deleted, moved.
package syscheck

import "time"

// Config is what the <syscheck> sections say. The zero value watches nothing.
type Config struct {
	Disabled       bool
	Directories    []Directory
	Registry       []Registry // Windows
	Ignore         []Match    // paths that are not looked at
	RegistryIgnore []Match    // registry keys
	NoDiff         []Match    // files whose contents must not be shown
	Schedule       Schedule
	SkipNFS        bool
	Prefilter      []string // program and arguments whose output is hashed in place of the file; its path is added. nil for none
	Packages       bool     // tell which changes are those of the host's package manager
	CPU            int      // percent of one core that a scan in the background may take; 0 for 10
	Rate           int64    // bytes a second that a scan in the background may read; 0 for 50 MB
}

// Schedule is when a whole scan is made.
type Schedule struct {
	Every   time.Duration // from the end of one to the start of the next; 0 for 12 hours
	At      time.Duration // since midnight, local time, at which a day's scan begins; negative if nothing is said
	Days    [7]bool       // days of the week on which one is made, Sunday first; none means every day
	OnStart bool
}

// Check is a set of what is compared of a file.
type Check uint16

// What can be compared.
const (
	Size Check = 1 << iota
	Permissions
	Owner
	Group
	MTime
	Inode
	MD5
	SHA1
	SHA256
)

// Directory is a directory, or a file, to watch.
type Directory struct {
	Path          string // may be a pattern (* ? [), looked up again at each scan
	Check         Check
	Realtime      bool
	WhoData       bool   // as Realtime, and tells who did it, where the kernel's audit log has it
	ReportChanges bool   // send what changed in text files
	Restrict      string // OSMatch pattern that a file's path must fit; "" for all
	Recursion     int    // levels of directories below; -1 for all, 0 for none
	FollowLinks   bool   // a symbolic link that is named as Path itself is followed
}

// Registry is a key of the Windows registry to watch, with all below it.
type Registry struct {
	Key  string // such as HKEY_LOCAL_MACHINE\Software\Policies
	Bits int    // 32 or 64: whose view of it

	ReportChanges bool // send which values changed, and how
}

// Match chooses paths: those that begin with Text, whatever its case, or with Pattern those in which OSSEC's sregex (OS_Match) finds it.
type Match struct {
	Text    string
	Pattern bool
}
