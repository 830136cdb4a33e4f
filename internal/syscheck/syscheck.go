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
