package tabletest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/yagura-hids/yagura/internal/table"
)

func numbered(n int) string { return fmt.Sprintf("%03d", n) }

func ranges(t *testing.T, tab table.Table) {
	var names []string
	for i := range 20 {
		names = append(names, numbered(2*i))
		put(t, tab, Things, with(thing("o", numbered(2*i)), table.Fields{"colour": "red"}), thing("o2", numbered(i)), thing("n", numbered(i)))
	}
	for _, bounds := range [][2]string{
		{"", ""}, {"010", ""}, {"011", ""}, {"", "010"}, {"", "011"}, {"010", "020"}, {"009", "021"}, {"010", "012"}, {"010", "010"}, {"020", "010"}, {"011", "012"}, {"9", ""}, {"", "0"},
		{"038", ""}, {"", "000"},
	} {
		var want []string
		for _, name := range names {
			if name >= bounds[0] && (bounds[1] == "" || name < bounds[1]) {
				want = append(want, name)
			}
		}
		for _, index := range []string{"", "by-colour"} {
			for _, limit := range []int{0, 1, 3, 100} {
				q := table.Query{Table: Things, Partition: "o", From: bounds[0], To: bounds[1], Limit: limit}
				if index != "" {
					q.Index, q.Partition = index, "red"
				}
				up := namesOf(all(t, tab, q))
				q.Descending = true
				down := namesOf(all(t, tab, q))
				slices.Reverse(down)
				if !slices.Equal(up, want) || !slices.Equal(down, want) {
					t.Errorf("%q %v of %d: %q up, %q down, want %q", index, bounds, limit, up, down, want)
				}
			}
		}
	}
	if items := all(t, tab, table.Query{Table: Things, Partition: "nobody"}); len(items) != 0 {
		t.Errorf("nobody has %v", items)
	}
}

// pages adds items before, at and behind the cursor between pages: those that were there from the start come once each.
func pages(t *testing.T, tab table.Table) {
	for _, descending := range []bool{false, true} {
		for _, limit := range []int{1, 2, 7} {
			owner := fmt.Sprint(descending, limit)
			var first []string
			for i := range 15 {
				put(t, tab, Things, with(thing(owner, numbered(10*i)), table.Fields{"colour": owner}))
				first = append(first, numbered(10*i))
			}
			if descending {
				slices.Reverse(first)
			}
			for _, q := range []table.Query{{Partition: owner}, {Partition: owner, Index: "by-colour"}} {
				q.Table, q.Limit, q.Descending = Things, limit, descending
				growing(t, tab, q, first)
			}
		}
	}
}

func growing(t *testing.T, tab table.Table, q table.Query, first []string) {
	t.Helper()
	var got []string
	for n := range 1000 {
		page, err := tab.Query(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, namesOf(page.Items)...)
		if q.After = page.Next; q.After == "" {
			break
		}
		if n < 12 {
			for _, name := range []string{numbered(10*n + 5), numbered(150 - 10*n - 4), "x" + numbered(n)} {
				put(t, tab, Things, with(thing(q.Partition, name), table.Fields{"colour": q.Partition}))
			}
		}
	}
	if !slices.IsSortedFunc(got, func(a, b string) int {
		if (a < b) != q.Descending {
			return -1
		}
		return 1
	}) {
		t.Errorf("%+v: not in order, or doubled: %v", q, got)
	}
	for _, name := range first {
		if !slices.Contains(got, name) {
			t.Errorf("%+v: %s is missing in %v", q, name, got)
		}
	}
}

func indexes(t *testing.T, tab table.Table) {
	put(t, tab, Things,
		with(thing("ann", "n1"), table.Fields{"colour": "red", "size": int64(4), "place": "hall", "found": "2026", "text": "t"}),
		with(thing("bob", "n0"), table.Fields{"colour": "red", "place": "hall", "found": "2025"}),
		with(thing("bob", "n2"), table.Fields{"colour": "red", "size": "large", "place": "hall"}),
		with(thing("bob", "n3"), table.Fields{"colour": "blue", "found": "2024"}),
		with(thing("bob", "n4"), table.Fields{"size": int64(1)}))
	equal(t, "by colour", all(t, tab, table.Query{Table: Things, Index: "by-colour", Partition: "red"}), []table.Fields{
		with(thing("bob", "n0"), table.Fields{"colour": "red"}),
		with(thing("ann", "n1"), table.Fields{"colour": "red", "size": int64(4)}),
		with(thing("bob", "n2"), table.Fields{"colour": "red", "size": "large"}),
	})
	equal(t, "by place", all(t, tab, table.Query{Table: Things, Index: "by-place", Partition: "hall", Descending: true}), []table.Fields{
		with(thing("ann", "n1"), table.Fields{"place": "hall", "found": "2026"}),
		with(thing("bob", "n0"), table.Fields{"place": "hall", "found": "2025"}),
	})
}

func moved(t *testing.T, tab table.Table) {
	where := func(colour string) []string {
		return namesOf(all(t, tab, table.Query{Table: Things, Index: "by-colour", Partition: colour}))
	}
	put(t, tab, Things, with(thing("o", "n"), table.Fields{"colour": "red", "size": int64(1)}), with(thing("o", "m"), table.Fields{"colour": "red"}))
	equal(t, "red", where("red"), []string{"m", "n"})
	put(t, tab, Things, with(thing("o", "n"), table.Fields{"colour": "blue"}))
	equal(t, "red", where("red"), []string{"m"})
	equal(t, "blue", where("blue"), []string{"n"})
	put(t, tab, Things, with(thing("o", "n"), table.Fields{"colour": "blue", "size": int64(2)}))
	equal(t, "size", all(t, tab, table.Query{Table: Things, Index: "by-colour", Partition: "blue"})[0].Int("size"), int64(2))
	put(t, tab, Things, thing("o", "n"))
	equal(t, "blue", where("blue"), []string(nil))
}

// sameKey pages through items that an index has under one key.
func sameKey(t *testing.T, tab table.Table) {
	var want []string
	for i := range 23 {
		put(t, tab, Things, with(thing("o", numbered(i)), table.Fields{"place": "hall", "found": fmt.Sprint(i / 10)}))
		want = append(want, numbered(i))
	}
	for _, descending := range []bool{false, true} {
		for _, limit := range []int{1, 4, 100} {
			q := table.Query{Table: Things, Index: "by-place", Partition: "hall", Descending: descending, Limit: limit}
			got := namesOf(all(t, tab, q))
			slices.Sort(got)
			equal(t, fmt.Sprint(descending, limit), got, want)
			q.From, q.To = "1", "2"
			if got := all(t, tab, q); len(got) != 10 {
				t.Errorf("%+v: %v", q, namesOf(got))
			}
		}
	}
}
