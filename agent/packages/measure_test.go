package packages_test

import (
	"context"
	"maps"
	"runtime"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/agent/packages"
)

// store is what an Index remembers, in memory.
type store map[string][]byte

func (s store) options(root string) packages.Options {
	return packages.Options{
		Root: root,
		Each: func(fn func(string, []byte) error) error {
			for k, v := range maps.Clone(s) {
				if err := fn(k, v); err != nil {
					return err
				}
			}
			return nil
		},
		Put: func(key string, value []byte) {
			if s[key] = value; value == nil {
				delete(s, key)
			}
		},
	}
}

func (s store) size() (n int) {
	for k, v := range s {
		n += len(k) + len(v)
	}
	return n
}

// The first look at this machine's own database; a later one, when something in it has changed; and all its files made ready for Link, as after an
// upgrade of everything.
func BenchmarkDatabase(b *testing.B) {
	s := store{}
	look := func(b *testing.B) *packages.Index {
		x, err := packages.New(s.options(""))
		if err != nil {
			b.Fatal(err)
		}
		x.Refresh(context.Background(), time.Now())
		return x
	}
	b.Run("first", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			clear(s)
			look(b)
		}
		b.ReportMetric(float64(s.size()), "kept-bytes")
		b.ReportMetric(float64(len(s)), "packages")
	})
	b.Run("again", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s["m/dpkg"] = []byte("another")
			look(b)
		}
	})
	b.Run("all changed", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			clear(s)
			s["m/dpkg"] = []byte("another")
			x := look(b)
			before := heap()
			x.Link(context.Background(), "/usr/bin/x", &packages.Content{})
			b.ReportMetric(float64(heap()-before), "loaded-bytes")
			runtime.KeepAlive(x)
		}
	})
}

// heap returns how much is in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
