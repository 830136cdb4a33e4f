package relay_test

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/yagura-hids/yagura/agent/relay"
	"github.com/yagura-hids/yagura/agent/relay/config"
	"github.com/yagura-hids/yagura/agent/relay/relaytest"
	"github.com/yagura-hids/yagura/agent/spool"
	"github.com/yagura-hids/yagura/agent/uplink"
	"github.com/yagura-hids/yagura/internal/codec"
	"github.com/yagura-hids/yagura/internal/fleet"
	"github.com/yagura-hids/yagura/internal/table/bolt"
	"github.com/yagura-hids/yagura/internal/wire"
)

var (
	serveDir  = flag.String("serve", "", "be a relay in this folder, with the keys that are in its fleet.db, until killed")
	servePort = flag.Int("port", 0, "of -serve")
	discard   = flag.Bool("discard", false, "with -serve: make batches, and throw them away")
	kills     = flag.Int("kills", 4, "how often TestKilled kills the relay")
)

func TestMain(m *testing.M) {
	flag.Parse()
	if *serveDir != "" {
		if err := serve(*serveDir, uint16(*servePort)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// serve is a relay as yagura-relay is one, with a fleet in a file.
func serve(dir string, port uint16) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	db, err := bbolt.Open(filepath.Join(dir, "fleet.db"), 0o600, &bbolt.Options{Timeout: 5 * time.Second})
	if err != nil {
		return err
	}
	defer db.Close()
	debug.SetGCPercent(400) // as yagura-relay does
	o := spool.Options{Agent: "relay-1", Random: rand.Reader, Report: say, Run: 16 << 20}
	o.Gather = 50 * time.Millisecond
	if *discard {
		o.Gather = time.Second
	}
	sp, err := spool.Open(filepath.Join(dir, "relay.db"), o)
	if err != nil {
		return err
	}
	defer sp.Close()
	conf := &config.Config{Remotes: []config.Remote{{UDP: true, Port: port, Address: loopback, Ciphers: config.Both}}}
	r, err := relay.New(ctx, relay.Options{
		Config: conf, Spool: sp, Dir: dir, Fleet: fleet.New(bolt.New(db), fleet.Options{}), Name: "relay-1", Version: "1.2", Report: say,
		Ready: func() { fmt.Println("ready") },
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	up := uplink.File(filepath.Join(dir, "out"), uplink.Options{})
	deliver := up.SendAll
	if *discard {
		deliver = func(context.Context, []codec.Encoded) error { return nil }
	}
	go func() { _ = r.Send(ctx, deliver) }()
	err = r.Run(ctx)
	fmt.Println(r.Status().Datagrams)
	return err
}

func say(msg string) { fmt.Fprintln(os.Stderr, msg) }

// server is a relay in a process of its own.
type server struct {
	testing.TB
	dir  string
	port uint16
	at   netip.AddrPort
	cmd  *exec.Cmd
	args []string
}

// newServer makes a fleet with keys, and starts a relay in a process of its own.
func newServer(t testing.TB, keys []fleet.Key, args ...string) (*server, []fleet.Key) {
	t.Helper()
	s := &server{TB: t, dir: t.TempDir(), args: args}
	if err := os.Mkdir(filepath.Join(s.dir, "out"), 0o700); err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(filepath.Join(s.dir, "fleet.db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	keys, err = fleet.New(bolt.New(db), fleet.Options{}).AddAll(t.Context(), keys)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	s.port = freePort(t)
	s.at = netip.AddrPortFrom(loopback, s.port)
	s.start()
	t.Cleanup(func() { s.kill() })
	return s, keys
}

func (s *server) start() {
	s.Helper()
	s.cmd = exec.Command(os.Args[0], append([]string{"-serve", s.dir, "-port", strconv.Itoa(int(s.port))}, s.args...)...)
	s.cmd.Stderr = os.Stderr
	out, err := s.cmd.StdoutPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		s.Fatal(err)
	}
	var word string
	if _, err := fmt.Fscan(out, &word); err != nil || word != "ready" {
		s.Fatalf("the relay says %q, %v", word, err)
	}
}

func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// delivered returns how often each text that begins with a prefix was delivered, by its agent.
func (s *server) delivered(prefix string) map[string]int {
	s.Helper()
	files, err := filepath.Glob(filepath.Join(s.dir, "out", "[^.]*.ygr"))
	if err != nil {
		s.Fatal(err)
	}
	ids, count := map[string]string{}, map[string]int{}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			s.Fatal(err)
		}
		b, err := codec.Decode(data)
		if err != nil {
			s.Fatal(err)
		}
		for _, ev := range b.Events {
			what := ev.ID.Agent + " " + ev.Text
			if was, ok := ids[ev.ID.String()]; ok && was != what {
				s.Fatalf("%s is %q and %q", ev.ID, was, what)
			} else if !ok && strings.HasPrefix(ev.Text, prefix) {
				count[what]++
			}
			ids[ev.ID.String()] = what
		}
	}
	return count
}

// Killed at any moment, the relay takes nothing twice of what it is sent again, and has lost nothing that it had kept.
func TestKilled(t *testing.T) {
	at, err := wire.ParseAddress("127.0.20.0/24")
	if err != nil {
		t.Fatal(err)
	}
	s, keys := newServer(t, []fleet.Key{{Key: wire.Key{Name: "web-asg", Address: at}}})
	hosts, err := relaytest.Shared(keys[0].Key, netip.MustParseAddr("127.0.20.1"), 20, s.at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { relaytest.Close(hosts) })
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	type shot struct {
		host     int
		datagram []byte
	}
	var sure, unsure []shot // that have been delivered; that were on their way when the relay was killed
	want := map[string]bool{}
	for round := range *kills + 1 {
		for _, h := range hosts {
			joinAgain(t, h)
		}
		for _, shots := range [][]shot{sure, unsure} {
			for _, x := range shots {
				must(hosts[x.host].Raw(x.datagram))
			}
		}
		for _, x := range sure {
			must(hosts[(x.host+7)%len(hosts)].Raw(x.datagram))
		}
		sure, unsure = append(sure, unsure...), nil
		burst := func(name string, n int) (shots []shot) {
			for i := range n {
				for k, h := range hosts {
					d, err := h.Next(fmt.Sprintf("1:/var/log/x:line %d %s %d", round, name, i))
					must(err)
					must(h.Raw(d))
					shots = append(shots, shot{k, d})
				}
			}
			return shots
		}
		first := burst("kept", 10)
		for i := range 10 {
			for _, h := range hosts {
				want[fmt.Sprintf("web-asg/%s line %d kept %d", h.Node, round, i)] = true
			}
		}
		deadline := time.Now().Add(20 * time.Second)
		for missing(s.delivered("line "), want) != "" {
			if time.Now().After(deadline) {
				t.Fatalf("round %d: %s was not delivered", round, missing(s.delivered("line "), want))
			}
			time.Sleep(20 * time.Millisecond)
		}
		sure = append(sure, first...)
		if round < *kills {
			unsure = burst("lost maybe", 5+round*3)
			s.kill()
			s.start()
		}
	}
	for what, n := range s.delivered("line ") {
		if n != 1 {
			t.Errorf("%s: %d times", what, n)
		}
	}
}

// missing returns what is wanted and not there.
func missing(got map[string]int, want map[string]bool) string {
	for what := range want {
		if got[what] == 0 {
			return what
		}
	}
	return ""
}

// joinAgain does what an agent does until it is answered.
func joinAgain(t testing.TB, h *relaytest.Host) {
	t.Helper()
	acks := h.Seen().Acks
	for end := time.Now().Add(20 * time.Second); h.Seen().Acks == acks; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s has no answer", h.Node)
		}
		_ = h.Startup() // an error is of an earlier try, when nobody listened
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	acks = h.Seen().Acks
	if err := h.Keepalive(); err != nil {
		t.Fatal(err)
	}
	if err := h.Await(ctx, func(s relaytest.Seen) bool { return s.Acks > acks }); err != nil {
		t.Fatal(err)
	}
}
