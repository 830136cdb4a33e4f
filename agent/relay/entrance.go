package relay

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/yagura-hids/yagura/agent/relay/authd"
	"github.com/yagura-hids/yagura/agent/relay/config"
	"github.com/yagura-hids/yagura/agent/relay/syslog"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/fleet"
)

// listenSyslog opens what a <remote> of syslog names.
func (r *Relay) listenSyslog(c config.Remote) (doors []door, err error) {
	var networks []string
	if c.UDP {
		networks = append(networks, "udp")
	}
	if c.TCP {
		networks = append(networks, "tcp")
	}
	for _, network := range networks {
		o := syslog.Options{
			Network: network, Address: address(c.Address, c.Port), Allowed: c.Allowed, Denied: c.Denied, Take: r.takeSyslog, Report: r.opts.Report, Now: r.opts.Now,
		}
		if c.Certificate != "" && network == "tcp" {
			pair, err := tls.LoadX509KeyPair(c.Certificate, c.Key)
			if err != nil {
				return doors, fmt.Errorf("certificate of syslog: %w", err)
			}
			o.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
		}
		l, err := syslog.Listen(o)
		if err != nil {
			return doors, busy("syslog", err)
		}
		r.opened("syslog", l.Addr())
		doors = append(doors, door{l.Serve, func() { _ = l.Close() }})
	}
	return doors, nil
}

// takeSyslog keeps messages of appliances. Each source is an agent, by its address.
func (r *Relay) takeSyslog(ctx context.Context, list []syslog.Message) error {
	events := make([]*event.Event, len(list))
	for i, m := range list {
		from := m.From.String()
		events[i] = &event.Event{
			ID: event.ID{Agent: from}, Time: m.At, Location: from, Text: m.Text, Cut: m.Cut, Priority: m.Priority,
		}
	}
	if err := r.opts.Spool.Keep(ctx, events, nil); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range list {
		r.heardSyslog(m)
	}
	return nil
}

// mostSources is how many sources of syslog the fleet is told of: addresses of UDP can be forged.
const mostSources = 10_000

// heardSyslog notes that a source of syslog is there. Its caller holds mu.
func (r *Relay) heardSyslog(m syslog.Message) {
	from := m.From.String()
	h, ok := r.seen[from]
	if !ok {
		if r.sources >= mostSources {
			return
		}
		r.sources++
		h = fleet.Host{Agent: from, First: m.At, Relay: r.opts.Name}
	}
	if ok && h.Key != "" || m.At.Sub(h.Alive) < r.saveEvery() {
		return
	}
	h.Address, h.Last, h.Alive = from, m.At, m.At
	r.seen[from] = h
	r.unsaved[from] = true
}

// listenAuth opens the port where hosts enrol themselves.
func (r *Relay) listenAuth(ctx context.Context) (_ door, err error) {
	c := r.opts.Config.Auth
	o := authd.Options{
		Address: address(r.home(), c.Port), UseSource: c.UseSourceIP, OldTLS: c.OldTLS, Report: r.opts.Report, Now: r.opts.Now,
		Enrol: func(ctx context.Context, q fleet.Request) (fleet.Key, error) {
			k, err := r.opts.Fleet.Enrol(ctx, q)
			select {
			case r.look <- struct{}{}: // its host comes next
			default:
			}
			return k, err
		},
	}
	if o.Password, err = r.opts.Password(ctx); err != nil {
		return door{}, err
	}
	o.NoPassword = c.Password == ""
	if o.Cert, err = r.certificate(); err != nil {
		return door{}, err
	}
	if c.CA != "" {
		pem, err := os.ReadFile(c.CA)
		if err != nil {
			return door{}, fmt.Errorf("certificates of <ssl_agent_ca>: %w", err)
		}
		if o.CAs = x509.NewCertPool(); !o.CAs.AppendCertsFromPEM(pem) {
			return door{}, fmt.Errorf("<ssl_agent_ca> %s: no certificate in PEM is in it", c.CA)
		}
	}
	s, err := authd.Listen(o)
	if err != nil {
		return door{}, busy("enrolment", err)
	}
	r.opened("enrolment", s.Addr())
	return door{s.Serve, func() { _ = s.Close() }}, nil
}

// certificate returns enrolment's certificate, one that is made if none is configured.
func (r *Relay) certificate() (tls.Certificate, error) {
	c := r.opts.Config.Auth
	if c.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(c.Certificate, c.Key)
		if err != nil {
			return pair, fmt.Errorf("certificate of enrolment: %w", err)
		}
		return pair, nil
	}
	pair, made, err := authd.Certificate(r.opts.Dir, r.names(), r.opts.Now())
	if err == nil && made {
		r.opts.Report(fmt.Sprintf("enrolment: made a certificate in %s; agents that check it (agent-auth -v) need a copy of sslmanager.cert", r.opts.Dir))
	}
	return pair, err
}

// names are what hosts may call this one by: agent-auth looks for the very name or address that it was given.
func (r *Relay) names() []string {
	names := []string{r.opts.Name, "localhost"}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return names
	}
	for _, a := range addresses {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil {
			names = append(names, prefix.Addr().String())
		}
	}
	return names
}

// password reads enrolment's password where the configuration says.
func (o *Options) password(context.Context) (string, error) {
	where := o.Config.Auth.Password
	if where == "" {
		return "", nil
	}
	path, ok := strings.CutPrefix(where, "file:")
	if !ok {
		return "", fmt.Errorf("<password> %s: only file:/PATH can be read here", where)
	}
	password, made, err := authd.Password(path)
	if err == nil && made {
		o.Report(fmt.Sprintf("enrolment: made a password, in %s: agent-auth -m THIS_HOST -P FILE_WITH_IT", path))
	}
	return password, err
}
