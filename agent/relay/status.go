package relay

import (
	"strings"
	"time"

	"github.com/yagura-hids/yagura/agent/sender"
	"github.com/yagura-hids/yagura/agent/spool"
)

// Status is how a relay is.
type Status struct {
	Name      string            `json:"name"`
	Version   string            `json:"version"`
	Started   time.Time         `json:"started"`
	Now       time.Time         `json:"now"`
	Ports     []string          `json:"ports"`
	Keys      int               `json:"keys"`
	Hosts     int               `json:"hosts"`     // at work
	Datagrams map[string]uint64 `json:"datagrams"` // by what became of them; "dropped by the kernel" among them
	Spool     spool.Stats       `json:"spool"`
	Sent      sender.Sent       `json:"sent"`
	Trouble   map[string]string `json:"trouble,omitempty"` // what is wrong at the moment, by where
}

// Status returns how the relay is now.
func (r *Relay) Status() Status {
	s := Status{
		Name: r.opts.Name, Version: r.opts.Version, Started: r.started, Now: r.opts.Now(), Spool: r.opts.Spool.Stats(), Sent: r.sent(),
		Keys: len(r.keys.now.Load().all), Hosts: r.sessions.Stats().Sessions, Datagrams: map[string]uint64{}, Trouble: r.counters.wrong(),
	}
	for i := range r.counters.came {
		name, _, _ := strings.Cut(reasonWords[i], " - ")
		s.Datagrams[name] = r.counters.came[i].Load()
	}
	s.Datagrams["held too long"] = r.counters.held.Load()
	s.Datagrams["not understood"] = r.counters.unread.Load()
	s.Datagrams["answers not sent"] = r.counters.unsent.Load()
	r.mu.Lock()
	defer r.mu.Unlock()
	s.Ports = r.ports
	if r.udp != nil {
		s.Datagrams["dropped by the kernel"] = r.udp.Dropped()
	}
	return s
}

// stuck is how long keeping some events takes when something is wrong with the disk.
const stuck = 30 * time.Second

// sick says why this relay should get nothing for now; "" if it should.
func (r *Relay) sick() string {
	s := r.opts.Spool.Stats()
	if s.Bytes >= s.Max {
		return "the spool is full"
	}
	if since := r.keeping.Load(); since != 0 && r.opts.Now().Sub(time.Unix(0, since)) > stuck {
		return "the spool's disk takes nothing"
	}
	return ""
}
