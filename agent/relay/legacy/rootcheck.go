package legacy

import (
	"encoding/binary"
	"strings"

	"github.com/yagura-hids/yagura/internal/event"
)

// scans are what rootcheck and syscheck tell of their scans; rules know these texts.
var scans = []struct {
	text string
	note Note
}{
	{"Starting syscheck scan", SyscheckStarted}, {"Ending syscheck scan", SyscheckEnded},
	{"Starting rootcheck scan", RootcheckStarted}, {"Ending rootcheck scan", RootcheckEnded},
}

// finding reads a message of rootcheck. A text is told once, and then only kept as seen again, even if it was gone for a while.
func (k *Known) finding(m *Message) (Result, error) {
	text := strings.TrimSuffix(m.Text, "\n")
	if text == "" {
		return k.unknown(m, "findings of rootcheck"), nil
	}
	news := Result{Event: m.event(event.Rootcheck, text)}
	for _, s := range scans {
		if strings.HasPrefix(text, s.text) {
			news.Note = s.note
			if s.note == SyscheckEnded {
				return news, k.ended(m)
			}
			return news, k.heard(m, func(*state) {})
		}
	}
	at, key := place{m.Agent, findings}, clip(text, maxPath)
	was, known, err := k.get(at, key)
	if err != nil {
		return Result{}, err
	}
	now := binary.BigEndian.AppendUint64(nil, uint64(m.At.Unix()))
	if known && len(was) == 16 {
		k.put(at, key, was[:8]+string(now))
		return Result{}, nil
	}
	st, err := k.state(m.Agent)
	if err != nil {
		return Result{}, err
	}
	if st.Findings >= k.most.findings {
		k.tell(m, "findings", "rootcheck found more than %d things; further ones are told anew by each scan: clear what is known", k.most.findings)
		return news, nil
	}
	st.Findings++
	k.changed(m.Agent, st)
	k.put(at, key, string(now)+string(now))
	return news, nil
}

// ports reads what a scan of the network found:
//
//	Host: 192.0.2.7 (www.example.org), open ports: 22(tcp) 80(tcp)
//
// What is new becomes "hostinfo_new: Host: …", what has changed "hostinfo_modified: Host: …", after the decoders that it's judged under.
func (k *Known) ports(m *Message) (Result, error) {
	head, open, _ := strings.Cut(strings.TrimSuffix(m.Text, "\n"), ", ")
	head, ok := strings.CutPrefix(head, "Host: ")
	host, _, _ := strings.Cut(head, " ")
	if !ok || host == "" || len(host) > maxPath {
		return k.unknown(m, "messages of hosts' ports"), nil
	}
	at := place{m.Agent, hosts}
	was, known, err := k.get(at, host)
	if err != nil || known && was == open {
		return Result{}, err
	}
	news := "hostinfo_modified: "
	if !known {
		news = "hostinfo_new: "
		st, err := k.state(m.Agent)
		if err != nil {
			return Result{}, err
		}
		if st.Hosts >= k.most.hosts {
			k.tell(m, "hosts", "it tells the ports of more than %d hosts; further ones, such as %.200q, are left out: let it scan less", k.most.hosts, host)
			return Result{}, nil
		}
		st.Hosts++
		k.changed(m.Agent, st)
	}
	k.put(at, host, open)
	return Result{Event: m.event(event.AgentState, news+m.Text)}, nil
}
