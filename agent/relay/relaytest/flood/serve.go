package main

import (
	"context"
	"crypto/rand"
	"errors"
	"log"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"sync"
	"syscall"

	bbolt "go.etcd.io/bbolt"

	"github.com/yagura-hids/yagura/agent/relay"
	"github.com/yagura-hids/yagura/agent/relay/config"
	"github.com/yagura-hids/yagura/agent/relay/relaytest"
	"github.com/yagura-hids/yagura/agent/spool"
	"github.com/yagura-hids/yagura/internal/codec"
	"github.com/yagura-hids/yagura/internal/fleet"
	"github.com/yagura-hids/yagura/internal/table/bolt"
)

// serve runs Yagura's relay until it is told to end. Events are kept, packed into batches and thrown away, as drain does with remoted's.
func serve(dir, at string, hosts int) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	port, err := netip.ParseAddrPort(at)
	if err != nil {
		return err
	}
	store, end, err := openFleet(ctx, dir, hosts)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	debug.SetGCPercent(400) // as yagura-relay does
	s, err := spool.Open(filepath.Join(dir, "relay.db"), spool.Options{Agent: "relay", Run: 16 << 20, Random: rand.Reader, Report: func(msg string) { log.Print(msg) }})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	r, err := relay.New(ctx, relay.Options{
		Config: &config.Config{Remotes: []config.Remote{{UDP: true, Port: port.Port(), Address: port.Addr(), Ciphers: config.Both}}},
		Spool:  s, Dir: dir, Fleet: store, Name: "relay", Version: "test", Report: func(msg string) { log.Print(msg) },
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	var wait sync.WaitGroup
	defer wait.Wait()
	wait.Go(func() {
		err := r.Send(ctx, func(context.Context, []codec.Encoded) error { return nil })
		if err != nil {
			log.Print(err)
		}
	})
	return r.Run(ctx)
}

// openFleet returns a fleet with the hosts' keys.
func openFleet(ctx context.Context, dir string, hosts int) (*fleet.Store, func() error, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, err
	}
	db, err := bbolt.Open(filepath.Join(dir, "fleet.db"), 0o600, &bbolt.Options{NoSync: true})
	if err != nil {
		return nil, nil, err
	}
	store := fleet.New(bolt.New(db), fleet.Options{})
	keys, err := relaytest.Keys(hosts)
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	for _, k := range keys {
		if err := store.Put(ctx, fleet.Key{Key: k}); err != nil {
			return nil, nil, errors.Join(err, db.Close())
		}
	}
	return store, db.Close, nil
}
