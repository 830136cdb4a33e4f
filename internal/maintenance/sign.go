package maintenance

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/fleet"
	"github.com/yagura-hids/yagura/internal/table"
)

const (
	signItem = "sign/"
	signTime = "20060102T150405.000Z"

	// MaxRun is how long a window is open of whose end no sign comes.
	MaxRun = 6 * time.Hour
	// SignsKept is how long signs are kept. They are many, and read by whoever wants to know what is open.
	SignsKept = 14 * 24 * time.Hour

	maxID = 128 // bytes of a run's and an instance's id
)

// What a sign says.
const (
	Begin   = "begin"   // the run has begun on the instance
	End     = "end"     // … and ended: hosts may have to be scanned yet, if it is known to have installed something
	Closed  = "closed"  // … and nothing has to be scanned
	Scan    = "scan"    // the run only looks what would be to do, and changes nothing, on all instances
	Install = "install" // the run changes something
)

// Sign is something that was heard of a run: a command of SSM, or an association.
type Sign struct {
	Run      string // its id
	Instance string // "" with Scan and Install
	What     string
	Time     time.Time
	Document string // what it runs, for people
	By       string // who runs it: "SSM Run Command"
}

func (s *Sign) validate() error {
	for _, id := range []string{s.Run, s.Instance} {
		if len(id) > maxID || strings.ContainsFunc(id, func(r rune) bool { return r == '/' || r < ' ' || r > '~' }) {
			return fmt.Errorf("the id %.40q is %w: want at most %d letters, digits, - . : and _", id, ErrInvalid, maxID)
		}
	}
	whole := s.What == Scan || s.What == Install
	switch {
	case !whole && s.What != Begin && s.What != End && s.What != Closed:
		return fmt.Errorf("a sign %.40q is %w", s.What, ErrInvalid)
	case s.Run == "" || (s.Instance == "") != whole:
		return fmt.Errorf("a sign %s of run %q and instance %q is %w: one is missing, or too many", s.What, s.Run, s.Instance, ErrInvalid)
	case !event.Plausible(s.Time):
		return fmt.Errorf("a sign of the year %d is %w", s.Time.Year(), ErrInvalid)
	}
	return validText(s.Document, s.By)
}

// Note stores a sign. To note it twice is to note it once, and none has to come before another.
func (s *Store) Note(ctx context.Context, sign Sign) error {
	if err := sign.validate(); err != nil {
		return err
	}
	at := sign.Time.UTC()
	return s.table.Commit(ctx, []table.Op{{Table: fleet.Schema, Item: table.Fields{
		fieldAgent:  partition,
		fieldItem:   signItem + strings.Join([]string{sign.Run, sign.Instance, at.Format(signTime), sign.What}, "/"),
		"document":  sign.Document,
		"by":        sign.By,
		fieldExpiry: at.Add(SignsKept).Unix(),
	}}})
}

func readSign(item table.Fields) (Sign, error) {
	parts := strings.Split(strings.TrimPrefix(item.String(fieldItem), signItem), "/")
	if len(parts) != 4 {
		return Sign{}, fmt.Errorf("a sign with %d parts is %w", len(parts), ErrInvalid)
	}
	at, err := time.Parse(signTime, parts[2])
	if err != nil {
		return Sign{}, err
	}
	s := Sign{Run: parts[0], Instance: parts[1], What: parts[3], Time: at, Document: item.String("document"), By: item.String("by")}
	return s, s.validate()
}

// signed returns the windows that signs, in the table's order, tell of.
func signed(signs []Sign) (windows []Window) {
	for i := 0; i < len(signs); {
		run := signs[i:]
		end := slices.IndexFunc(run, func(s Sign) bool { return s.Run != signs[i].Run })
		if end >= 0 {
			run = run[:end]
		}
		windows = append(windows, ofRun(run)...)
		i += len(run)
	}
	return windows
}

// ofRun returns the windows of one run: none if it is known to change nothing. They wait for scans only if it is known to install something: looks
// are taken daily, and a window that waits for a day's scan after each would never be shut.
func ofRun(signs []Sign) (windows []Window) {
	says := func(what string) bool { return slices.ContainsFunc(signs, func(s Sign) bool { return s.What == what }) }
	if says(Scan) {
		return nil
	}
	installs := says(Install)
	for _, s := range signs {
		var last *Window
		if n := len(windows); n > 0 && windows[n-1].Scope.Value == s.Instance {
			last = &windows[n-1]
		}
		switch open := last != nil && s.Time.Before(last.Until); {
		case s.What == Begin && !open:
			windows = append(windows, s.window(installs))
		case (s.What == End || s.What == Closed) && open:
			last.Until, last.Ended, last.EndedBy = s.Time, s.Time, s.By
			last.UntilScanned = last.UntilScanned && s.What == End
		case s.What == Closed && last != nil:
			last.UntilScanned = false
		}
	}
	return windows
}

// window returns the window that a sign begins.
func (s *Sign) window(untilScanned bool) Window {
	sum := sha256.Sum256([]byte(s.Run + "/" + s.Instance + "/" + s.Time.Format(signTime)))
	return Window{
		ID: "ssm-" + hex.EncodeToString(sum[:4]), Scope: Scope{Instance, s.Instance}, From: s.Time, Until: s.Time.Add(MaxRun), UntilScanned: untilScanned,
		Reason: s.Document, By: s.By, run: s.Run,
	}
}
