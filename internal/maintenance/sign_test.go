package maintenance_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/maintenance"
)

func sign(instance, what, when string) maintenance.Sign {
	return maintenance.Sign{Run: "e8d3c0e4", Instance: instance, What: what, Time: after(when), Document: "AWS-RunPatchBaseline", By: "SSM Run Command"}
}

// Whatever order signs come in, and however often, the windows are the same.
func TestSigns(t *testing.T) {
	const far = "1000h"
	for _, c := range []struct {
		name  string
		signs []maintenance.Sign
		open  []string // begins and ends of what is open of i-1, in turn, for a host that was never scanned
	}{
		{"a run", []maintenance.Sign{sign("i-1", "begin", "0s"), sign("i-1", "end", "10m")}, []string{"0s", "10m"}},
		{"that installs", []maintenance.Sign{sign("", "install", "-1s"), sign("i-1", "begin", "0s"), sign("i-1", "end", "10m")}, []string{"0s", "26h10m"}},
		{"that is told to be over", []maintenance.Sign{
			sign("", "install", "-1s"), sign("i-1", "begin", "0s"), sign("i-1", "end", "10m"), sign("i-1", "closed", "20m")}, []string{"0s", "10m"}},
		{"that was told to be over before it was known to install", []maintenance.Sign{
			sign("i-1", "begin", "0s"), sign("i-1", "closed", "10m"), sign("", "install", "20m")}, []string{"0s", "10m"}},
		{"that only looks", []maintenance.Sign{sign("", "scan", "-1s"), sign("i-1", "begin", "0s"), sign("i-1", "end", "10m")}, nil},
		{"without an end", []maintenance.Sign{sign("i-1", "begin", "0s")}, []string{"0s", "6h"}},
		{"without an end, that installs", []maintenance.Sign{sign("", "install", "5m"), sign("i-1", "begin", "0s")}, []string{"0s", "32h"}},
		{"without a begin", []maintenance.Sign{sign("i-1", "end", "10m")}, nil},
		{"that begins again and again", []maintenance.Sign{sign("i-1", "begin", "0s"), sign("i-1", "begin", "5h")}, []string{"0s", "6h"}},
		{"twice", []maintenance.Sign{
			sign("i-1", "begin", "0s"), sign("i-1", "end", "10m"), sign("i-1", "begin", "24h"), sign("i-1", "end", "25h")}, []string{"0s", "10m", "24h", "25h"}},
		{"the first end is lost", []maintenance.Sign{
			sign("i-1", "begin", "0s"), sign("i-1", "begin", "24h"), sign("i-1", "end", "25h")}, []string{"0s", "6h", "24h", "25h"}},
		{"of others", []maintenance.Sign{sign("i-10", "begin", "0s"), sign("i-10", "end", "10m"), sign("i", "begin", "0s")}, nil},
		{"at a time", []maintenance.Sign{
			sign("i-1", "begin", "0s"), sign("i-10", "begin", "1m"), sign("i-10", "end", "2m"), sign("i-1", "end", "10m")}, []string{"0s", "10m"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for round := range 4 {
				tab, s, _ := open(t)
				signs := append(slices.Clone(c.signs), c.signs...)
				if round > 0 {
					rand.New(rand.NewPCG(uint64(round), 0)).Shuffle(len(signs), func(i, j int) { signs[i], signs[j] = signs[j], signs[i] })
				}
				for _, sign := range signs {
					if err := s.Note(t.Context(), sign); err != nil {
						t.Fatal(err)
					}
				}
				w := load(t, tab)
				edges := append(append([]string{"-" + far}, c.open...), far)
				for i := range len(edges) - 1 {
					for _, at := range []time.Time{after(edges[i]), after(edges[i+1]).Add(-time.Millisecond)} {
						got := w.Open("web1", &event.Agent{Instance: "i-1"}, at, time.Time{})
						if want := i%2 == 1; (got != "") != want {
							t.Errorf("round %d, %s: open %q, want %v", round, at.Sub(start), got, want)
						}
					}
				}
			}
		})
	}
}

// Who sees a window that SSM began can end it.
func TestEndSigned(t *testing.T) {
	tab, s, clock := open(t)
	for _, sign := range []maintenance.Sign{sign("", "install", "0s"), sign("i-1", "begin", "0s")} {
		if err := s.Note(t.Context(), sign); err != nil {
			t.Fatal(err)
		}
	}
	w := load(t, tab).Windows()[0]
	if w.Reason != "AWS-RunPatchBaseline" || w.By != "SSM Run Command" || !strings.HasPrefix(w.ID, "ssm-") {
		t.Errorf("%+v", w)
	}
	for _, c := range []struct {
		at     string
		waits  bool
		failed error
	}{{"1h", true, nil}, {"2h", false, nil}, {"3h", false, maintenance.ErrOver}} {
		clock.set(after(c.at))
		if got, err := s.End(t.Context(), w.ID, "a/da@web1"); !errors.Is(err, c.failed) || got.UntilScanned != c.waits {
			t.Fatalf("end after %s: %+v, %v", c.at, got, err)
		}
		got := load(t, tab).Windows()[0]
		if !got.Until.Equal(after("1h")) || got.UntilScanned != c.waits || got.EndedBy != "a/da@web1" {
			t.Errorf("after %s: %+v", c.at, got)
		}
	}
}

func TestNoSigns(t *testing.T) {
	_, s, _ := open(t)
	for i, bad := range []maintenance.Sign{
		sign("", "begin", "0s"), sign("i-1", "scan", "0s"), sign("i-1", "", "0s"), sign("i/1", "begin", "0s"), sign("i-1\x00", "begin", "0s"),
		sign(strings.Repeat("i", 129), "end", "0s"), {Instance: "i-1", What: "begin", Time: start}, {Run: "r", Instance: "i-1", What: "begin"},
		{Run: "r", Instance: "i-1", What: "begin", Time: start, Document: "\xff"},
	} {
		if err := s.Note(t.Context(), bad); !errors.Is(err, maintenance.ErrInvalid) {
			t.Errorf("%d: %v", i, err)
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	db := home(b)
	s := maintenance.NewStore(db, maintenance.Options{Now: func() time.Time { return start }})
	for i := range 1000 {
		if err := s.Note(b.Context(), sign(fmt.Sprintf("i-%017x", i), "begin", "0s")); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if _, err := maintenance.Load(b.Context(), db); err != nil {
			b.Fatal(err)
		}
	}
}
