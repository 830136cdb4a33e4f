package local_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/yagura-hids/yagura/internal/alertstore"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/fleet"
	"github.com/yagura-hids/yagura/internal/local"
	"github.com/yagura-hids/yagura/internal/table"
	"github.com/yagura-hids/yagura/internal/table/bolt"
	"github.com/yagura-hids/yagura/internal/table/tabletest"
)

// shortDir is a folder whose sockets may have a name: those have about 100 bytes.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "yagura")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// The tables of the running process do what every table must.
func TestRemoteTable(t *testing.T) {
	tabletest.Run(t, tabletest.Adapter{Transactions: true, Open: func(t *testing.T, schemas ...*table.Schema) table.Table {
		dir := shortDir(t)
		db, err := bbolt.Open(filepath.Join(dir, "test.db"), 0o600, &bbolt.Options{NoSync: true})
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("unix", filepath.Join(dir, local.SocketName))
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{Handler: local.ServeTables(bolt.New(db), schemas...), ReadHeaderTimeout: time.Second}
		ended := make(chan error, 1)
		go func() { ended <- server.Serve(l) }()
		t.Cleanup(func() {
			if err := errors.Join(server.Close(), db.Close()); err != nil {
				t.Error(err)
			}
			<-ended
		})
		return local.Remote(dir)
	}})
}

// fleetChild is a yagura that serves the data directory args[0] until it is killed, or its parent is gone. It writes a byte when it serves.
func fleetChild(args []string) error {
	s, err := local.Open(args[0])
	if err != nil {
		return err
	}
	return errors.Join(serveUntilTold(s), s.Close())
}

func serveUntilTold(s *local.Store) error {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = os.Stdin.Read(make([]byte, 1))
		cancel()
	}()
	_, err := local.Run(ctx, local.Options{Store: s, Source: &telling{}, Report: func(m string) { fmt.Fprintln(os.Stderr, m) }})
	return err
}

// telling is a source without events, which tells the parent that Run has come to it.
type telling struct{ scripted }

func (s *telling) Next(ctx context.Context) (local.Batch, error) {
	if _, err := os.Stdout.Write([]byte{'.'}); err != nil {
		return local.Batch{}, err
	}
	return s.scripted.Next(ctx)
}

// fleetOf returns the fleet of a data directory until the test ends.
func fleetOf(t *testing.T, dir string) (*fleet.Store, table.Table, func()) {
	t.Helper()
	tab, done, err := local.Fleet(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return fleet.New(tab, fleet.Options{}), tab, func() {
		if err := done(); err != nil {
			t.Error(err)
		}
	}
}

func names(t *testing.T, s *fleet.Store) string {
	t.Helper()
	keys, err := s.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, k := range keys {
		list = append(list, k.ID+" "+k.Name)
	}
	return strings.Join(list, ", ")
}

func enrol(t *testing.T, s *fleet.Store, name string) {
	t.Helper()
	if _, err := s.Enrol(t.Context(), fleet.Request{Name: name, From: netip.MustParseAddr("192.0.2.1")}); err != nil {
		t.Error(err)
	}
}

// The fleet is the same one before a yagura runs there, while it does, and after it was killed.
func TestFleet(t *testing.T) {
	dir := shortDir(t)
	s, _, done := fleetOf(t, dir)
	enrol(t, s, "before")
	done()
	child := start(t, "fleet", dir)
	if _, err := child.out.ReadByte(); err != nil {
		t.Fatal(err)
	}
	s, tab, done := fleetOf(t, dir)
	if got := names(t, s); got != "1024 before" {
		t.Errorf("asked, it has %s", got)
	}
	enrol(t, s, "while")
	var conflict *table.ConflictError
	twice := table.Op{Table: fleet.Schema, Item: table.Fields{"agent": "names", "item": "while"}, If: table.Condition{Absent: true}}
	if err := tab.Commit(t.Context(), []table.Op{twice}); !errors.As(err, &conflict) || !reflect.DeepEqual(conflict.Ops, []int{0}) {
		t.Errorf("a conflict: %v", err)
	}
	if _, err := tab.Query(t.Context(), table.Query{Table: alertstore.InFile, Partition: "web1"}); !errors.Is(err, table.ErrInvalid) {
		t.Errorf("another table: %v", err)
	}
	if _, err := local.Open(dir); !errors.Is(err, local.ErrLocked) {
		t.Errorf("the file: %v", err)
	}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			s, _, done := fleetOf(t, dir)
			defer done()
			for j := range 10 {
				enrol(t, s, fmt.Sprintf("many-%d-%d", i, j))
			}
		})
	}
	wg.Wait()
	if err := child.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	child.ends(t)
	if err := s.Remove(t.Context(), "while"); !errors.Is(err, local.ErrNotRunning) {
		t.Errorf("killed: %v", err)
	}
	done()
	s, _, done = fleetOf(t, dir)
	defer done()
	got := names(t, s)
	for _, name := range []string{"1024 before", "1025 while", "many-3-9"} {
		if !strings.Contains(got, name) {
			t.Errorf("after the kill there is no %s in %s", name, got)
		}
	}
	if n := strings.Count(got, ","); n != 41 {
		t.Errorf("%d keys, want 42", n+1)
	}
	if st, err := os.Stat(filepath.Join(dir, local.FileName)); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("keys are in a file of mode %v, %v", st.Mode(), err)
	}
}

