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

// Brings notes what a package's version (name, architecture and version in one text) has at a path. It returns the sum that was noted first, by whichever host.
func (v *View) Brings(pkg, path, sum string) (first string, err error) { return sum, nil }

// Changed returns how many operations Ops returns.
func (v *View) Changed() int { return 0 }

// Ops returns what is to be committed since the last Committed.
func (v *View) Ops() ([]table.Op, error) { return nil, nil }

// Committed tells that what Ops returned is stored.
func (v *View) Committed() {}

// Forget drops everything read and seen, so that it is read anew.
func (v *View) Forget() {}
