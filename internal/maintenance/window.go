package maintenance

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/table"
)

const (
	// ScannedWithin bounds how long a window waits for a host's scan after its end: a daily scan, and two hours for it to be late and to last.
	ScannedWithin = 26 * time.Hour
	// MaxLength is how long a window may be. What is to be quiet for longer is no maintenance, and has rules.
	MaxLength = 31 * 24 * time.Hour
	// Kept is how long a window is kept after its end.
	Kept = 35 * 24 * time.Hour

	maxText = 500 // bytes of a reason, or of who began it
)

// Errors that the store's functions wrap.
var (
	// ErrUnknown is returned for an id that no window and no schedule has.
	ErrUnknown = errors.New("no such window")
	// ErrOver is returned for one that has ended.
	ErrOver = errors.New("is over")
	// ErrInvalid is returned for what nobody may store.
	ErrInvalid = errors.New("not valid")
)

// The kinds of scopes.
const (
	All      = "all"
	Agent    = "agent"    // Value is its id, or that of a key of many: then all hosts under it
	Profile  = "profile"  // "default" is that of agents that name none
	Tag      = "tag"      // KEY=VALUE, a label of the agent
	Instance = "instance" // an id of EC2
)

// Scope is the hosts that a window is for.
type Scope struct{ Kind, Value string }

// String returns "all", or kind and value: "profile web", "tag role=db". JSON has it in this form, too.
func (s Scope) String() string { return strings.TrimSuffix(s.Kind+" "+s.Value, " ") }

// MarshalText returns String's form.
func (s Scope) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads String's form.
func (s *Scope) UnmarshalText(text []byte) error {
	s.Kind, s.Value, _ = strings.Cut(string(text), " ")
	return s.validate()
}

func (s Scope) validate() error {
	key, value, tag := strings.Cut(s.Value, "=")
	switch {
	case len(s.Value) > maxText || !utf8.ValidString(s.Value):
		return fmt.Errorf("the scope %.40q is %w: write at most %d bytes of UTF-8", s, ErrInvalid, maxText)
	case s.Kind == All && s.Value == "", s.Kind == Tag && tag && key != "" && value != "":
		return nil
	case s.Kind == Tag:
		return fmt.Errorf("the tag %q is %w: write KEY=VALUE", s.Value, ErrInvalid)
	case (s.Kind == Agent || s.Kind == Profile || s.Kind == Instance) && s.Value != "":
		return nil
	}
	return fmt.Errorf("the scope %q is %w: want all, agent ID, profile NAME, tag KEY=VALUE or instance ID", s, ErrInvalid)
}

// scopes returns all that an agent is in.
func scopes(id string, a *event.Agent) []Scope {
	list := []Scope{{Kind: All}, {Agent, id}}
	if key, _, many := strings.Cut(id, "/"); many {
		list = append(list, Scope{Agent, key})
	}
	if a == nil {
		return append(list, Scope{Profile, "default"})
	}
	profile := a.Profile
	if profile == "" {
		profile = "default"
	}
	list = append(list, Scope{Profile, profile})
	if a.Instance != "" {
		list = append(list, Scope{Instance, a.Instance})
	}
	for key, value := range a.Labels {
		list = append(list, Scope{Tag, key + "=" + value})
	}
	return list
}

// Window is a time in which changes are expected on some hosts: From ≤ t < Until.
type Window struct {
	ID           string    `json:"id"` // given by Begin
	Scope        Scope     `json:"scope"`
	From         time.Time `json:"from"` // given by Begin
	Until        time.Time `json:"until"`
	UntilScanned bool      `json:"until_scanned,omitempty"` // on each host it lasts until the first scan that ends after Until, at most ScannedWithin
	Reason       string    `json:"reason,omitempty"`
	By           string    `json:"by,omitempty"`       // who began it: "ada@web1", "SSM Run Command"
	Ended        time.Time `json:"ended,omitzero"`     // when it was ended before its time, or told to be over
	EndedBy      string    `json:"ended_by,omitempty"` // by whom

	run string // the run of SSM whose signs tell of it
}

// open tells whether the window is open at a time for a host of its scope.
func (w *Window) open(at, scanned time.Time) bool {
	return !at.Before(w.From) && open(w.Until, w.UntilScanned, at, scanned)
}

// open tells whether what lasts until a time, or then until a host's scan, still does.
func open(until time.Time, untilScanned bool, at, scanned time.Time) bool {
	return at.Before(until) || untilScanned && scanned.Before(until) && at.Before(until.Add(ScannedWithin))
}

// Last is when the window has ended on every host.
func (w *Window) Last() time.Time {
	if w.UntilScanned {
		return w.Until.Add(ScannedWithin)
	}
	return w.Until
}

func (w *Window) validate() error {
	switch length := w.Until.Sub(w.From); {
	case length <= 0:
		return fmt.Errorf("a window until %s, which has begun at %s, is %w: let it end later", w.Until.Format(time.RFC3339), w.From.Format(time.RFC3339), ErrInvalid)
	case length > MaxLength:
		return fmt.Errorf("a window of %v is %w: at most %d days; what is to be quiet for longer is a rule's to say", length, ErrInvalid, MaxLength/(24*time.Hour))
	}
	if err := validText(w.Reason, w.By); err != nil {
		return err
	}
	return w.Scope.validate()
}

func validText(texts ...string) error {
	for _, text := range texts {
		if len(text) > maxText || !utf8.ValidString(text) {
			return fmt.Errorf("the text %.40q is %w: write at most %d bytes of UTF-8", text, ErrInvalid, maxText)
		}
	}
	return nil
}

// put returns the operation that stores the window in place of a version, 0 for none.
func (w *Window) put(version int64) table.Op {
	text, _ := json.Marshal(w) // no value of these types fails
	return put(windowItem+w.ID, "window", string(text), version, w.Last().Add(Kept))
}

func readWindow(item table.Fields) (Window, error) {
	var w Window
	err := json.Unmarshal([]byte(item.String("window")), &w)
	return w, err
}
