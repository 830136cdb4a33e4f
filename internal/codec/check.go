package codec

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/yagura-hids/yagura/internal/event"
)

// CheckAgent tells what is wrong with an agent's id, if anything: it is 1 to MaxName bytes of UTF-8 without control characters.
// The error wraps ErrInvalid.
func CheckAgent(id string) error {
	if id == "" {
		return fmt.Errorf("%w: agent id: it is empty", ErrInvalid)
	}
	if err := checkText(id); err != nil {
		return fmt.Errorf("%w: agent id %.40q: %w", ErrInvalid, id, err)
	}
	return nil
}

// checkText tells what is wrong with a text that names something, which has at most MaxName bytes.
func checkText(s string) error {
	switch {
	case len(s) > MaxName:
		return fmt.Errorf("%d bytes, %d are allowed", len(s), MaxName)
	case !utf8.ValidString(s):
		return errors.New("it is no UTF-8")
	case strings.ContainsFunc(s, unicode.IsControl):
		return errors.New("a control character is in it")
	}
	return nil
}

// check holds a batch to all that is promised of one.
func check(b *event.Batch) error {
	if err := checkHead(b); err != nil {
		return err
	}
	if n := len(b.Events); n > MaxEvents {
		return fmt.Errorf("%d events, %d are allowed: %w", n, MaxEvents, ErrTooLarge)
	} else if n == 0 {
		return fmt.Errorf("%w: no events in it", ErrInvalid)
	}
	for i, ev := range b.Events {
		err := checkEvent(ev)
		switch {
		case err != nil:
		case ev.ID.Agent != b.AgentID || ev.ID.Epoch != b.Epoch:
			err = fmt.Errorf("%w: %s is of another agent or epoch than the batch (%s/%x)", ErrInvalid, ev.ID, b.AgentID, b.Epoch)
		case i > 0 && ev.ID.Seq <= b.Events[i-1].ID.Seq:
			err = fmt.Errorf("%w: number %d after %d: they must rise", ErrInvalid, ev.ID.Seq, b.Events[i-1].ID.Seq)
		}
		if err != nil {
			return fmt.Errorf("event %d: %w", i, err)
		}
	}
	return nil
}

func checkHead(b *event.Batch) error {
	if err := CheckAgent(b.AgentID); err != nil {
		return err
	}
	a := &b.Agent
	if len(a.Addresses) > MaxDetails || len(a.Labels) > MaxDetails {
		return fmt.Errorf("%d addresses and %d labels, %d of each are allowed: %w", len(a.Addresses), len(a.Labels), MaxDetails, ErrTooLarge)
	}
	list := append([]string{a.Name, a.OS, a.Instance, a.Image, a.Account, a.Profile, b.Version, b.Config}, a.Addresses...)
	for name, value := range a.Labels {
		list = append(list, name, value)
	}
	for _, s := range list {
		if err := checkText(s); err != nil {
			return fmt.Errorf("%w: what the agent tells of itself: %.40q: %w", ErrInvalid, s, err)
		}
	}
	if !b.Sent.IsZero() && !event.Plausible(b.Sent) {
		return fmt.Errorf("%w: sent at the time %s: want one from 1970 to 2200", ErrInvalid, b.Sent)
	}
	return nil
}

// checkEvent holds an event to what is promised of one by itself.
func checkEvent(ev *event.Event) error {
	_, zone := ev.Time.Zone()
	switch {
	case !event.Plausible(ev.Time):
		return fmt.Errorf("%w: time %s: want one from 1970 to 2200", ErrInvalid, ev.Time)
	case zone <= -maxZone || zone >= maxZone:
		return fmt.Errorf("%w: a zone %d s from UTC: want less than a day", ErrInvalid, zone)
	case ev.Kind > event.AgentState:
		return fmt.Errorf("%w: kind %d: want 0 to %d", ErrInvalid, ev.Kind, event.AgentState)
	case ev.Priority < 0 || ev.Priority > event.MaxPriority:
		return fmt.Errorf("%w: priority %d: want 0 to %d", ErrInvalid, ev.Priority, event.MaxPriority)
	case len(ev.Text) > event.MaxText:
		return fmt.Errorf("text of %d bytes, %d are allowed: %w", len(ev.Text), event.MaxText, ErrTooLarge)
	case len(ev.Location) > MaxLocation:
		return fmt.Errorf("location of %d bytes, %d are allowed: %w", len(ev.Location), MaxLocation, ErrTooLarge)
	case !utf8.ValidString(ev.Text) || !utf8.ValidString(ev.Location):
		return fmt.Errorf("%w: text or location is no UTF-8", ErrInvalid)
	}
	return nil
}

const maxZone = 24 * 60 * 60 // seconds from UTC
