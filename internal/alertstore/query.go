package alertstore

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/yagura-hids/yagura/internal/table"
)

const (
	maxLimit = 1000

	maxQueries = 64  // of the table for one page
	maxGets    = 16  // for one page
	getSize    = 100 // alerts got at once: what DynamoDB gives in one request
	maxRules   = 4   // that are looked up in their index; of more, all alerts' rules are looked at
	firstRead  = 25  // entries asked of a slot at first; each further time twice as many
	maxRead    = 1000
)

// MaxRequests is how many requests one page costs at most.
const MaxRequests = maxQueries + maxGets

// DefaultLimit is the limit of a filter that names none.
const DefaultLimit = 100

// Query returns the next page of the alerts that f lists. A page costs MaxRequests at most, in which it looks at some 1,600 alerts, and at
// some 50,000 of other levels or rules: it may be short, or empty, and not the last. Alerts that come while pages are read, and are newer
// than the pages read, are not in the list; all others come once.
func Query(ctx context.Context, t table.Table, f Filter) (Page, error) {
	return QueryIn(ctx, t, Schema, f)
}

// QueryIn is Query for a table of a given schema, Schema or InFile.
func QueryIn(ctx context.Context, t table.Table, schema *table.Schema, f Filter) (Page, error) {
	after, err := readCursor(f.After)
	if err != nil {
		return Page{}, err
	}
	if f.Limit = min(f.Limit, maxLimit); f.Limit <= 0 {
		f.Limit = DefaultLimit
	}
	s := &search{Filter: f, table: t, merge: newMerge(t, schema, f, after), at: after}
	if err := s.run(ctx); err != nil {
		return Page{}, fmt.Errorf("list alerts: %w", err)
	}
	return s.page, nil
}

// cursor is a place in the list: after the alerts of these agents at at, and all that are newer. Events of several agents may have one place.
type cursor struct {
	at     string
	agents []string
}

// pass moves the cursor behind an entry.
func (c *cursor) pass(entry table.Fields) {
	if at := entry.String(fieldAt); at != c.at {
		*c = cursor{at: at}
	}
	c.agents = append(c.agents, entry.String(fieldAgent))
}

func (c *cursor) passed(entry table.Fields) bool {
	return entry.String(fieldAt) == c.at && slices.Contains(c.agents, entry.String(fieldAgent))
}

func (c *cursor) String() string {
	return base64.RawURLEncoding.EncodeToString([]byte(strings.Join(append([]string{c.at}, c.agents...), "\x00")))
}

