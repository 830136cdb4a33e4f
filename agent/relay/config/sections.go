package config

import (
	"cmp"
	"net/netip"
	"regexp"
	"strings"

	"github.com/yagura-hids/yagura/internal/osxml"
)

func (r *reader) remote(e *osxml.Element) {
	l := Remote{Ciphers: Both}
	both := true // families
	r.of(e, "queue_size rids_closing_time connection_overtake_time agents", map[string]func(*osxml.Element){
		"connection":      r.word("secure or syslog", map[string]func(){"secure": func() { l.Syslog = false }, "syslog": func() { l.Syslog = true }}),
		"port":            r.port(&l.Port),
		"protocol":        r.protocol(&l),
		"allowed-ips":     r.networks(&l.Allowed),
		"denied-ips":      r.networks(&l.Denied),
		"local_ip":        r.address(&l.Address),
		"ipv6":            r.yes(&both),
		"tls_certificate": r.path(&l.Certificate),
		"tls_key":         r.path(&l.Key),
		"crypto_accept": r.word("both, aes or blowfish", map[string]func(){
			"both": func() { l.Ciphers = Both }, "aes": func() { l.Ciphers = AES }, "blowfish": func() { l.Ciphers = Blowfish }}),
	})
	if !both && !l.Address.IsValid() {
		l.Address = netip.IPv4Unspecified()
	}
	if l.Syslog {
		r.syslog(e, &l)
	} else {
		r.secure(e, &l)
	}
	r.listen(e, l)
}

// syslog adds what is so of a listener of syslog, and finds what may not be.
func (r *reader) syslog(e *osxml.Element, l *Remote) {
	l.Port = cmp.Or(l.Port, SyslogPort)
	if !l.UDP && !l.TCP {
		l.UDP = true
	}
	if l.UDP && l.TCP {
		r.faults.Add(e.Pos, "write a <remote> for each", "remote: syslog by udp and tcp at once")
	}
	if len(l.Allowed) == 0 {
		r.faults.Add(e.Pos, "name the networks that may send: <allowed-ips>192.0.2.0/24</allowed-ips>", "remote: syslog without allowed-ips")
	}
	if (l.Certificate == "") != (l.Key == "") {
		r.faults.Add(e.Pos, "name both files", "remote: only one of tls_certificate and tls_key")
	}
	if l.Certificate != "" && !l.TCP {
		r.faults.Add(e.Pos, "write <protocol>tcp</protocol>", "remote: tls_certificate without tcp")
	}
}

// secure does so of a listener of agents.
func (r *reader) secure(e *osxml.Element, l *Remote) {
	l.Port = cmp.Or(l.Port, SecurePort)
	if !l.UDP && !l.TCP {
		l.UDP, l.TCP = true, true
	}
	if len(l.Allowed)+len(l.Denied) > 0 {
		r.unused("remote <allowed-ips>, <denied-ips> of agents, whose keys have addresses")
		l.Allowed, l.Denied = nil, nil
	}
	if l.Certificate != "" || l.Key != "" {
		r.faults.Add(e.Pos, "it is for syslog; leave it out", "remote: tls_certificate of agents, who encrypt otherwise")
	}
}

// listen adds a listener, if it is not one too many.
func (r *reader) listen(e *osxml.Element, l Remote) {
	for _, other := range r.config.Remotes {
		switch {
		case !l.Syslog && !other.Syslog:
			r.faults.Add(e.Pos, "one is enough, whose protocol is udp,tcp", "remote: a second one for agents")
			return
		case l.Port == other.Port && (l.UDP && other.UDP || l.TCP && other.TCP) && l.meets(other):
			r.faults.Add(e.Pos, "give one of them another <port>", "remote: port %d is listened to already", l.Port)
			return
		}
	}
	if len(r.config.Remotes) == MaxRemotes {
		r.faults.Add(e.Pos, "take some out; one may serve many networks", "remote: more than %d", MaxRemotes)
		return
	}
	r.config.Remotes = append(r.config.Remotes, l)
}

// meets tells whether two listeners may hear the same address.
func (l Remote) meets(other Remote) bool {
	all := func(a netip.Addr) bool { return !a.IsValid() || a.IsUnspecified() }
	return all(l.Address) || all(other.Address) || l.Address == other.Address
}

