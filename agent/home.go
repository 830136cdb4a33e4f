package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/yagura-hids/yagura/agent/central"
	"github.com/yagura-hids/yagura/agent/config"
	"github.com/yagura-hids/yagura/agent/host"
	"github.com/yagura-hids/yagura/agent/spool"
)

// home is what an agent has on its host: who it is, what it is to do, and its spool.
type home struct {
	places
	id      *host.Host
	config  *config.Config
	central []config.Text // as far as it is in force
	spool   *spool.Spool
}

// open finds out who this is, reads the configuration and opens the spool.
func (p places) open(ctx context.Context) (*home, error) {
	h, err := p.look(ctx)
	if err != nil {
		return nil, err
	}
	h.spool, err = spool.Open(p.spoolPath(), spool.Options{
		Agent: h.id.ID, MaxBytes: h.config.Client.SpoolSize, Gather: h.config.Client.Gather, Random: rand.Reader, Report: warn,
	})
	if errors.Is(err, spool.ErrInUse) {
		err = fmt.Errorf("%w: an agent runs already (yagura-agent status shows it); stop it first: systemctl stop yagura-agent", err)
	}
	return h, err
}

// look is open without the spool.
func (p places) look(ctx context.Context) (*home, error) {
	if err := os.MkdirAll(p.state, 0o700); err != nil {
		return nil, fmt.Errorf("state: %w; name another folder with --state", err)
	}
	id, err := host.Identify(ctx, host.Options{State: p.state, Report: warn})
	if err != nil {
		return nil, err
	}
	h := &home{places: p, id: id}
	if err := h.load(nil); err != nil {
		return nil, err
	}
	if h.config.Client.Central == "" {
		return h, nil
	}
	c, err := central.New(h.centralOptions())
	if err != nil {
		warn(err.Error())
	}
	if err := h.load(c.Texts()); err != nil {
		warn(fmt.Sprintf("the central configuration of before does not fit any more, and is left out: %v", err))
	}
	return h, nil
}

// load reads the configuration, with these central texts. With an error, what was in force stays.
func (h *home) load(texts []config.Text) error {
	names := []string{h.conf}
	if _, err := os.Stat(h.conf); errors.Is(err, fs.ErrNotExist) && h.conf == defaultConf() {
		names = nil // the built-in default
	}
	agent := h.id.Agent(context.Background())
	conf, err := config.Read(config.Host{Name: agent.Name, OS: []string{agent.OS, h.id.Kernel}}, names, texts...)
	if err != nil {
		return err
	}
	if err := conf.Client.SetRegion(); err != nil {
		return err
	}
	for _, note := range conf.Notes { // also of a configuration that came later, each once
		if h.config == nil || !slices.Contains(h.config.Notes, note) {
			warn(note)
		}
	}
	h.id.SetConfig(conf.Client.Labels, conf.Client.Profiles)
	h.config, h.central = conf, texts
	return nil
}

func (h *home) centralOptions() central.Options {
	return central.Options{
		Path: h.config.Client.Central, Profiles: h.config.Client.Profiles, File: filepath.Join(h.state, "central.json"), Report: warn,
	}
}

// Close lets go of the spool.
func (h *home) Close() error { return h.spool.Close() }
