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

// The first look at this machine's own database, and the next one, when something in it has changed; what is remembered, and what is in memory.
func BenchmarkDatabase(b *testing.B) {
	for b.Loop() {
		s := store{}
		x, err := packages.New(s.options(""))
		if err != nil {
			b.Fatal(err)
		}
		x.Refresh(context.Background(), time.Now())
		b.ReportMetric(float64(s.size()), "kept-bytes")
		b.ReportMetric(float64(len(s)), "packages")
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.HeapSys)/1e6, "heap-MB")
}
