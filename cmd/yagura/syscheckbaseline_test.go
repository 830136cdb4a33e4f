package main

import (
	"strings"
	"testing"
)

// FuzzBaseline reads what strangers call a baseline.
func FuzzBaseline(f *testing.F) {
	f.Add(`{"yagura_baseline":1,"agent":"x","files":1}` + "\n" + `{"path":"/b","record":{"size":1,"mtime":"2026-11-24T10:00:00Z"},"changes":2}`)
	f.Add("{}\n{}")
	f.Fuzz(func(t *testing.T, text string) {
		records, err := readBaseline("x", strings.NewReader(text))
		if err != nil {
			return
		}
		for _, r := range records {
			if r.Path == "" || r.Changes < 0 {
				t.Fatalf("%+v", r)
			}
		}
	})
}
