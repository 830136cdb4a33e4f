package fleet_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/yagura-hids/yagura/internal/fleet"
	"github.com/yagura-hids/yagura/internal/table"
)

// BenchmarkEnrol tells what a host's key costs among ten thousand.
func BenchmarkEnrol(b *testing.B) {
	s, _ := open(inFile(b))
	var keys []fleet.Key
	for i := range 10_000 {
		keys = append(keys, key(b, "", fmt.Sprint("host", i), "any"))
	}
	if _, err := s.AddAll(b.Context(), keys); err != nil {
		b.Fatal(err)
	}
	n := 0
	for b.Loop() {
		n++
		if _, err := s.Enrol(b.Context(), fleet.Request{Name: fmt.Sprint("new", n), From: netip.MustParseAddr("192.0.2.1")}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkKeys tells what a relay's reading of ten thousand keys costs.
func BenchmarkKeys(b *testing.B) {
	s, _ := open(inFile(b))
	var keys []fleet.Key
	for i := range 10_000 {
		keys = append(keys, key(b, "", fmt.Sprint("host", i), "any"))
	}
	if _, err := s.AddAll(b.Context(), keys); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if list, err := s.Keys(b.Context()); err != nil || len(list) != 10_000 {
			b.Fatal(len(list), err)
		}
	}
}

// BenchmarkPutHosts tells what it costs to store what is known of a hundred hosts.
func BenchmarkPutHosts(b *testing.B) {
	s, _ := open(inFile(b))
	var list []fleet.Host
	for i := range table.MaxOps {
		list = append(list, fleet.Host{Agent: fmt.Sprint("web-asg/ip-10-0-1-", i), Key: "001", OS: "Linux ip-10-0-1-17 6.1.0-28-cloud-amd64", Version: "OSSEC HIDS v4.2.0", Last: noon, Alive: noon})
	}
	for b.Loop() {
		for i := range list {
			list[i].Last = list[i].Last.Add(1)
		}
		if err := s.PutHosts(b.Context(), list); err != nil {
			b.Fatal(err)
		}
	}
}
