// Package faults is a loopback proxy in front of the emulated Kinesis and DynamoDB that lets them fail as AWS does: the emulators never fail
// on their own, and refuse nothing for being too fast.
//
//	client ──► Proxy ──► emulator
//	            │ cut before      nothing is stored, the connection breaks
//	            │ 500             nothing is stored, InternalFailure
//	            │ throttle        nothing is stored, or only a part of PutRecords and BatchGetItem
//	            │ conflict        a transaction is cancelled with TransactionConflict
//	            └ cut after       it IS stored, the connection breaks before the answer
//
// What happens to the n-th request of an operation depends on the seed, the operation and n alone, so one seed gives one run as far as the
// clients ask in the same order.
package faults

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Rates are the shares, 0 to 1, of requests that fail in each way.
type Rates struct {
	CutBefore float64 // the connection breaks, nothing is stored
	Error500  float64 // InternalFailure, nothing is stored
	Throttle  float64 // refused for being too fast, nothing is stored
	Partial   float64 // of PutRecords' records, BatchGetItem's and BatchWriteItem's tables: refused, the others done
	Conflict  float64 // of TransactWriteItems: cancelled with TransactionConflict, nothing is stored
	CutAfter  float64 // all is stored, then the connection breaks
}

// Limits are a Kinesis shard's, per second. Zero means none.
type Limits struct {
	Bytes   int // written; Kinesis allows 1 MiB
	Records int // written; 1,000
	Reads   int // calls of GetRecords; 5
}

// ShardLimits are Kinesis's own.
var ShardLimits = Limits{Bytes: 1 << 20, Records: 1000, Reads: 5}

// Options are what a Proxy is made of.
type Options struct {
	Target string // the emulator, "http://127.0.0.1:4567"
	Seed   uint64
	Rates  Rates
	Shard  Limits           // for Kinesis
	Now    func() time.Time // what Limits are measured by

	// At, if set, is told of each request that isn't refused, before it is done and once more when it is done and not yet answered. What it does
	// (have the caller killed, say) holds the request up. It is called by several goroutines at a time.
	At func(Moment)
}

// Moment is where a request is on its way.
type Moment struct {
	Request   *http.Request
	Operation string
	Done      bool // the emulator has done it
}

// Proxy is the emulator behind it, with faults.
type Proxy struct {
	URL string

	target string
	seed   uint64
	at     func(Moment)
	client *http.Client
	server *http.Server
	shards *shards

	mu       sync.Mutex
	rates    Rates
	requests map[string]int
	injected map[string]int
}

// Serve starts a proxy on a free port of 127.0.0.1.
func Serve(o Options) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{
		URL: "http://" + listener.Addr().String(), target: o.Target, seed: o.Seed, rates: o.Rates,
		client:   &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100, DisableCompression: true}},
		requests: map[string]int{}, injected: map[string]int{}, at: o.At,
	}
	if p.at == nil {
		p.at = func(Moment) {}
	}
	p.shards = newShards(o.Shard, o.Now, p)
	p.server = &http.Server{Handler: p, ReadHeaderTimeout: time.Minute}
	go func() { _ = p.server.Serve(listener) }() // ends with Close
	return p, nil
}

// Close ends the proxy and cuts its connections.
func (p *Proxy) Close() {
	_ = p.server.Close()
	p.client.CloseIdleConnections()
}

// SetRates changes how often requests fail from now on.
func (p *Proxy) SetRates(r Rates) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rates = r
}

// Requests returns how many requests came, by operation.
func (p *Proxy) Requests() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.requests)
}

// Injected returns how many faults there were, by kind: "cut before", "500", "throttle", "partial", "conflict", "cut after" for those at
// random; "shard limit" for those of Limits, where PutRecords counts by record.
func (p *Proxy) Injected() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.injected)
}

func (p *Proxy) count(kind string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.injected[kind]++
}

// request is one of a client's.
type request struct {
	*http.Request
	op     string // "PutRecords"
	body   []byte
	rates  Rates
	random *rand.Rand
}