func readCursor(text string) (c cursor, err error) {
	if text == "" {
		return cursor{}, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	parts := strings.Split(string(b), "\x00")
	at := parts[0]
	if err == nil && (len(at) < len(momentLayout) || len(at) >= table.MaxSort || !utf8.ValidString(at)) {
		err = ErrFilter
	}
	if err == nil {
		_, err = time.Parse(momentLayout, at[:len(momentLayout)])
	}
	if err != nil {
		return cursor{}, fmt.Errorf("%w after=%q: want the cursor of a page", ErrFilter, text)
	}
	return cursor{at, parts[1:]}, nil
}

// search is one Query.
type search struct {
	Filter
	table table.Table
	merge *merge
	at    cursor // behind what add has looked at
	page  Page
	gets  int
}

// errBudget ends a page that has cost what it may.
var errBudget = errors.New("enough for one page")

func (s *search) run(ctx context.Context) error {
	for spent := false; !spent; {
		list, err := s.candidates(ctx)
		if spent = errors.Is(err, errBudget); err != nil && !spent {
			return err
		}
		if full, err := s.add(ctx, list); full || err != nil || len(list) == 0 && !spent {
			return err
		}
		spent = spent || s.gets == maxGets
	}
	s.page.Next = s.merge.at.String()
	return nil
}

// candidates returns the next entries of alerts that may be wanted, as many as are to be got at once. With errBudget they are the last ones.
func (s *search) candidates(ctx context.Context) ([]table.Fields, error) {
	want := getSize
	if s.Group == "" && s.Host == "" && s.Text == "" { // all of them will be wanted
		want = min(want, s.Limit-len(s.page.Alerts))
	}
	var list []table.Fields
	for len(list) < want {
		entry, err := s.merge.next(ctx)
		if err != nil || entry == nil {
			return list, err
		}
		if s.mayWant(entry) {
			list = append(list, entry)
		}
	}
	return list, nil
}

// add gets the alerts of entries and adds the wanted ones to the page; it tells whether that is full.
func (s *search) add(ctx context.Context, entries []table.Fields) (full bool, err error) {
	items := entries
	if !s.merge.whole && len(entries) > 0 {
		s.gets++
		keys := make([]table.Key, len(entries))
		for i, entry := range entries {
			keys[i] = Schema.Key(entry)
		}
		if items, err = s.table.Get(ctx, Schema, keys); err != nil {
			return false, err
		}
	}
	for i, item := range items {
		s.at.pass(entries[i])
		if item == nil { // deleted meanwhile; the index didn't know yet
			continue
		}
		a, err := Read(item)
		if err != nil {
			return false, err
		}
		if !s.wants(a) {
			continue
		}
		if s.page.Alerts = append(s.page.Alerts, a); len(s.page.Alerts) == s.Limit {
			s.page.Next = s.at.String()
			return true, nil
		}
	}
	return false, nil
}

// merge reads several partitions as one list, the newest first.
type merge struct {
	table   table.Table
	whole   bool // entries are items, not an index's
	parts   []*part
	queries int
	at      cursor // behind the last entry that next has returned
}

// part is one partition as far as it's read.
type part struct {
	query   table.Query
	entries []table.Fields
	ended   bool
}

// newMerge chooses where to look for f: with the agent alone in the table, else in the index that has the fewest others.
func newMerge(t table.Table, schema *table.Schema, f Filter, after cursor) *merge {
	m := &merge{table: t, at: after}
	q := table.Query{Table: schema, Descending: true, Limit: firstRead}
	if after.at != "" {
		q.To = after.at + "\x00" // some at this place may be left
	}
	if !f.From.IsZero() {
		q.From = moment(f.From)
	}
	if to := moment(f.To); !f.To.IsZero() && (q.To == "" || to < q.To) {
		q.To = to
	}
	if f.Level > 0 || f.SrcIP != "" && schema.Index(bySource) == nil {
		q.Limit *= 8 // most will be passed over
	}
	add := func(index, key string) {
		q.Index, q.Partition = index, key
		m.parts = append(m.parts, &part{query: q})
	}
	if f.Agent != "" && f.SrcIP == "" && (len(f.Rules) == 0 || len(f.Rules) > maxRules) {
		m.whole = true
		add("", f.Agent)
		return m
	}
	for i := range slots {
		slot := strconv.Itoa(i)
		if f.Agent != "" && slot != slotOf(f.Agent) {
			continue
		}
		switch {
		case f.SrcIP != "" && schema.Index(bySource) != nil:
			add(bySource, slotKey(indexed(f.SrcIP), slot))
		case len(f.Rules) > 0 && len(f.Rules) <= maxRules && schema.Index(byRule) != nil:
			for _, rule := range slices.Compact(slices.Sorted(slices.Values(f.Rules))) {
				add(byRule, slotKey(strconv.Itoa(rule), slot))
			}
		default:
			add(byTime, slot)
		}
	}
	return m
}

// next returns the newest entry behind the cursor, nil if there is none.
func (m *merge) next(ctx context.Context) (table.Fields, error) {
	for {
		entry, err := m.newest(ctx)
		if err != nil || entry == nil {
			return nil, err
		}
		if !m.at.passed(entry) {
			m.at.pass(entry)
			return entry, nil
		}
	}
}

// newest takes the newest entry that is left, nil if none is.
func (m *merge) newest(ctx context.Context) (table.Fields, error) {
	if err := m.fill(ctx); err != nil {
		return nil, err
	}
	var newest *part
	for _, p := range m.parts {
		if len(p.entries) > 0 && (newest == nil || p.entries[0].String(fieldAt) > newest.entries[0].String(fieldAt)) {
			newest = p
		}
	}
	if newest == nil {
		return nil, nil
	}
	entry := newest.entries[0]
	newest.entries = newest.entries[1:]
	return entry, nil
}

// fill reads on where nothing is at hand, everywhere at once.
func (m *merge) fill(ctx context.Context) error {
	for {
		var empty []*part
		for _, p := range m.parts {
			if len(p.entries) == 0 && !p.ended {
				empty = append(empty, p)
			}
		}
		if len(empty) == 0 {
			return nil
		}
		if m.queries += len(empty); m.queries > maxQueries {
			return errBudget
		}
		errs := make([]error, len(empty))
		var group sync.WaitGroup
		for i, p := range empty {
			group.Go(func() { errs[i] = p.read(ctx, m.table) })
		}
		group.Wait()
		if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
			return errs[i] // the others say the same
		}
	}
}

func (p *part) read(ctx context.Context, t table.Table) error {
	page, err := t.Query(ctx, p.query)
	if err != nil {
		return err
	}
	p.entries, p.ended = page.Items, page.Next == ""
	p.query.After = page.Next
	p.query.Limit = min(2*p.query.Limit, maxRead)
	return nil
}
