package main

import (
	"context"
	"errors"
	"time"

	"github.com/yagura-hids/yagura/agent/relay/config"
	"github.com/yagura-hids/yagura/agent/sender"
	"github.com/yagura-hids/yagura/agent/spool"
	"github.com/yagura-hids/yagura/agent/uplink"
	"github.com/yagura-hids/yagura/internal/fleet"
)

// core is the relay itself.
type core interface {
	Run(ctx context.Context) error
	Send(ctx context.Context, up *uplink.Uplink) error
	Status() status
}

// status is how a relay is.
type status struct {
	Name      string            `json:"name"`
	Version   string            `json:"version"`
	Started   time.Time         `json:"started"`
	Now       time.Time         `json:"now"`
	Ports     []string          `json:"ports"`
	Keys      int               `json:"keys"`
	Hosts     int               `json:"hosts"`
	Datagrams map[string]uint64 `json:"datagrams"`
	Spool     spool.Stats       `json:"spool"`
	Sent      sender.Sent       `json:"sent"`
	Trouble   map[string]string `json:"trouble,omitempty"`
}

func newRelay(ctx context.Context, conf *config.Config, s *spool.Spool, store *fleet.Store, dir string) (core, error) {
	return nil, errors.New("to come")
}