// answer is what is said to the client.
type answer struct {
	code   int
	header http.Header
	body   []byte
}

// next reads a request and says by which chance it is judged.
func (p *Proxy) next(r *http.Request) (*request, error) {
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, 32<<20))
	if err != nil {
		return nil, err
	}
	_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests[op]++
	hash := fnv.New64a()
	hash.Write([]byte(fmt.Sprint(op, p.requests[op])))
	return &request{Request: r, op: op, body: body, rates: p.rates, random: rand.New(rand.NewPCG(p.seed, hash.Sum64()))}, nil
}

// ServeHTTP forwards one request, or lets it fail.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	req, err := p.next(r)
	if err != nil {
		panic(http.ErrAbortHandler) // the client is gone
	}
	cutBefore, cutAfter := req.chance(req.rates.CutBefore), req.chance(req.rates.CutAfter)
	if cutBefore {
		p.count("cut before")
		panic(http.ErrAbortHandler)
	}
	a := p.refuse(req)
	if a == nil {
		p.at(Moment{r, req.op, false})
		if a, err = p.do(req); err != nil {
			panic(http.ErrAbortHandler)
		}
		p.at(Moment{r, req.op, true})
		if cutAfter {
			p.count("cut after")
			panic(http.ErrAbortHandler)
		}
	}
	maps.Copy(w.Header(), a.header)
	w.WriteHeader(a.code)
	_, _ = w.Write(a.body) // fails if the client is gone
}

func (r *request) chance(rate float64) bool { return r.random.Float64() < rate }

// refuse returns the answer to a request that is not done at all, nil for the others.
func (p *Proxy) refuse(r *request) *answer {
	failed, throttled, conflict := r.chance(r.rates.Error500), r.chance(r.rates.Throttle), r.chance(r.rates.Conflict)
	switch {
	case failed:
		p.count("500")
		return problem(http.StatusInternalServerError, "InternalFailure", "The request processing has failed because of an unknown error.")
	case throttled:
		p.count("throttle")
		kind := []string{"ProvisionedThroughputExceededException", "ThrottlingException"}[r.random.IntN(2)]
		return problem(http.StatusBadRequest, kind, "Rate exceeded.")
	case conflict && r.op == "TransactWriteItems":
		p.count("conflict")
		return cancelled(r)
	}
	return nil
}

// do lets the emulator do the request, or that part of it that isn't refused.
func (p *Proxy) do(r *request) (*answer, error) {
	switch r.op {
	case "PutRecords":
		return p.shards.putRecords(r)
	case "PutRecord":
		return p.shards.putRecord(r)
	case "GetRecords", "GetShardIterator":
		return p.shards.read(r)
	case "BatchGetItem", "BatchWriteItem":
		return p.batch(r)
	}
	return p.forward(r.Request, r.op, r.body)
}

// forward asks the emulator. A request of our own (another op than the client's) goes under the client's signature, which no emulator checks.
func (p *Proxy) forward(from *http.Request, op string, body []byte) (*answer, error) {
	out, err := http.NewRequestWithContext(from.Context(), from.Method, p.target+from.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	out.Header = from.Header.Clone()
	if service, _, found := strings.Cut(from.Header.Get("X-Amz-Target"), "."); found {
		out.Header.Set("X-Amz-Target", service+"."+op)
	}
	resp, err := p.client.Do(out)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	header := resp.Header
	header.Del("Content-Length")
	return &answer{resp.StatusCode, header, got}, err
}

// problem is an error as Kinesis and DynamoDB write it.
func problem(code int, kind, message string) *answer {
	return say(code, map[string]any{"__type": kind, "message": message})
}

func say(code int, content any) *answer {
	body, err := json.Marshal(content)
	if err != nil {
		panic(err) // maps of strings and numbers, and what was JSON before
	}
	return &answer{code, http.Header{"Content-Type": {"application/x-amz-json-1.1"}}, body}
}
