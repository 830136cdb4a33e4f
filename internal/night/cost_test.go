package night_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/internal/alertstore"
	"github.com/yagura-hids/yagura/internal/cost"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/fleet"
	"github.com/yagura-hids/yagura/internal/night"
	"github.com/yagura-hids/yagura/internal/syscheck"
	"github.com/yagura-hids/yagura/internal/table"
)

// units are DynamoDB's.
type units struct{ writes, reads int }

func (u units) usd() float64 {
	return (float64(u.writes)*cost.Known.WriteMillion + float64(u.reads)*cost.Known.ReadMillion) / 1e6
}

func (u units) String() string {
	return fmt.Sprintf("%7d write units, %6d read units, %.6f USD", u.writes, u.reads, u.usd())
}

// counted counts what a table's requests would cost in DynamoDB, by table, and in the fleet's by what they are for: "fleet baseline". Indexes are left out.
type counted struct {
	table.Table
	of map[string]*units
}

func (c *counted) units(s *table.Schema, partition string) *units {
	name := s.Name
	if s == fleet.Schema {
		what, _, _ := strings.Cut(partition, "/")
		name += " " + what
	}
	if c.of[name] == nil {
		c.of[name] = new(units)
	}
	return c.of[name]
}

func parts(bytes, unit int) int { return max(1, (bytes+unit-1)/unit) }

// Commit counts a write unit for each KiB that is begun of an item, twice in a transaction; a check is one, too.
func (c *counted) Commit(ctx context.Context, ops []table.Op) error {
	for _, op := range ops {
		n := parts(table.Size(op.Item), 1<<10)
		if len(ops) > 1 || op.Check {
			n *= 2
		}
		c.units(op.Table, op.Table.Key(op.Item).Partition).writes += n
	}
	return c.Table.Commit(ctx, ops)
}

// Get counts a read unit for each 4 KiB that are begun of an item, and for one that isn't there.
func (c *counted) Get(ctx context.Context, s *table.Schema, keys []table.Key) ([]table.Fields, error) {
	items, err := c.Table.Get(ctx, s, keys)
	for i, item := range items {
		c.units(s, keys[i].Partition).reads += parts(table.Size(item), 4<<10)
	}
	return items, err
}

// Query counts a read unit for each 4 KiB that are begun of a page.
func (c *counted) Query(ctx context.Context, q table.Query) (table.Page, error) {
	page, err := c.Table.Query(ctx, q)
	size := 0
	for _, item := range page.Items {
		size += table.Size(item)
	}
	c.units(q.Table, q.Partition).reads += parts(size, 4<<10)
	return page, err
}

// take returns what was counted since the last time.
func (c *counted) take() map[string]units {
	all := map[string]units{}
	for name, u := range c.of {
		all[name] = *u
	}
	clear(c.of)
	return all
}

// many makes a host's first scan one of so many files.
func many(r *night.Recording, files int) *night.Recording {
	big := new(night.Recording)
	for i := 0; len(big.First) < files; i++ {
		f := r.First[i%len(r.First)]
		if copied := i / len(r.First); copied > 0 {
			f.Path = fmt.Sprintf("/srv/%d%s", copied, f.Path)
			f.Record.SHA256 = sum(f.Path, f.Record.SHA256)
		}
		big.First = append(big.First, f)
	}
	return big
}

// A day's changes of a host, most of them as they happen, the others found by a scan: 40 files change again and again, each of the others once.
const (
	dayLive, dayScanned = 120, 80
	dayOften            = 40
)

func (h *host) day(at time.Time) (singles [][]*event.Event, scan []*event.Event) {
	r := rand.New(rand.NewPCG(1, 2))
	change := func(path string, n int, at time.Time) *event.Event {
		return h.event(at, h.apply(edit{path: path, make: trojan(fmt.Sprint("day ", n))}).String())
	}
	for i := range dayLive {
		singles = append(singles, []*event.Event{change(h.order[r.IntN(dayOften)], i, at.Add(time.Duration(i)*10*time.Minute))})
	}
	for i := range dayScanned {
		scan = append(scan, change(h.order[dayOften+r.IntN(len(h.order)-dayOften)], 1000+i, at.Add(20*time.Hour+time.Duration(i)*time.Second)))
	}
	return singles, append(scan, h.digests(at.Add(22*time.Hour)))
}

// spread gives events times of a scan that takes so long.
func spread(list []*event.Event, takes time.Duration) []*event.Event {
	for i, ev := range list {
		ev.Time = ev.Time.Add(takes * time.Duration(i) / time.Duration(len(list)))
	}
	return list
}

