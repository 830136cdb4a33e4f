package lambda_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/internal/emulated"
	"github.com/yagura-hids/yagura/internal/emulated/emulatedtest"
	"github.com/yagura-hids/yagura/internal/emulated/lambda"
)

// BenchmarkRecords tells how many records a second go from a stream through a real function, of 1 KiB each.
func BenchmarkRecords(b *testing.B) {
	s := newStream(b, emulatedtest.Start(b, emulated.Kinesis), 2)
	var all []string
	for i := range 10_000 {
		all = append(all, fmt.Sprintf("host%d %s", i%50, strings.Repeat("x", 1024)))
	}
	s.put(all...)
	h := host(b, lambda.HostOptions{
		Function: emulated.Function{Memory: 512, Timeout: time.Minute}, Concurrency: 4, Env: []string{"PROBE_LOG=" + filepath.Join(b.TempDir(), "log")},
	})
	for b.Loop() {
		p := poll(b, s, nil, func(o *lambda.PollerOptions) {
			o.Mapping.BatchSize, o.Mapping.ParallelizationFactor, o.Invoke = 500, 2, h.Invoke
		})
		drain(b, p)
		p.Stop()
	}
	b.ReportMetric(float64(10_000*b.N)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkStarts tells how long a function takes to start, and an invocation that does nothing.
func BenchmarkStarts(b *testing.B) {
	var mu sync.Mutex
	var inits []time.Duration
	run := func(b *testing.B, kill bool) {
		h := host(b, lambda.HostOptions{Done: func(r lambda.Result) {
			mu.Lock()
			defer mu.Unlock()
			if r.Cold {
				inits = append(inits, r.Init)
			}
		}})
		for b.Loop() {
			r := invoke(b, h, `{"do":"echo"}`)
			if kill {
				h.Kill(r.Environment)
			}
		}
	}
	b.Run("cold", func(b *testing.B) {
		inits = nil
		run(b, true)
		slices.Sort(inits)
		b.ReportMetric(float64(inits[len(inits)/2].Microseconds())/1000, "init-ms")
	})
	b.Run("warm", func(b *testing.B) { run(b, false) })
}
