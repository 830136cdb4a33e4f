package codec_test

import (
	"fmt"
	"testing"

	"github.com/yagura-hids/yagura/internal/codec"
)

// BenchmarkEncode tells what it costs to make bytes of a batch, and how few they become, by the number of events in it.
func BenchmarkEncode(b *testing.B) {
	for _, n := range []int{10, 100, 1000, 10_000, 50_000} {
		b.Run(fmt.Sprintf("events=%d", n), func(b *testing.B) {
			batch := logLines(n)
			text := 0
			for _, ev := range batch.Events {
				text += len(ev.Text) + 1
			}
			var data []byte
			for b.Loop() {
				data = encode(b, batch)
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64(len(data))/float64(n), "B/event")
			b.ReportMetric(float64(text)/float64(len(data)), "ratio")
		})
	}
}

// BenchmarkDecode tells what it costs to get a batch back.
func BenchmarkDecode(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		b.Run(fmt.Sprintf("events=%d", n), func(b *testing.B) {
			data := encode(b, logLines(n))
			for b.Loop() {
				if _, err := codec.Decode(data); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
