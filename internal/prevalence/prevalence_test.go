package prevalence_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/yagura-hids/yagura/internal/fleet"
	"github.com/yagura-hids/yagura/internal/prevalence"
	"github.com/yagura-hids/yagura/internal/table"
	"github.com/yagura-hids/yagura/internal/table/bolt"
)

var start = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

type home struct {
	t     testing.TB
	table table.Table
	now   time.Time
}

func newHome(t testing.TB) *home {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(t.TempDir(), "t.db"), 0o600, &bbolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return &home{t, bolt.New(db), start.Add(24 * time.Hour)}
}

func (h *home) view() *prevalence.View {
	return prevalence.New(h.t.Context(), h.table, prevalence.Options{Now: func() time.Time { return h.now }})
}

func (h *home) commit(v *prevalence.View) error {
	h.t.Helper()
	ops, err := v.Ops()
	if err == nil && len(ops) > 0 {
		err = h.table.Commit(h.t.Context(), ops)
	}
	if err == nil {
		v.Committed()
	}
	return err
}

func (h *home) see(host, path, sum string, at time.Time) prevalence.Count {
	h.t.Helper()
	v := h.view()
	c, err := v.See("web", host, path, sum, at)
	if err == nil {
		err = h.commit(v)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	return c
}

func TestSee(t *testing.T) {
	h := newHome(t)
	v := h.view()
	for i := range 10 {
		if err := v.Mark("web", fmt.Sprint("web", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.commit(v); err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct {
		host, sum string
		after     time.Duration
		want      prevalence.Count
	}{
		{"web0", "a", 1, prevalence.Count{Hosts: 10, Same: 1}}, {"web1", "a", 2, prevalence.Count{Hosts: 10, Same: 2}},
		{"web1", "a", 2, prevalence.Count{Hosts: 10, Same: 2}}, {"web2", "b", 3, prevalence.Count{Hosts: 10, Same: 1}},
		{"web1", "b", 4, prevalence.Count{Hosts: 10, Same: 2}}, {"web3", "a", 5, prevalence.Count{Hosts: 10, Same: 2}},
		{"web1", "a", 3, prevalence.Count{Hosts: 10, Same: 3}}, // late: counted as it would be, and not noted
		{"web4", "b", 6, prevalence.Count{Hosts: 10, Same: 3}}, {"new", "", 7, prevalence.Count{Hosts: 11, Same: 1}},
	} {
		if got := h.see(c.host, "/etc/x", c.sum, start.Add(c.after*time.Second)); got != c.want {
			t.Errorf("%d: %+v, want %+v", i, got, c.want)
		}
	}
	h.now = start.Add(40 * 24 * time.Hour)
	if got := h.see("web0", "/etc/x", "b", h.now); got != (prevalence.Count{Hosts: 1, Same: 1}) {
		t.Errorf("after forty days: %+v", got)
	}
}

// What is known already is not written.
func TestNothingNewNothingWritten(t *testing.T) {
	h := newHome(t)
	h.see("web1", "/etc/x", "a", start)
	v := h.view()
	if _, err := v.See("web", "web1", "/etc/x", "a", start); err != nil {
		t.Fatal(err)
	}
	if n := v.Changed(); n != 0 {
		t.Errorf("%d operations", n)
	}
}

// The counts are those of a map, for small profiles and for large ones, whoever else commits between reading and committing.
func TestCountsLikeAMap(t *testing.T) {
	for _, hosts := range []int{3, 200} {
		h, random := newHome(t), rand.New(rand.NewPCG(1, uint64(hosts)))
		truth, at, conflicts := map[string]string{}, start, 0
		see := func(v *prevalence.View, host, sum string) prevalence.Count {
			c, err := v.See("web", host, "/etc/x", sum, at)
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		for i := range 1500 {
			at = at.Add(time.Second)
			host, sum := fmt.Sprint("h", random.IntN(hosts)), fmt.Sprint("s", random.IntN(4))
			v := h.view()
			got := see(v, host, sum)
			if between := fmt.Sprint("h", random.IntN(hosts)); i%4 == 0 && between != host {
				other := h.view()
				truth[between] = "s0"
				if see(other, between, "s0"); h.commit(other) != nil {
					t.Fatal("alone, and a conflict")
				}
				if v.Changed() == 0 { // exact as of when it was read
					v.Forget()
					got = see(v, host, sum)
				}
			}
			var conflict *table.ConflictError
			if err := h.commit(v); errors.As(err, &conflict) {
				conflicts++
				v.Forget()
				got = see(v, host, sum)
				err = h.commit(v)
				if err != nil {
					t.Fatal(err)
				}
			} else if err != nil {
				t.Fatal(err)
			}
			truth[host] = sum
			want := prevalence.Count{Hosts: len(truth)}
			for _, s := range truth {
				if s == sum {
					want.Same++
				}
			}
			if got != want {
				t.Fatalf("%d hosts: %s in %s: %+v, want %+v", hosts, host, sum, got, want)
			}
		}
		if conflicts == 0 {
			t.Error("nobody met anybody")
		}
	}
}

func TestBrings(t *testing.T) {
	h := newHome(t)
	for i, c := range []struct {
		host, sum string
		believed  bool
	}{
		{"web1", "good", true}, {"web1", "good", true}, {"evil", "bad", false}, {"evil", "bad", false}, {"web2", "good", true}, {"web3", "good", true},
		{"evil", "bad", false}, {"web4", "good", true}, {"web9", "other", false},
	} {
		v := h.view()
		told, err := v.Brings(c.host, "dpkg openssl amd64 3", "/usr/bin/openssl", c.sum)
		if err == nil {
			err = h.commit(v)
		}
		if err != nil {
			t.Fatal(err)
		}
		if told.Believed() != c.believed || (told.Disbelieved() == "") != c.believed {
			t.Errorf("%d: %s: %+v: %q", i, c.host, told, told.Disbelieved())
		}
	}
}

// A host that was first and wrong is disbelieved once two others have told otherwise.
func TestFirstAndWrong(t *testing.T) {
	h, believed := newHome(t), []bool{}
	for _, told := range [][2]string{{"evil", "bad"}, {"web1", "good"}, {"web2", "good"}, {"web3", "good"}, {"evil", "bad"}} {
		v := h.view()
		got, err := v.Brings(told[0], "p", "/x", told[1])
		if err == nil {
			err = h.commit(v)
		}
		if err != nil {
			t.Fatal(err)
		}
		believed = append(believed, got.Believed())
	}
	if want := []bool{true, false, false, true, false}; fmt.Sprint(believed) != fmt.Sprint(want) {
		t.Errorf("believed %v, want %v", believed, want)
	}
}

// What the table holds is not believed blindly.
func FuzzItems(f *testing.F) {
	h := newHome(f)
	h.see("web1", "/etc/x", "a", start)
	v := h.view()
	_, _ = v.Brings("web1", "p", "/x", "a")
	ops, _ := v.Ops()
	for _, op := range ops {
		f.Add(op.Item.Bytes("seen"))
	}
	v = h.view()
	_, _ = v.See("web", "web2", "/etc/x", "b", start)
	ops, _ = v.Ops()
	for _, op := range ops {
		f.Add(op.Item.Bytes("seen"))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		fake := one{text}
		v := prevalence.New(t.Context(), fake, prevalence.Options{Now: func() time.Time { return start }})
		if _, err := v.See("web", "web1", "/etc/x", "a", start); err != nil && !errors.Is(err, prevalence.ErrItem) {
			t.Fatal(err)
		}
		if _, err := v.Brings("web1", "p", "/x", "a"); err != nil && !errors.Is(err, prevalence.ErrItem) {
			t.Fatal(err)
		}
		if _, err := v.Ops(); err != nil {
			t.Fatal(err)
		}
	})
}

// one is a table that has the same under every key.
type one struct{ text []byte }

func (o one) Get(_ context.Context, _ *table.Schema, keys []table.Key) (list []table.Fields, _ error) {
	for _, k := range keys {
		list = append(list, table.Fields{
			fleet.Schema.Partition: k.Partition, fleet.Schema.Sort: k.Sort, "version": int64(1), "expires": start.Add(time.Hour).Unix(), "seen": o.text,
		})
	}
	return list, nil
}

func (one) Query(context.Context, table.Query) (table.Page, error) { return table.Page{}, nil }
func (one) Commit(context.Context, []table.Op) error               { return nil }

func BenchmarkSee(b *testing.B) {
	for _, hosts := range []int{50, 5000} {
		b.Run(fmt.Sprint(hosts), func(b *testing.B) {
			h := newHome(b)
			v := h.view()
			for i := range hosts {
				if _, err := v.See("web", fmt.Sprint("h", i), "/etc/x", "a", start); err != nil {
					b.Fatal(err)
				}
				if err := h.commit(v); err != nil {
					b.Fatal(err)
				}
			}
			for i := 0; b.Loop(); i++ {
				if _, err := v.See("web", fmt.Sprint("h", i%hosts), "/etc/x", "a", start); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
