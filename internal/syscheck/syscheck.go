// Package syscheck holds the words of file integrity that host and server share: the record of a file, what changed, and in which bucket
// it is counted.
//
//	file ─► Record ─┬─ Change (added, modified, deleted, moved; before and after) ─► an event's text, JSON
//	                └─ Bucket (by its path) ─► Digest: equal on host and server if both know the same records
package syscheck

import (
	"encoding/json"
	"fmt"
	"time"
)

// Record is what is known of a file, or of a key of the Windows registry. What is not compared is left zero.
type Record struct {
	Size   int64     `json:"size,omitempty"`
	Mode   uint32    `json:"mode,omitempty"` // st_mode, with the bits of its type
	UID    string    `json:"uid,omitempty"`  // a number, or a SID
	GID    string    `json:"gid,omitempty"`
	User   string    `json:"user,omitempty"`  // the owner's name on the host
	Group  string    `json:"group,omitempty"` // …
	MTime  time.Time `json:"mtime,omitzero"`
	Inode  uint64    `json:"inode,omitempty"`
	MD5    string    `json:"md5,omitempty"` // hexadecimal
	SHA1   string    `json:"sha1,omitempty"`
	SHA256 string    `json:"sha256,omitempty"`
	Link   string    `json:"link,omitempty"` // where a symbolic link points to
}

// What happened to a file. To follow an agent: From, if there is one, is gone; Path is gone after Deleted and Unwatched, and otherwise has the
// record After.
const (
	Baseline = "baseline" // nothing: it was there when it was first looked at, or is told again on request
	Added    = "added"
	Modified = "modified"
	Deleted  = "deleted"
	Moved    = "moved"
	// Unwatched: nothing, the file is still there; but the agent's configuration no longer speaks of it.
	Unwatched = "unwatched"
	// Packages: the package manager has done its work: Packages tells what, and how many of the changes told before were its own.
	Packages = "packages"
)

// What the server makes of messages: see package baseline. No agent sends them.
const (
	Readded      = "re-added"     // an added file that was there before, and was deleted
	Disagreement = "disagreement" // the agent's digests aren't those of the server's baseline
	Scanned      = "scanned"      // the first scan of a host came to its end, and its image is known
)

// Change is one difference, as a host tells it. It is the text of an event of kind Syscheck.
type Change struct {
	Type   string  `json:"type"`
	Path   string  `json:"path"`             // see [Escape]
	From   string  `json:"from,omitempty"`   // of a moved file: its path before; of a modified one: that of the file that was moved over it
	Before *Record `json:"before,omitempty"` // of what was there
	After  *Record `json:"after,omitempty"`  // of what is there
	Diff   string  `json:"diff,omitempty"`   // what changed in a text file
	Who    *Who    `json:"who,omitempty"`    // who did it, if the kernel's audit log tells
	Live   bool    `json:"live,omitempty"`   // noticed as it happened, not by a scan

	Package  *Package  `json:"package,omitempty"`  // whose file it is, if the host's package manager says that it made just this change
	Packages []Package `json:"packages,omitempty"` // with the type Packages
	More     int       `json:"more,omitempty"`     // so many packages more than Packages has room for
	Notes    *Notes    `json:"notes,omitempty"`    // the server's; what an agent sends here is dropped
}

// Package is a package that was installed, upgraded or removed on a host.
type Package struct {
	Manager     string    `json:"manager"` // dpkg or rpm
	Name        string    `json:"name"`
	Arch        string    `json:"arch,omitempty"`
	From        string    `json:"from,omitempty"`  // its version before, "" if it is new
	To          string    `json:"to,omitempty"`    // its version now, "" if it is gone
	Transaction string    `json:"transaction"`     // names the run of the manager, the same for all packages of a run
	Time        time.Time `json:"time,omitzero"`   // when the manager did it, by its own log
	Files       int       `json:"files,omitempty"` // in Packages: how many changes were told with it as their Package
}

// Notes are what the server knows of a change beside what the agent says. Rules see them as fields, see [Change.Fields].
type Notes struct {
	Changes     int      `json:"changes,omitempty"`     // the how manieth change of the file it is, from 1 on
	Privileged  string   `json:"privileged,omitempty"`  // why the file is more than data, before or after: "set-user-id", "set-group-id", "executable"; "" if it isn't
	Maintenance string   `json:"maintenance,omitempty"` // the open maintenance window: its id
	Profile     string   `json:"profile,omitempty"`     // whose hosts are counted: "default" if the agent has none
	Hosts       int      `json:"hosts,omitempty"`       // of the profile, itself among them
	Same        int      `json:"same,omitempty"`        // those that have the file in the same state now, itself among them
	Folded      bool     `json:"folded,omitempty"`      // the package's own work, to be told with its transaction
	Disbelieved string   `json:"disbelieved,omitempty"` // why the package that the agent names is not believed
	Image       string   `json:"image,omitempty"`       // the image that the file differs from, in a host's first scan
	Cache       bool     `json:"cache,omitempty"`       // the agent's own cache did not have what the server knows: Before is the server's
	Buckets     []int    `json:"buckets,omitempty"`     // of Disagreement
	Missing     []string `json:"missing,omitempty"`     // … files that the server knows and the agent, asked, does not; at most 100
	Gone        int      `json:"gone,omitempty"`        // … how many those are
	Files       int      `json:"files,omitempty"`       // of Scanned: how many there are
	Differ      []string `json:"differ,omitempty"`      // … those that aren't as in the image, at most 100
	Differing   int      `json:"differing,omitempty"`   // … how many those are
}

// Who is who changed a file.
type Who struct {
	User    string `json:"user,omitempty"`  // that the process runs as
	Login   string `json:"login,omitempty"` // that logged in, whatever it became later
	Process string `json:"process,omitempty"`
	PID     int    `json:"pid,omitempty"`
	PPID    int    `json:"ppid,omitempty"`
}

// Parse reads the text of an event of kind Syscheck.
func Parse(text string) (Change, error) {
	var c Change
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return Change{}, fmt.Errorf("integrity message: %w", err)
	}
	return c, nil
}

// String returns the change as an event's text.
func (c Change) String() string {
	b, err := json.Marshal(c)
	if err != nil {
		return "" // no value of these types fails
	}
	return string(b)
}
