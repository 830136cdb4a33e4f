// Package prevalence knows which hosts of a profile have a file in the same state, and which files a version of a package brings.
//
//	See(profile, host, path, sum)        ─► 12 of 50 hosts have it so
//	Brings(package, version, path, sum)  ─► the first host to say so is believed; who says otherwise later is not
//
// It is kept in the table of the fleet. A View is one run's view of it, as statestore.State is of the engine's memory: its owner commits what was
// seen, on the condition that nobody has changed it meanwhile. To see a thing twice is to see it once.
package prevalence

import (
	"context"
	"time"

	"github.com/yagura-hids/yagura/internal/table"
)

// Options are a View's surroundings.
type Options struct {
	Now func() time.Time
}

// View is what was seen, as the table has it and a run adds to it. It's not for concurrent use.
type View struct{}

// Count tells how common a thing is.
type Count struct {
	Hosts int // of the profile that were seen lately, this one among them
	Same  int // of them that have the path in this state, this one among them
}

// New returns a view. ctx ends its reading.
func New(ctx context.Context, t table.Table, o Options) *View { return &View{} }

// See notes that a host of a profile has a path in a state (sum names it; one per host and path: a later one replaces it), and counts.
func (v *View) See(profile, host, path, sum string, at time.Time) (Count, error) {
	return Count{1, 1}, nil
}

// Mark notes that a host of a profile is at work, for the count of its hosts. Whoever hears of a host's scans calls it: a host whose files don't change is
// one of the profile, too. Nothing is written if that is known of the last three days.
func (v *View) Mark(profile, host string) error { return nil }

// Told is what other hosts told of a file of a package's version, before this one did. At most witnesses of each content are remembered.
type Told struct {
	Same  int    // hosts that told the same content, at most 3
	Other int    // that told the other content that most told, at most 3
	First string // the first of those
	Full  bool   // nothing is known, and there is no room to note it: more files than a package's versions have
}

// Disbelieved says why a host isn't believed that a file is the package's, "" if it is.
func (t Told) Disbelieved() string { return "" }

// Brings notes what a package's version (name, architecture, version, and the system that it is for, in one text) has at a path, as a host tells, and
// returns what others told.
func (v *View) Brings(host, pkg, path, sum string) (Told, error) { return Told{}, nil }

// Changed returns how many operations Ops returns.
func (v *View) Changed() int { return 0 }

// Ops returns what is to be committed since the last Committed.
func (v *View) Ops() ([]table.Op, error) { return nil, nil }

// Committed tells that what Ops returned is stored.
func (v *View) Committed() {}

// Forget drops everything read and seen, so that it is read anew.
func (v *View) Forget() {}
