package fleet

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/yagura-hids/yagura/internal/table"
	"github.com/yagura-hids/yagura/internal/wire"
)

// Key is an agent's key and what goes with it.
type Key struct {
	wire.Key
	Many     bool       // several hosts may use it at a time, each an agent of its own. Always so with a network as its address
	MaxHosts int        // of these; 0 for DefaultHosts
	Group    string     // whose files its hosts are sent; "" for DefaultGroup
	Previous string     // the secret before the last rotation, taken until Until
	Until    time.Time  // see Secrets
	From     netip.Addr // where it was enrolled from; not valid if it wasn't
	Created  time.Time
	Removed  time.Time // zero if it is in force
}

const (
	// DefaultHosts is how many hosts may use a key of many.
	DefaultHosts = 1024
	// DefaultGroup is the group of a key that names none.
	DefaultGroup = "default"
)

// Secrets returns the secrets that are taken at a time, the newest first.
func (k *Key) Secrets(now time.Time) []string {
	if k.Previous != "" && now.Before(k.Until) {
		return []string{k.Secret, k.Previous}
	}
	return []string{k.Secret}
}

// firstEnrolled is where the ids begin that authd gives; manage_agents begins with 001.
const firstEnrolled = 1024

// Bounds, in characters.
const (
	minName   = 2
	maxName   = 128
	maxID     = 18 // digits: an int64
	maxSecret = 1024
)

// BadName says what is wrong with an agent's name, "" if nothing: OSSEC takes 2 to 128 of A-Z a-z 0-9 - _ and the full stop.
func BadName(name string) string {
	if len(name) < minName || len(name) > maxName {
		return fmt.Sprintf("it has %d characters; write %d to %d", len(name), minName, maxName)
	}
	for _, c := range name {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '-' && c != '_' && c != '.' {
			return fmt.Sprintf("%q is in it; write letters, digits, full stops, - and _", c)
		}
	}
	return ""
}

// validate tells all that is wrong with a key in force.
func (k *Key) validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if why := BadName(k.Name); why != "" {
		bad("its name: %s", why)
	}
	if id(k.ID) == 0 {
		bad("its id %q: write at most %d digits, more than 000, which is the server's", k.ID, maxID)
	}
	if k.Address == (wire.Address{}) {
		bad("it has no address: write one, a network, or any")
	}
	if k.Secret == "" || len(k.Secret) > maxSecret || strings.ContainsAny(k.Secret, "\r\n\x00") || !utf8.ValidString(k.Secret) {
		bad("its secret: write one line of at most %d characters", maxSecret)
	}
	if k.MaxHosts < 0 {
		bad("%d hosts at most: write a number from 1 on, or 0 for %d", k.MaxHosts, DefaultHosts)
	}
	if k.Group != "" && badGroup(k.Group) {
		bad("its group %q: write letters, digits, full stops, - and _", k.Group)
	}
	if len(errs) > 0 {
		return fmt.Errorf("agent %s (%s) is %w: %w", k.Name, k.ID, ErrInvalid, errors.Join(errs...))
	}
	return nil
}

func badGroup(group string) bool { return BadName("g"+group) != "" }

// id returns an id's number, 0 if it is none. 001 and 1 are two ids with one number.
func id(text string) int64 {
	if len(text) > maxID || strings.Trim(text, "0123456789") != "" {
		return 0
	}
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}

// padded writes a number so that texts are in the order of numbers.
func padded(n int64) string { return fmt.Sprintf("%0*d", maxID, n) }

const (
	partitionKeys  = "keys"
	partitionNames = "names"
)

// idKey is where the key of an id is.
func idKey(text string) table.Key {
	return table.Key{Partition: partitionKeys, Sort: padded(id(text)) + "/" + text}
}

// nameKey is where the id of a name is.
func nameKey(name string) table.Key { return table.Key{Partition: partitionNames, Sort: name} }

// put returns the operation that stores the key.
func (k *Key) put() table.Op {
	item := table.Fields{"id": k.ID, "name": k.Name, "address": k.Address.String(), "secret": k.Secret, "created": formatTime(k.Created)}
	from := ""
	if k.From.IsValid() {
		from = k.From.String()
	}
	for name, value := range map[string]string{
		"group": k.Group, "previous": k.Previous, "until": formatTime(k.Until), "from": from, "removed": formatTime(k.Removed),
	} {
		if value != "" {
			item[name] = value
		}
	}
	if k.Many {
		item["many"] = true
	}
	if k.MaxHosts != 0 {
		item["max_hosts"] = int64(k.MaxHosts)
	}
	return table.Op{Table: Schema, Item: with(idKey(k.ID), item)}
}

// putName returns the operation that gives a name to a key, or to none if id is "".
func putName(name, id string) table.Op {
	return table.Op{Table: Schema, Item: with(nameKey(name), table.Fields{"id": id})}
}

// readKey reads what put wrote.
func readKey(item table.Fields) (*Key, error) {
	many, _ := item["many"].(bool)
	k := &Key{
		Key:  wire.Key{ID: item.String("id"), Name: item.String("name"), Secret: item.String("secret")},
		Many: many, MaxHosts: int(item.Int("max_hosts")), Group: item.String("group"), Previous: item.String("previous"),
	}
	var errs [5]error
	k.Address, errs[0] = wire.ParseAddress(item.String("address"))
	k.Until, errs[1] = readTime(item, "until")
	k.Created, errs[2] = readTime(item, "created")
	k.Removed, errs[3] = readTime(item, "removed")
	if from := item.String("from"); from != "" {
		k.From, errs[4] = netip.ParseAddr(from)
	}
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("read key %s: %w", k.ID, err)
	}
	return k, nil
}

// many tells whether an address is a network's, whose key is one of many hosts.
func many(a wire.Address) bool {
	_, single := a.Single()
	return !a.Any() && !single && !strings.HasPrefix(a.String(), "!")
}
