package uplink_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/agent/uplink"
	"github.com/yagura-hids/yagura/internal/codec"
)

// store is a server that stores batches, with a fault for each request in its turn.
type store struct {
	t      *testing.T
	faults []string

	mu       sync.Mutex
	requests int
	got      []uint64 // the first numbers of what was stored
	late     sync.WaitGroup
}

func (s *store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	fault := s.faults[s.requests%len(s.faults)]
	s.requests++
	s.mu.Unlock()
	switch fault {
	case "cut":
		panic(http.ErrAbortHandler)
	case "cut in the body":
		_, _ = io.CopyN(io.Discard, r.Body, 10)
		panic(http.ErrAbortHandler)
	case "500":
		http.Error(w, "so it is", http.StatusInternalServerError)
		return
	case "429":
		w.Header().Set("Retry-After", "3")
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	s.store(r)
	switch fault {
	case "cut after":
		panic(http.ErrAbortHandler)
	case "too late": // it answers when the next try is under way, or done
		s.late.Add(1)
		defer s.late.Done()
		<-r.Context().Done()
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *store) store(r *http.Request) {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Error(err)
	}
	b, err := codec.Decode(data)
	if err != nil {
		s.t.Error(err)
		return
	}
	first, last := b.Events[0].ID.Seq, b.Events[len(b.Events)-1].ID.Seq
	want := http.Header{
		"Content-Type": {"application/x-yagura-batch"}, "Yagura-Agent": {"web1"}, "Yagura-Epoch": {"1234567890abcdef"},
		"Yagura-First": {strconv.FormatUint(first, 10)}, "Yagura-Last": {strconv.FormatUint(last, 10)}, "User-Agent": {"yagura"},
	}
	for name, values := range want {
		if !slices.Equal(r.Header[name], values) {
			s.t.Errorf("%s: %q, want %q", name, r.Header[name], values)
		}
	}
	if user, password, ok := r.BasicAuth(); !ok || user != "ann" || password != "secret" {
		s.t.Errorf("user %q, password %q", user, password)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, first)
}

// Whatever happens on the way, each batch is stored, in its order; some more than once, where the answer was lost.
func TestHTTPThroughFaults(t *testing.T) {
	s := &store{t: t, faults: []string{"", "cut", "500", "", "too late", "429", "cut after", "cut in the body", "", "500", "cut after", "", ""}}
	server := httptest.NewServer(s)
	defer server.Close()
	defer s.late.Wait()
	var w waits
	up, err := uplink.Open(strings.Replace(server.URL, "://", "://ann:secret@", 1)+"/in", uplink.Options{
		Wait: w.wait, Timeout: 200 * time.Millisecond, Random: func() float64 { return 0 },
	})
	if err != nil {
		t.Fatal(err)
	}
	var want []uint64
	for i := range uint64(40) {
		want = append(want, 1+i*100)
		if err := up.Send(t.Context(), batch(t, 1+i*100, 100)); err != nil {
			t.Fatal(err)
		}
	}
	s.late.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if once := slices.Compact(slices.Clone(s.got)); !slices.Equal(once, want) {
		t.Errorf("stored in this order: %d", once)
	}
	if len(s.got) == len(want) {
		t.Error("none came twice")
	}
	stats := up.Stats()
	if stats.Batches != 40 || stats.Tries != 40+len(w) || stats.Throttled == 0 {
		t.Errorf("%+v after %d waits", stats, len(w))
	}
	if n := len(slices.DeleteFunc(slices.Clone(w), func(d time.Duration) bool { return d != 3*time.Second })); n != stats.Throttled {
		t.Errorf("%d waits of Retry-After's 3 s, %d throttled: %v", n, stats.Throttled, w)
	}
	if strings.Contains(up.String(), "secret") {
		t.Error(up)
	}
}

// answer is a server that answers each request alike.
func answer(t *testing.T, code int, header ...string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		fmt.Fprint(w, "this is\x1b[31m why")
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestHTTPRefused(t *testing.T) {
	for code, text := range map[int]string{
		400: "400 Bad Request: this is [31m why; see that what listens", 401: "USER:PASSWORD", 403: "allow this user", 404: "path", 405: "POST",
		413: "1 MiB", 415: "x-yagura-batch", 301: "points to", 307: "points to",
	} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			up, err := uplink.HTTP(answer(t, code, "Location", "http://127.0.0.1:1/"), uplink.Options{Wait: noWait(t)})
			if err != nil {
				t.Fatal(err)
			}
			if err := up.Send(t.Context(), batch(t, 1, 1)); !errors.Is(err, uplink.ErrRefused) || !strings.Contains(err.Error(), text) {
				t.Errorf("%v, want %q", err, text)
			}
			if err := up.Check(t.Context()); (err == nil) != (code == 405) {
				t.Errorf("check: %v", err)
			}
		})
	}
}

// What asks for a pause gets it, up to a bound.
func TestHTTPRetryAfter(t *testing.T) {
	for after, want := range map[string]time.Duration{
		"7": 7 * time.Second, "": 0, "-1": 0, "soon": 0, "99999999": 10 * time.Minute, "99999999999999999999": 0,
		"Tue, 24 Nov 2026 12:00:30 GMT": 30 * time.Second, "Tue, 24 Nov 2026 11:00:30 GMT": 0, "Wed, 25 Nov 2026 12:00:30 GMT": 10 * time.Minute,
	} {
		t.Run(after, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			up, err := uplink.HTTP(answer(t, 503, "Retry-After", after, "Date", "Tue, 24 Nov 2026 12:00:00 GMT"), uplink.Options{
				Random: func() float64 { return 0 },
				Wait: func(_ context.Context, d time.Duration) error {
					if d != want {
						t.Errorf("waits %s, want %s", d, want)
					}
					cancel()
					return context.Canceled
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := up.Send(ctx, batch(t, 1, 1)); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "503 Service Unavailable") {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestHTTPCheck(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	url := server.URL
	server.Close()
	up, err := uplink.HTTP(url, uplink.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := up.Check(t.Context()); err == nil || errors.Is(err, uplink.ErrRefused) || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("%v", err)
	}
}

// A certificate that nobody here trusts is a person's matter. (What the server writes to its log about it is in the way.)
func TestHTTPSStranger(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	up, err := uplink.Open(server.URL, uplink.Options{Wait: noWait(t)})
	if err != nil {
		t.Fatal(err)
	}
	if err := up.Send(t.Context(), batch(t, 1, 1)); !errors.Is(err, uplink.ErrRefused) || !strings.Contains(err.Error(), "SSL_CERT_FILE") {
		t.Errorf("%v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"": "want kinesis:STREAM, file:DIR, or https", "yagura": "want kinesis", "kinesis:": "want kinesis", "file:": "want kinesis", "ftp://x/": "want kinesis",
		"https://": "want https://HOST/PATH", "http:x": "want https", "https://ann:sec%ret@host/": "address of the uplink",
	} {
		_, err := uplink.Open(name, uplink.Options{})
		if !errors.Is(err, uplink.ErrTarget) || !strings.Contains(err.Error(), text) || strings.Contains(err.Error(), "ann") {
			t.Errorf("%q: %v, want %q", name, err, text)
		}
	}
}
