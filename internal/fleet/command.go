package fleet

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/yagura-hids/yagura/internal/table"
)

// Command is something to be told to a host, once.
type Command struct {
	ID      string    // given by Send
	Agent   string    // the host's
	Text    string    // what is sent after "#!-": "syscheck restart", "execd restart-ossec0 null - (from_the_server) (no_rule_id)"; or one of the relay's own words: "clear syscheck", "clear rootcheck", "resend syscheck 17,200"
	Created time.Time // given by Send
	Expires time.Time // then it is not told any more; zero for CommandWaits after Created
	Told    time.Time // zero as long as it waits
	Relay   string    // who told it
}

const (
	// CommandWaits is how long a command waits for its host if nothing else is said.
	CommandWaits = time.Hour
	// MaxCommandWaits is how long it may wait at most.
	MaxCommandWaits = 24 * time.Hour
	// commandKept is how much longer it can be looked at.
	commandKept = 24 * time.Hour

	maxCommand = 900 // bytes of its text: a datagram to an agent has at most 1024
	clockSkew  = time.Hour
)

const partitionCommands = "commands"

func commandKey(id string) table.Key { return table.Key{Partition: partitionCommands, Sort: id} }

// commandID is how ids of commands begin: their order is that of time.
func commandID(at time.Time) string { return at.UTC().Format("20060102T150405.000000000Z") }

// Send leaves a command for a host, and returns it with its id.
func (s *Store) Send(ctx context.Context, c Command) (Command, error) {
	random := make([]byte, 8)
	if _, err := io.ReadFull(s.opts.Random, random); err != nil {
		return Command{}, fmt.Errorf("make a command's id: %w", err)
	}
	c.Created, c.Told, c.Relay = s.opts.Now().UTC(), time.Time{}, ""
	c.ID = commandID(c.Created) + "-" + hex.EncodeToString(random)
	if c.Expires.IsZero() {
		c.Expires = c.Created.Add(CommandWaits)
	}
	if err := c.validate(); err != nil {
		return Command{}, err
	}
	op := c.put()
	op.If = table.Condition{Absent: true}
	return c, s.table.Commit(ctx, []table.Op{op})
}

func (c *Command) validate() error {
	switch {
	case badAgent(c.Agent):
		return fmt.Errorf("a command for the host %.40q is %w: no host has that id", c.Agent, ErrInvalid)
	case c.Text == "" || len(c.Text) > maxCommand || !utf8.ValidString(c.Text):
		return fmt.Errorf("the command %.40q is %w: write 1 to %d bytes of UTF-8", c.Text, ErrInvalid, maxCommand)
	case c.Expires.After(c.Created.Add(MaxCommandWaits)):
		return fmt.Errorf("a command that waits for %v is %w: at most %v", c.Expires.Sub(c.Created), ErrInvalid, MaxCommandWaits)
	}
	return nil
}

// put returns the operation that stores the command. Its version is 1 as long as it waits, then 2.
func (c *Command) put() table.Op {
	item := table.Fields{
		"host": c.Agent, "text": c.Text, "created": formatTime(c.Created), "until": formatTime(c.Expires), fieldVersion: int64(1),
		fieldExpires: c.Expires.Add(commandKept).Unix(),
	}
	if !c.Told.IsZero() {
		item["told"], item["relay"], item[fieldVersion] = formatTime(c.Told), c.Relay, int64(2)
	}
	return table.Op{Table: Schema, Item: with(commandKey(c.ID), item), If: table.Condition{Field: fieldVersion, Equal: 1}}
}

func readCommand(item table.Fields) (c Command, err error) {
	c = Command{ID: item.String(fieldItem), Agent: item.String("host"), Text: item.String("text"), Relay: item.String("relay")}
	for field, t := range map[string]*time.Time{"created": &c.Created, "until": &c.Expires, "told": &c.Told} {
		if *t, err = readTime(item, field); err != nil {
			return Command{}, err
		}
	}
	return c, nil
}

// waits tells whether the command may be told at a time.
func (c *Command) waits(now time.Time) bool { return c.Told.IsZero() && c.Expires.After(now) }

// Waiting returns the commands that wait to be told, the oldest first.
func (s *Store) Waiting(ctx context.Context) ([]Command, error) {
	now := s.opts.Now()
	var waiting []Command
	from := commandID(now.Add(-MaxCommandWaits - clockSkew))
	for item, err := range s.items(ctx, table.Query{Table: Schema, Partition: partitionCommands, From: from}) {
		if err != nil {
			return nil, err
		}
		c, err := readCommand(item)
		if err != nil {
			return nil, err
		}
		if c.waits(now) {
			waiting = append(waiting, c)
		}
	}
	return waiting, nil
}

// Told claims a command for a relay: false if one has it already, or it has expired. Who gets true tells it to the host.
func (s *Store) Told(ctx context.Context, id, relay string) (bool, error) {
	c, err := s.Command(ctx, id)
	if err != nil {
		return false, err
	}
	now := s.opts.Now()
	if !c.waits(now) {
		return false, nil
	}
	c.Told, c.Relay = now.UTC(), relay
	if err = s.table.Commit(ctx, []table.Op{c.put()}); conflict(err) {
		return false, nil
	}
	return err == nil, err
}

// Command returns a command, to see whether it was told, for a day after it has expired.
func (s *Store) Command(ctx context.Context, id string) (Command, error) {
	if id != "" {
		items, err := s.table.Get(ctx, Schema, []table.Key{commandKey(id)})
		if err != nil {
			return Command{}, err
		}
		if items[0] != nil && !expired(items[0], s.opts.Now()) {
			return readCommand(items[0])
		}
	}
	return Command{}, fmt.Errorf("%w: no command %q", ErrUnknown, id)
}