// scanTakes is how long a first scan of 50,000 files may take in the background.
const scanTakes = 15 * time.Minute

func TestCost(t *testing.T) {
	files := 50_000
	if !*full {
		files = 2_000
	}
	r := many(read(t, "wide"), files)
	ours, plain := ourCost(t, r), plainCost(t, r)
	for _, step := range []string{scanAlone, scanImage, aDay, aScan} {
		t.Logf("%d files, %s", files, step)
		for _, of := range []map[string]units{ours[step], plain[step]} {
			for _, name := range slices.Sorted(maps.Keys(of)) {
				t.Logf("  %-20s %v", name, of[name])
			}
		}
		if got, most := ours[step]["fleet baseline"].usd(), plain[step][perFile.Name].usd(); got > most {
			t.Errorf("%d files, %s: the baseline costs %f USD, an item for each file %f", files, step, got, most)
		}
	}
}

// The steps that are counted.
const (
	scanAlone = "first scan, without an image"
	scanImage = "first scan, as in a known image"
	aDay      = "a day of 200 changes"
	aScan     = "a scan that found nothing: digests"
)

func ourCost(t *testing.T, r *night.Recording) map[string]map[string]units {
	t.Helper()
	s, got := newServer(t), map[string]map[string]units{}
	c := &counted{s.tab, map[string]*units{}}
	s.tab = c
	image := event.Agent{Image: "ami-0000000000000001a"}
	alone, first, second := newHost("alone", event.Agent{}, evening, r), newHost("first", image, evening, r), newHost("second", image, evening, r)
	s.stream(spread(alone.firstScan(evening), scanTakes))
	got[scanAlone] = c.take()
	s.stream(spread(first.firstScan(evening), scanTakes))
	c.take()
	s.stream(spread(second.firstScan(evening), scanTakes))
	got[scanImage] = c.take()
	singles, scan := alone.day(evening.Add(24 * time.Hour))
	for _, list := range append(singles, scan) {
		s.stream(list)
	}
	got[aDay] = c.take()
	s.stream([]*event.Event{alone.digests(evening.Add(48 * time.Hour))})
	got[aScan] = c.take()
	return got
}

// perFile is the simplest store: an item for each file.
var perFile = &table.Schema{Name: "files", Partition: "agent", Sort: "path"}

// plainCost is what the simplest store takes for the same: a put for each file of a first scan; of a change, a look at what is known and a
// put in one transaction with the alert; for digests, a look at everything.
func plainCost(t *testing.T, r *night.Recording) map[string]map[string]units {
	t.Helper()
	c, got := &counted{openTable(t), map[string]*units{}}, map[string]map[string]units{}
	h := newHost("alone", event.Agent{}, evening, r)
	for _, ev := range h.firstScan(evening) {
		storeFile(t, c, ev, nil)
	}
	got[scanAlone] = c.take()
	got[scanImage] = got[scanAlone] // it knows no images
	singles, scan := h.day(evening.Add(24 * time.Hour))
	for _, ev := range append(slices.Concat(singles...), scan[:len(scan)-1]...) {
		storeFile(t, c, ev, event.NewAlert(&event.Decoded{Event: ev}, event.Rule{ID: 550, Level: 7}))
	}
	got[aDay] = c.take()
	for q := (table.Query{Table: perFile, Partition: h.id}); ; {
		page, err := c.Query(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if q.After = page.Next; page.Next == "" {
			break
		}
	}
	got[aScan] = c.take()
	return got
}

func storeFile(t *testing.T, tab table.Table, ev *event.Event, alert *event.Alert) {
	t.Helper()
	change, err := syscheck.Parse(ev.Text)
	if err != nil {
		t.Fatal(err)
	}
	if change.Type == syscheck.DigestsType {
		return
	}
	record, err := json.Marshal(change.After)
	if err != nil {
		t.Fatal(err)
	}
	key := table.Key{Partition: ev.ID.Agent, Sort: change.Path}
	ops := []table.Op{{Table: perFile, Item: table.Fields{perFile.Partition: key.Partition, perFile.Sort: key.Sort, "record": record, "seq": int64(ev.ID.Seq)}}}
	if alert != nil {
		put, err := alertstore.Put(alert, time.Time{})
		_, err2 := tab.Get(t.Context(), perFile, []table.Key{key})
		if err := cmp.Or(err, err2); err != nil {
			t.Fatal(err)
		}
		ops = append(ops, put)
	}
	if err := tab.Commit(t.Context(), ops); err != nil {
		t.Fatal(err)
	}
}