// Several that change the fleet of a directory where nobody runs wait for each other.
func TestFleetOfMany(t *testing.T) {
	dir := shortDir(t)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			s, _, done := fleetOf(t, dir)
			enrol(t, s, fmt.Sprint("host-", i))
			done()
		})
	}
	wg.Wait()
	s, _, done := fleetOf(t, dir)
	defer done()
	if got := names(t, s); strings.Count(got, "host-") != 4 {
		t.Errorf("%s", got)
	}
}

// An answer has a bound, and what is asked for comes all the same; a call has one, too.
func TestFleetBounds(t *testing.T) {
	dir := shortDir(t)
	store := open(t, dir)
	s := fleet.New(store.Tables(), fleet.Options{})
	stop := serving(t, store)
	defer stop()
	there, tab, done := fleetOf(t, dir)
	defer done()
	var keys []table.Key
	for i := range 40 { // 12 MB
		item := table.Fields{"agent": "large", "item": fmt.Sprintf("%02d", i), "text": bytes.Repeat([]byte{byte(i)}, 300<<10)}
		if err := store.Tables().Commit(t.Context(), []table.Op{{Table: fleet.Schema, Item: item}}); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, table.Key{Partition: "large", Sort: fmt.Sprintf("%02d", i)})
	}
	keys = append(keys, table.Key{Partition: "large", Sort: "none"})
	items, err := tab.Get(t.Context(), fleet.Schema, keys)
	if err != nil || len(items) != 41 || items[40] != nil {
		t.Fatal(len(items), err)
	}
	for i, item := range items[:40] {
		if text := item.Bytes("text"); len(text) != 300<<10 || text[0] != byte(i) {
			t.Errorf("item %d is another one", i)
		}
	}
	enrol(t, s, "inside")
	enrol(t, there, "outside")
	if got := names(t, s); got != "1024 inside, 1025 outside" {
		t.Error(got)
	}
	for what, body := range map[string][]byte{"no CBOR": []byte("{}"), "too much": append([]byte{0x5a, 0x7f, 0xff, 0xff, 0xff}, make([]byte, 9<<20)...)} {
		client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(dir, local.SocketName))
		}}}
		resp, err := client.Post("http://yagura/fleet", "application/cbor", bytes.NewReader(body))
		if err != nil { // it hung up before all was sent
			continue
		}
		if resp.Body.Close(); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %s", what, resp.Status)
		}
	}
}

// serving runs a store without events until stop is called.
func serving(t *testing.T, s *local.Store) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	reached, ended := make(chan bool), make(chan error, 1)
	go func() {
		_, err := local.Run(ctx, local.Options{Store: s, Source: &reaching{reached: reached}})
		ended <- err
	}()
	<-reached
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// reaching is a source without events, which tells when Run has come to it.
type reaching struct {
	scripted
	reached chan bool
}

func (s *reaching) Next(ctx context.Context) (local.Batch, error) {
	close(s.reached)
	return s.scripted.Next(ctx)
}

// A store of before there were fleets gets one, and keeps its alerts.
func TestFleetInOldStore(t *testing.T) {
	dir := shortDir(t)
	running(t, dir, nil)() // a store without a fleet
	running(t, dir, []*event.Alert{alert(1, noon, 5, 5716, "", "a"), alert(2, noon, 5, 5716, "", "b"), alert(3, noon, 5, 5716, "", "c")})()
	s, _, done := fleetOf(t, dir)
	if got := names(t, s); got != "" {
		t.Errorf("%s", got)
	}
	enrol(t, s, "web1")
	done()
	if got := queried(t, dir, alertstore.Filter{}); len(got) != 3 {
		t.Errorf("alerts %v", got)
	}
}

// FuzzCall: whatever is posted, it is answered without a panic.
func FuzzCall(f *testing.F) {
	db, err := bbolt.Open(filepath.Join(f.TempDir(), "test.db"), 0o600, &bbolt.Options{NoSync: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = db.Close() })
	handler := local.ServeTables(bolt.New(db), fleet.Schema)
	for _, text := range local.SampleCalls(fleet.Schema) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "/fleet", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		w := &recorder{header: http.Header{}}
		handler.ServeHTTP(w, r)
		if w.code >= 500 {
			t.Fatalf("%d: %s", w.code, w.body.String())
		}
	})
}

type recorder struct {
	header http.Header
	code   int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(code int)        { r.code = code }
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }
