package dynamo_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/yagura-hids/yagura/internal/emulated"
	"github.com/yagura-hids/yagura/internal/emulated/emulatedtest"
	"github.com/yagura-hids/yagura/internal/table"
	"github.com/yagura-hids/yagura/internal/table/dynamo"
	"github.com/yagura-hids/yagura/internal/table/dynamo/dynamotest"
	"github.com/yagura-hids/yagura/internal/table/tabletest"
)

func TestTable(t *testing.T) {
	local := emulatedtest.Start(t, emulated.DynamoDB)
	tabletest.Run(t, tabletest.Adapter{Transactions: true, Open: func(t *testing.T, schemas ...*table.Schema) table.Table {
		return dynamotest.Open(t, local, schemas...)
	}})
}

// Dynalite refuses what AWS refuses, has no transactions, and compares strings as JavaScript does.
func TestTableDynalite(t *testing.T) {
	lite := emulatedtest.Start(t, emulated.Dynalite)
	tabletest.Run(t, tabletest.Adapter{UTF16: true, Open: func(t *testing.T, schemas ...*table.Schema) table.Table {
		return dynamotest.Open(t, lite, schemas...)
	}})
}

// faults is a DynamoDB that fails as often as it is told to.
type faults struct {
	proxy *httputil.ReverseProxy
	mu    sync.Mutex
	plan  func(n int, action string) fault // for the nth request
	n     int
	seen  []string // the actions asked for
}

type fault int

const (
	none      fault = iota
	lost            // done, and the connection cut instead of an answer
	half            // done, and the answer cut in its middle
	unheard         // not done, connection cut
	broken          // not done, 500
	throttled       // not done, 400
)

func newFaults(t *testing.T, target string) (*faults, string) {
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	f := &faults{proxy: httputil.NewSingleHostReverseProxy(u)}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return f, server.URL
}

func (f *faults) next(action string) fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
	f.seen = append(f.seen, action)
	if f.plan == nil {
		return none
	}
	return f.plan(f.n, action)
}

func (f *faults) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	switch f.next(action) {
	case none:
		f.proxy.ServeHTTP(w, r)
	case lost:
		f.proxy.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	case half:
		rec := httptest.NewRecorder()
		f.proxy.ServeHTTP(rec, r)
		w.Header().Set("Content-Length", "1000")
		w.WriteHeader(rec.Code)
		_, _ = io.WriteString(w, "{")
		panic(http.ErrAbortHandler)
	case unheard:
		panic(http.ErrAbortHandler)
	case broken:
		http.Error(w, `{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError"}`, http.StatusInternalServerError)
	case throttled:
		http.Error(w, `{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"}`, http.StatusBadRequest)
	}
}

// atOnce waits not at all.
func atOnce(ctx context.Context, _ int) error { return ctx.Err() }

// faulty returns the test tables behind faults.
func faulty(t *testing.T, local string) (*faults, table.Table) {
	prefix := strings.ReplaceAll(t.Name(), "/", ".") + "-"
	for _, s := range []*table.Schema{tabletest.Things, tabletest.Notes} {
		dynamotest.Create(t, dynamotest.Client(local), prefix+s.Name, s)
	}
	f, url := newFaults(t, local)
	return f, dynamo.New(dynamotest.Client(url), dynamo.Options{Name: func(name string) string { return prefix + name }, Wait: atOnce})
}

func note(key, who string) table.Op {
	return table.Op{Table: tabletest.Notes, Item: table.Fields{"key": key, "who": who}, If: table.Condition{Absent: true}}
}

func TestThroughFaults(t *testing.T) {
	local := emulatedtest.Start(t, emulated.DynamoDB)
	for name, test := range map[string]func(*testing.T, string){
		"one fault": oneFault, "increments": incrementsWithFaults, "signatures": signaturesWithFaults, "giving up": givesUp,
		"one put is PutItem": onePutIsPutItem,
	} {
		t.Run(name, func(t *testing.T) { test(t, local) })
	}
}

