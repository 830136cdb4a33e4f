package relaytest

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"github.com/yagura-hids/yagura/internal/wire"
)

// Keys returns n keys of one host each, from 127.1.0.1 on.
func Keys(n int) ([]wire.Key, error) {
	keys, at := make([]wire.Key, n), netip.MustParseAddr("127.1.0.1")
	for i := range keys {
		line := fmt.Sprintf("%03d host-%03d %s %064x", i+1, i+1, at, i+1)
		key, err := wire.ParseKey(line)
		if err != nil {
			return nil, err
		}
		keys[i], at = key, at.Next()
	}
	return keys, nil
}

// Own returns a host for each key, at the key's address.
func Own(keys []wire.Key, relay netip.AddrPort) ([]*Host, error) {
	var hosts []*Host
	for _, key := range keys {
		at, single := key.Address.Single()
		if !single {
			Close(hosts)
			return nil, fmt.Errorf("key %s is not of one address", key.ID)
		}
		h, err := Dial(key, at, key.Name, relay)
		if err != nil {
			Close(hosts)
			return nil, err
		}
		hosts = append(hosts, h)
	}
	return hosts, nil
}

// Shared returns n hosts that share a key, each at an address of its own, counted upwards.
func Shared(key wire.Key, first netip.Addr, n int, relay netip.AddrPort) ([]*Host, error) {
	var hosts []*Host
	for i := range n {
		h, err := Dial(key, first, fmt.Sprintf("node-%03d", i+1), relay)
		if err != nil {
			Close(hosts)
			return nil, err
		}
		hosts, first = append(hosts, h), first.Next()
	}
	return hosts, nil
}

// Close closes hosts.
func Close(hosts []*Host) {
	for _, h := range hosts {
		_ = h.Close()
	}
}

// Load is messages sealed ahead, so that sending them costs little. It is sent once: a relay refuses the second time.
type Load struct {
	hosts []*Host
	each  int
	data  [][]byte // by host: all its datagrams, one after the other
	ends  [][]int  // by host: where each ends
}

// Seal seals n messages of each host.
func Seal(hosts []*Host, n int, text func(host, i int) string) (*Load, error) {
	l := &Load{hosts: hosts, each: n, data: make([][]byte, len(hosts)), ends: make([][]int, len(hosts))}
	errs := make([]error, len(hosts))
	turn := make(chan int)
	var wait sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wait.Go(func() {
			for i := range turn {
				errs[i] = l.seal(i, text)
			}
		})
	}
	for i := range hosts {
		turn <- i
	}
	close(turn)
	wait.Wait()
	return l, errors.Join(errs...)
}

func (l *Load) seal(host int, text func(host, i int) string) (err error) {
	for i := range l.each {
		if l.data[host], err = l.hosts[host].next(l.data[host], text(host, i)); err != nil {
			return err
		}
		l.ends[host] = append(l.ends[host], len(l.data[host]))
	}
	return nil
}

// Len returns how many datagrams there are.
func (l *Load) Len() int { return len(l.hosts) * l.each }

// Send sends them all, the hosts taking turns, at a rate a second, or as fast as it can if rate is 0. It returns how long that took.
func (l *Load) Send(rate int) (time.Duration, error) {
	const together = 16 // are sent at once
	began, sent := time.Now(), 0
	for i := range l.each {
		for host, h := range l.hosts {
			if err := h.Raw(l.datagram(host, i)); err != nil {
				return 0, err
			}
			if sent++; rate > 0 && sent%together == 0 {
				time.Sleep(time.Until(began.Add(time.Duration(sent) * time.Second / time.Duration(rate))))
			}
		}
	}
	return time.Since(began), nil
}

func (l *Load) datagram(host, i int) []byte {
	from := 0
	if i > 0 {
		from = l.ends[host][i-1]
	}
	return l.data[host][from:l.ends[host][i]]
}
