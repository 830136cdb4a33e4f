// Package alertstore keeps alerts in a table and finds them again, the newest first.
//
//	alerts   agent │ at                                                       │ id, level, rule, source, mail, alert (JSON), expires …
//	         web1  │ 2026-11-24T10:00:01.000000000Z#5f2c…#00000000000000000042 │
//	  by-time     slot 3               │ at     all alerts, each agent's in one of 8 slots, so that no key is hot
//	  by-rule     rule_slot 5716/3     │ at
//	  by-source   source_slot 192.0.2.1/3 │ at  only those with a source address
//
// An alert's key is its event's place, so to put it twice is to put it once. A query merges the slots. The indexes tell level, source and
// rule, so that only alerts are fetched that may be wanted.
package alertstore

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"time"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/table"
)

// Names of the table's fields.
const (
	fieldAgent      = "agent"
	fieldAt         = "at"
	fieldID         = "id"
	fieldLevel      = "level"
	fieldRule       = "rule"
	fieldSource     = "source"
	fieldMail       = "mail" // "yes" if the alert is marked for mail, else absent
	fieldSlot       = "slot"
	fieldRuleSlot   = "rule_slot"
	fieldSourceSlot = "source_slot"
	fieldAlert      = "alert"
	fieldExpires    = "expires"
)

const (
	byTime   = "by-time"
	byRule   = "by-rule"
	bySource = "by-source"
)

// Schema is the table's.
var Schema = &table.Schema{Name: "alerts", Partition: fieldAgent, Sort: fieldAt, Expires: fieldExpires, Indexes: []table.Index{
	{Name: byTime, Partition: fieldSlot, Sort: fieldAt, Projected: []string{fieldLevel, fieldRule}},
	{Name: byRule, Partition: fieldRuleSlot, Sort: fieldAt, Projected: []string{fieldLevel, fieldRule}},
	{Name: bySource, Partition: fieldSourceSlot, Sort: fieldAt, Projected: []string{fieldLevel, fieldRule}},
}}

// InFile is the same table as one machine keeps it, in a file: with one index, for each makes writing dearer, and a file is looked through
// quickly.
var InFile = &table.Schema{Name: "alerts", Partition: fieldAgent, Sort: fieldAt, Expires: fieldExpires, Indexes: []table.Index{
	{Name: byTime, Partition: fieldSlot, Sort: fieldAt, Projected: []string{fieldLevel, fieldRule, fieldSource}},
}}

// ErrAlert is returned when what is stored as an alert is none.
var ErrAlert = errors.New("not an alert of this program's")

// Put returns what stores an alert, as Fit returns it, unless it is stored already. It may be deleted from expires on; never if that is zero.
func Put(a *event.Alert, expires time.Time) (table.Op, error) { return PutIn(Schema, a, expires) }

// PutIn is Put for a table of a given schema, Schema or InFile.
func PutIn(schema *table.Schema, a *event.Alert, expires time.Time) (table.Op, error) {
	a = Fit(a)
	text, err := encode(a)
	if err != nil {
		return table.Op{}, fmt.Errorf("encode alert %s: %w", a.ID, err)
	}
	key, slot := Key(a), slotOf(a.Event.Agent)
	item := table.Fields{
		fieldAgent: key.Partition, fieldAt: key.Sort, fieldID: a.ID, fieldLevel: int64(a.Rule.Level), fieldRule: int64(a.Rule.ID),
		fieldSlot: slot, fieldAlert: text,
	}
	source := sourceOf(a)
	if source != "" {
		item[fieldSource] = source
	}
	if schema.Index(byRule) != nil {
		item[fieldRuleSlot] = slotKey(strconv.Itoa(a.Rule.ID), slot)
	}
	if source != "" && schema.Index(bySource) != nil {
		item[fieldSourceSlot] = slotKey(source, slot)
	}
	if a.Rule.Mail {
		item[fieldMail] = "yes"
	}
	if !expires.IsZero() {
		item[fieldExpires] = expires.Unix()
	}
	return table.Op{Table: schema, Item: item, If: table.Condition{Absent: true}}, nil
}

func encode(a *event.Alert) (string, error) {
	var b bytes.Buffer
	b.Grow(2 << 10)
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // people read it in the table
	if err := enc.Encode(a); err != nil {
		return "", err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// Read returns the alert that an item of the table holds.
func Read(item table.Fields) (*event.Alert, error) {
	a := &event.Alert{}
	if err := json.Unmarshal([]byte(item.String(fieldAlert)), a); err != nil {
		return nil, fmt.Errorf("alert of %s at %s: %w: %w", item.String(fieldAgent), item.String(fieldAt), ErrAlert, err)
	}
	return a, nil
}

// Key returns the alert's key in the table: its event's place. So an event has one verdict, the one that was stored first.
func Key(a *event.Alert) table.Key {
	at := a.Time.UTC().AppendFormat(make([]byte, 0, 96), momentLayout)
	at = appendPadded(append(at, '#'), strconv.FormatUint(a.Event.Epoch, 16), 16)
	at = appendPadded(append(at, '#'), strconv.FormatUint(a.Event.Seq, 10), 20)
	if a.Beside {
		at = strconv.AppendInt(append(at, '#'), int64(a.Rule.ID), 10)
	}
	return table.Key{Partition: a.Event.Agent, Sort: string(at)}
}

// appendPadded appends a number with zeros before it, width digits in all.
func appendPadded(text []byte, number string, width int) []byte {
	for range width - len(number) {
		text = append(text, '0')
	}
	return append(text, number...)
}

const momentLayout = "2006-01-02T15:04:05.000000000Z"

// moment writes a time so that the texts have the order of the times, and stand before every alert of that time.
func moment(t time.Time) string { return t.UTC().Format(momentLayout) }

const slots = 8

// slotOf returns the slot of an agent's alerts in the indexes.
func slotOf(agent string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(agent))
	return strconv.Itoa(int(h.Sum32() % slots))
}

func slotKey(value, slot string) string { return value + "/" + slot }

// maxSource bounds a source in the index. Longer ones are no addresses, but lines are written by strangers.
const maxSource = 256

// sourceOf returns the alert's source address as it is indexed.
func sourceOf(a *event.Alert) string { return indexed(a.Field(event.SrcIP.String())) }

func indexed(source string) string {
	source = strings.ToValidUTF8(source, "\uFFFD")
	if len(source) <= maxSource {
		return source
	}
	sum := sha256.Sum256([]byte(source))
	return "sha256:" + hex.EncodeToString(sum[:])
}