// A commit whose answer is lost is done once, whatever happens to the first attempts.
func oneFault(t *testing.T, local string) {
	for name, bad := range map[string]fault{"lost": lost, "half": half, "unheard": unheard, "broken": broken, "throttled": throttled} {
		t.Run(name, func(t *testing.T) {
			f, tab := faulty(t, local)
			for i, ops := range [][]table.Op{{note("1", "me")}, {note("2", "me"), note("3", "me")}} {
				f.n, f.plan = 0, func(n int, _ string) fault {
					if n < 3 {
						return bad
					}
					return none
				}
				if err := tab.Commit(t.Context(), ops); err != nil {
					t.Errorf("commit %d: %v", i, err)
				}
				var c *table.ConflictError
				for j := range ops {
					ops[j].Item["who"] = "another"
				}
				f.plan = nil
				if err := tab.Commit(t.Context(), ops); !errors.As(err, &c) || len(c.Ops) != len(ops) {
					t.Errorf("the same by another: %v", err)
				}
				f.n, f.plan = 0, func(n int, _ string) fault { return map[bool]fault{true: bad, false: none}[n == 1] }
				items, err := tab.Get(t.Context(), tabletest.Notes, []table.Key{{Partition: "1"}, {Partition: "none"}})
				if err != nil || items[0].String("who") != "me" || items[1] != nil {
					t.Errorf("get: %v, %v", items, err)
				}
				f.n = 0
				page, err := tab.Query(t.Context(), table.Query{Table: tabletest.Notes, Partition: "1"})
				if err != nil || len(page.Items) != 1 {
					t.Errorf("query: %v, %v", page, err)
				}
			}
		})
	}
}

// everyThird loses some answers and throttles some requests.
func everyThird(n int, _ string) fault { return map[int]fault{0: lost, 2: half, 4: throttled}[n%7] }

// together lets four goroutines do something eight times each.
func together(t *testing.T, do func(who string) error) {
	t.Helper()
	var group sync.WaitGroup
	for who := range 4 {
		group.Go(func() {
			for n := range 8 {
				if err := do(fmt.Sprintf("%d/%d,", who, n)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}

// Many count up two items together while answers are lost: every increment counts once, for the service knows a transaction again.
func incrementsWithFaults(t *testing.T, local string) {
	f, tab := faulty(t, local)
	f.plan = everyThird
	together(t, func(who string) error { return tabletest.Increment(t, tab, who, "a", "b") })
	items, err := tab.Get(t.Context(), tabletest.Notes, []table.Key{{Partition: "a"}, {Partition: "b"}})
	if err != nil || items[0].Int("count") != 32 || items[1].Int("count") != 32 {
		t.Errorf("%v, %v", items, err)
	}
}

// Many sign one item while answers are lost. Who finds his name there after a conflict was done: so does the engine's memory with events.
func signaturesWithFaults(t *testing.T, local string) {
	f, tab := faulty(t, local)
	f.plan = everyThird
	together(t, func(who string) error {
		for {
			items, err := tab.Get(t.Context(), tabletest.Notes, []table.Key{{Partition: "a"}})
			if err != nil || strings.Contains(items[0].String("names"), who) {
				return err
			}
			version := items[0].Int("version")
			err = tab.Commit(t.Context(), []table.Op{{
				Table: tabletest.Notes, Item: table.Fields{"key": "a", "version": version + 1, "names": items[0].String("names") + who},
				If: table.Condition{Field: "version", Equal: version, Missing: version == 0},
			}})
			var c *table.ConflictError
			if !errors.As(err, &c) {
				return err
			}
		}
	})
	items, err := tab.Get(t.Context(), tabletest.Notes, []table.Key{{Partition: "a"}})
	if err != nil || items[0].Int("version") != 32 || strings.Count(items[0].String("names"), ",") != 32 {
		t.Errorf("%v, %v", items, err)
	}
}

// What lasts is told at once; what passes, when the context ends.
func givesUp(t *testing.T, local string) {
	f, tab := faulty(t, local)
	other := &table.Schema{Name: "other", Partition: "key"}
	_, err := tab.Get(t.Context(), other, []table.Key{{Partition: "k"}})
	var missing *types.ResourceNotFoundException
	if !errors.As(err, &missing) || !strings.Contains(err.Error(), "-other") {
		t.Errorf("no such table: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	f.n, f.plan = 0, func(n int, _ string) fault {
		if n == 5 {
			cancel()
		}
		return throttled
	}
	err = tab.Commit(ctx, []table.Op{note("1", "me"), note("2", "me")})
	if !errors.Is(err, context.Canceled) || f.n != 5 {
		t.Errorf("%d attempts, %v", f.n, err)
	}
	f.plan = nil
	items, err := tab.Get(t.Context(), tabletest.Notes, []table.Key{{Partition: "1"}, {Partition: "2"}})
	if err != nil || items[0] != nil || items[1] != nil {
		t.Errorf("%v, %v", items, err)
	}
}

// One put is a PutItem, which costs half of a transaction.
func onePutIsPutItem(t *testing.T, local string) {
	f, tab := faulty(t, local)
	check := note("2", "")
	check.Check, check.Item = true, table.Fields{"key": "2"}
	for _, ops := range [][]table.Op{{note("1", "")}, {check}, {note("3", ""), check}} {
		if err := tab.Commit(t.Context(), ops); err != nil {
			t.Error(err)
		}
	}
	if got := strings.Join(f.seen, " "); got != "PutItem TransactWriteItems TransactWriteItems" {
		t.Error(got)
	}
}
