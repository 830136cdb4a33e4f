package rootcheck

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/yagura-hids/yagura/agent/spool"
	"github.com/yagura-hids/yagura/internal/event"
)

// The bucket rootcheck in the spool's file holds "ended", the time at which the last whole check ended, and the bucket known: a finding's
// text, and a known as JSON.
var (
	bucketOwn   = []byte("rootcheck")
	bucketKnown = []byte("known")
	keyEnded    = []byte("ended")
)

// forgetAfter is how many whole checks without a finding let it be forgotten.
const forgetAfter = 2

// known is what is remembered of a finding.
type known struct {
	First  time.Time `json:"first"`
	Last   time.Time `json:"last"`
	Missed int       `json:"missed,omitempty"` // whole checks since Last
}

// memory is what one check changes in the spool.
type memory struct {
	spool *spool.Spool
	now   func() time.Time
	seen  map[string]bool // the findings of this check
}

// tell keeps an event for each text; of findings for those only that are not known, and makes them known.
func (m *memory) tell(ctx context.Context, list []string, findings bool) error {
	now := m.now()
	fresh := list
	if findings {
		var err error
		if fresh, err = m.unknown(list); err != nil {
			return err
		}
	}
	var events []*event.Event
	for _, text := range fresh {
		events = append(events, &event.Event{Time: now, Kind: event.Rootcheck, Location: "rootcheck", Text: text})
	}
	return m.spool.Keep(ctx, events, func(tx *bolt.Tx) error {
		if !findings {
			return nil
		}
		return m.remember(tx, list, now)
	})
}

// unknown returns the texts that are not known. Nobody else writes the bucket, so this still holds when they are kept.
func (m *memory) unknown(list []string) (fresh []string, err error) {
	err = m.spool.View(func(tx *bolt.Tx) error {
		own := tx.Bucket(bucketOwn)
		for _, text := range list {
			m.seen[text] = true
			if own == nil || own.Bucket(bucketKnown).Get(key(text)) == nil {
				fresh = append(fresh, text)
			}
		}
		return nil
	})
	return fresh, err
}

// key is a text as a key, which bbolt wants to be no longer.
func key(text string) []byte { return []byte(text[:min(len(text), bolt.MaxKeySize)]) }

func (m *memory) remember(tx *bolt.Tx, list []string, now time.Time) error {
	_, b, err := buckets(tx)
	if err != nil {
		return err
	}
	for _, text := range list {
		k := known{First: now}
		if data := b.Get(key(text)); data != nil {
			if err := json.Unmarshal(data, &k); err != nil {
				return fmt.Errorf("what is known of %q: %w", text, err)
			}
		}
		k.Last, k.Missed = now, 0
		if err := put(b, key(text), k); err != nil {
			return err
		}
	}
	return nil
}

func buckets(tx *bolt.Tx) (own, list *bolt.Bucket, err error) {
	if own, err = tx.CreateBucketIfNotExists(bucketOwn); err != nil {
		return nil, nil, err
	}
	list, err = own.CreateBucketIfNotExists(bucketKnown)
	return own, list, err
}

func put(b *bolt.Bucket, key []byte, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return b.Put(key, data)
}

// end keeps the event that ends a check, forgets what is gone, and returns how many findings are known.
func (m *memory) end(ctx context.Context) (count int, err error) {
	now := m.now()
	events := []*event.Event{{Time: now, Kind: event.Rootcheck, Location: "rootcheck", Text: "Ending rootcheck scan."}}
	err = m.spool.Keep(ctx, events, func(tx *bolt.Tx) error {
		own, list, err := buckets(tx)
		if err != nil {
			return err
		}
		if count, err = m.forget(list); err != nil {
			return err
		}
		return put(own, keyEnded, now)
	})
	return count, err
}

func (m *memory) forget(list *bolt.Bucket) (count int, err error) {
	missed := map[string]known{}
	seen := map[string]bool{}
	for text := range m.seen {
		seen[string(key(text))] = true
	}
	err = list.ForEach(func(key, data []byte) error {
		count++
		if seen[string(key)] {
			return nil
		}
		var k known
		err := json.Unmarshal(data, &k)
		k.Missed++
		missed[string(key)] = k
		return err
	})
	for text, k := range missed {
		if err != nil {
			break
		}
		if k.Missed < forgetAfter {
			err = put(list, []byte(text), k)
			continue
		}
		count--
		err = list.Delete([]byte(text))
	}
	return count, err
}

// due returns how long to wait for the next check, and notes what it read for Stats.
func (r *Rootcheck) due() (wait time.Duration, err error) {
	var ended time.Time
	count := 0
	err = r.opts.Spool.View(func(tx *bolt.Tx) error {
		own := tx.Bucket(bucketOwn)
		if own == nil {
			return nil
		}
		count = own.Bucket(bucketKnown).Stats().KeyN
		if data := own.Get(keyEnded); data != nil {
			return json.Unmarshal(data, &ended)
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("rootcheck: what the spool remembers: %w", err)
	}
	now := r.opts.Now()
	if !ended.IsZero() {
		wait = max(0, min(r.conf.Every, ended.Add(r.conf.Every).Sub(now))) // no longer, though the clock was set back
	}
	r.update(func(st *Stats) { st.Ended, st.Next, st.Known = ended, now.Add(wait), count })
	return wait, nil
}