// word reads one of some words.
func (r *reader) word(hint string, words map[string]func()) func(*osxml.Element) {
	return func(e *osxml.Element) {
		if set, ok := words[text(e)]; ok {
			set()
			return
		}
		r.faults.Add(e.Pos, "write "+hint, "<%s> is %q", e.Name, text(e))
	}
}

func (r *reader) protocol(l *Remote) func(*osxml.Element) {
	return func(e *osxml.Element) {
		l.UDP, l.TCP = false, false
		for word := range strings.SplitSeq(e.Content, ",") {
			switch strings.ToLower(strings.TrimSpace(word)) {
			case "udp":
				l.UDP = true
			case "tcp":
				l.TCP = true
			default:
				r.faults.Add(e.Pos, "write udp, tcp, or for agents udp,tcp", "<protocol> is %q", text(e))
				return
			}
		}
	}
}

func (r *reader) address(into *netip.Addr) func(*osxml.Element) {
	return func(e *osxml.Element) {
		addr, err := netip.ParseAddr(text(e))
		if err != nil {
			r.faults.Add(e.Pos, "write an address of this host", "<%s> is %q", e.Name, text(e))
			return
		}
		*into = addr
	}
}

var passwordForm = regexp.MustCompile(`^(file:.+|ssm:[a-zA-Z0-9_./-]+)$`)

func (r *reader) auth(e *osxml.Element) {
	a := &r.config.Auth
	disabled, password := false, true
	r.of(e, "purge ciphers ssl_verify_host force limit_maxagents remote_enrollment agents force_insert force_time ipv6 key_request",
		map[string]func(*osxml.Element){
			"disabled":           r.yes(&disabled),
			"port":               r.port(&a.Port),
			"use_source_ip":      r.yes(&a.UseSourceIP),
			"use_password":       r.yes(&password),
			"password":           r.fitting(passwordForm, "write where it is: file:/PATH, or ssm:NAME of a parameter of AWS", &a.Password),
			"ssl_manager_cert":   r.path(&a.Certificate),
			"ssl_manager_key":    r.path(&a.Key),
			"ssl_agent_ca":       r.path(&a.CA),
			"ssl_auto_negotiate": r.yes(&a.OldTLS),
		})
	a.Enabled, r.authAt = !disabled, e.Pos
	if (a.Certificate == "") != (a.Key == "") {
		r.faults.Add(e.Pos, "name both files", "auth: only one of ssl_manager_cert and ssl_manager_key")
	}
	if file, ok := strings.CutPrefix(a.Password, "file:"); ok {
		a.Password = "file:" + r.whole(file)
	}
	if password && a.Password == "" {
		a.Password = "file:" + r.whole("authd.pass") // OSSEC's, too, if this is its etc/ossec.conf
	}
}

var (
	nameForm  = regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,64}$`)
	tableForm = regexp.MustCompile(`^dynamodb:[a-zA-Z0-9_.-]{3,255}$`)
)

func (r *reader) relay(e *osxml.Element) {
	l := &r.config.Relay
	r.of(e, "", map[string]func(*osxml.Element){
		"name":             r.fitting(nameForm, "write up to 64 letters, digits and . _ -", &l.Name),
		"fleet":            r.fitting(tableForm, "write dynamodb:TABLE, as dynamodb:yagura-fleet", &l.Fleet),
		"health_port":      r.port(&l.HealthPort),
		"strict_freshness": r.yes(&l.StrictFreshness),
	})
	l.Fleet = strings.TrimPrefix(l.Fleet, "dynamodb:")
	r.relayAt = e.Pos
}

// collisions finds ports of <auth> and <relay> that are others' already.
func (r *reader) collisions() {
	taken := map[uint16]string{}
	for _, l := range r.config.Remotes {
		if l.TCP {
			taken[l.Port] = "a <remote>'s"
		}
	}
	take := func(at osxml.Pos, what string, port uint16, whose string) {
		if taken[port] != "" {
			r.faults.Add(at, "give it another number", "%s %d is %s", what, port, taken[port])
		}
		taken[port] = whose
	}
	if a := r.config.Auth; a.Enabled {
		take(r.authAt, "auth: port", a.Port, "<auth>'s")
	}
	if p := r.config.Relay.HealthPort; p != 0 {
		take(r.relayAt, "relay: health_port", p, "<relay>'s")
	}
}
