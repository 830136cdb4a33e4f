package codec

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/yagura-hids/yagura/internal/event"
)

// subscription is what a subscription of CloudWatch Logs sends.
type subscription struct {
	MessageType string    `json:"messageType"`
	Owner       string    `json:"owner"` // the account, 12 digits
	LogGroup    string    `json:"logGroup"`
	LogStream   string    `json:"logStream"`
	LogEvents   logEvents `json:"logEvents"`
}

type logEvents []struct {
	Timestamp int64  `json:"timestamp"` // ms since 1970
	Message   string `json:"message"`
}

// UnmarshalJSON reads no more events than a record may have: millions of empty ones fit into a small payload.
func (l *logEvents) UnmarshalJSON(text []byte) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	if begin, err := dec.Token(); err != nil || begin != json.Delim('[') {
		return errors.New("logEvents is no list")
	}
	for i := 0; dec.More(); i++ {
		if err := checkNumber(i + 1); err != nil {
			return err
		}
		*l = append(*l, logEvents{{}}...)
		if err := dec.Decode(&(*l)[i]); err != nil {
			return fmt.Errorf("log event %d: %w", i, err)
		}
	}
	return nil
}

// cloudWatchEvents makes an event of each log event: its agent is the log group, its location "GROUP:STREAM".
func cloudWatchEvents(r Record) ([]*event.Event, error) {
	raw, err := gunzip(r.Data)
	if err != nil {
		return nil, err
	}
	var s subscription
	err = json.Unmarshal(raw, &s)
	switch {
	case errors.Is(err, ErrTooLarge):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w: %w", err, ErrDamaged)
	}
	switch s.MessageType {
	case "CONTROL_MESSAGE":
		return nil, nil
	case "DATA_MESSAGE":
		return s.events(r)
	}
	return nil, fmt.Errorf("messageType %.40q: want DATA_MESSAGE or CONTROL_MESSAGE: %w", s.MessageType, ErrUnknown)
}

func (s *subscription) events(r Record) ([]*event.Event, error) {
	num, err := number(r)
	if err != nil {
		return nil, err
	}
	if err := checkText(s.Owner); err != nil {
		return nil, fmt.Errorf("%w: owner: %w", ErrInvalid, err)
	}
	var agent *event.Agent
	if s.Owner != "" {
		agent = &event.Agent{Account: s.Owner}
	}
	var list []*event.Event
	for i, l := range s.LogEvents {
		text, cut := event.Clip(strings.TrimRight(l.Message, "\r\n"))
		ev, err := checked(&event.Event{
			ID: num.id(s.LogGroup, i), Time: time.UnixMilli(l.Timestamp).UTC(), Location: s.LogGroup + ":" + s.LogStream, Text: text, Cut: cut, Agent: agent,
		})
		if err != nil {
			return nil, fmt.Errorf("log event %d: %w", i, err)
		}
		list = append(list, ev)
	}
	return list, nil
}
