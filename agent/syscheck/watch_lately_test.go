package syscheck_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/agent/syscheck"
)

var start = time.Unix(1_800_000_000, 0)

// at returns a time so many milliseconds after start.
func at(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }

func TestPending(t *testing.T) {
	type noticed = syscheck.Noticed
	for _, tt := range []struct {
		name string
		do   func(p syscheck.Pending)
		at   int
		want []noticed
	}{
		{"not quiet yet", func(p syscheck.Pending) { p.Mark("/r/a", false, at(0)) }, 199, nil},
		{"quiet", func(p syscheck.Pending) { p.Mark("/r/a", false, at(0)) }, 200, []noticed{{Path: "/r/a"}}},
		{"again", func(p syscheck.Pending) { p.Mark("/r/a", false, at(0)); p.Mark("/r/a", false, at(100)) }, 299, nil},
		{"never quiet", func(p syscheck.Pending) {
			for ms := 0; ms <= 2000; ms += 100 {
				p.Mark("/r/a", false, at(ms))
			}
		}, 2000, []noticed{{Path: "/r/a"}}},
		{"write and rename", func(p syscheck.Pending) {
			p.Mark("/r/.a.tmp", false, at(0))
			p.Move("/r/.a.tmp", "/r/a", false, at(50))
		}, 250, []noticed{{Path: "/r/.a.tmp"}, {Path: "/r/a", From: "/r/.a.tmp"}}},
		{"backup, write anew, delete the backup", func(p syscheck.Pending) {
			p.Move("/r/a", "/r/a~", false, at(0))
			p.Mark("/r/a", false, at(10))
			p.Mark("/r/a~", false, at(20))
		}, 220, []noticed{{Path: "/r/a"}, {Path: "/r/a~", From: "/r/a"}}},
		{"both ends at once, though one rests earlier", func(p syscheck.Pending) {
			p.Move("/r/a", "/r/b", false, at(0))
			p.Mark("/r/b", false, at(150))
		}, 200, []noticed{{Path: "/r/a"}, {Path: "/r/b", From: "/r/a"}}},
		{"moved twice", func(p syscheck.Pending) {
			p.Move("/r/a", "/r/b", false, at(0))
			p.Move("/r/b", "/r/c", false, at(1))
		}, 300, []noticed{{Path: "/r/a"}, {Path: "/r/b"}, {Path: "/r/c", From: "/r/a"}}},
		{"and back", func(p syscheck.Pending) {
			p.Move("/r/a", "/r/b", false, at(0))
			p.Move("/r/b", "/r/a", false, at(1))
		}, 300, []noticed{{Path: "/r/a"}, {Path: "/r/b"}}},
		{"swapped", func(p syscheck.Pending) {
			p.Move("/r/a", "/r/t", false, at(0))
			p.Move("/r/b", "/r/a", false, at(1))
			p.Move("/r/t", "/r/b", false, at(2))
		}, 300, []noticed{{Path: "/r/a", From: "/r/b"}, {Path: "/r/b", From: "/r/a"}, {Path: "/r/t"}}},
		{"a directory takes along what happened in it", func(p syscheck.Pending) {
			p.Mark("/r/d/x", false, at(0))
			p.Mark("/r/dx", false, at(0))
			p.Move("/r/d", "/r/e", true, at(100))
		}, 300, []noticed{{Path: "/r/d", Tree: true}, {Path: "/r/dx"}, {Path: "/r/e", From: "/r/d", Tree: true}}},
		{"what is in a tree is looked at once", func(p syscheck.Pending) {
			p.Mark("/r/d", true, at(0))
			p.Mark("/r/d/e", true, at(0))
			p.Mark("/r/d/e/f", false, at(0))
			p.Mark("/r/d-f", false, at(0))
			p.Move("/r/x", "/r/d/x", false, at(0))
		}, 300, []noticed{{Path: "/r/d", Tree: true}, {Path: "/r/d/x", From: "/r/x"}, {Path: "/r/d-f"}, {Path: "/r/x"}}},
		{"too much", func(p syscheck.Pending) {
			for i := range 9000 {
				p.Mark(fmt.Sprintf("/r/%05d", i), false, at(0))
			}
		}, 300, []noticed{{Path: "/r", Tree: true}}},
		{"a move is too much", func(p syscheck.Pending) {
			for i := range 8191 {
				p.Mark(fmt.Sprintf("/r/%05d", i), false, at(0))
			}
			p.Move("/r/x", "/r/y", false, at(0))
		}, 300, []noticed{{Path: "/r", Tree: true}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := syscheck.NewPending()
			tt.do(p)
			if got := p.Take(at(tt.at)); !slices.Equal(got, tt.want) {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
			if again := p.Take(at(tt.at)); len(tt.want) > 0 && len(again) > 0 {
				t.Errorf("and again: %+v", again)
			}
		})
	}
}

func TestPendingWait(t *testing.T) {
	p := syscheck.NewPending()
	if d, ok := p.Wait(at(0)); ok {
		t.Errorf("nothing is pending: %v", d)
	}
	p.Mark("/r/a", false, at(0))
	p.Mark("/r/b", false, at(100))
	if d, ok := p.Wait(at(150)); !ok || d != 50*time.Millisecond {
		t.Errorf("%v, %v", d, ok)
	}
	if d, ok := p.Wait(at(500)); !ok || d != 0 {
		t.Errorf("late: %v, %v", d, ok)
	}
}
