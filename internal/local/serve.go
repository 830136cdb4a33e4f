package local

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/yagura-hids/yagura/internal/alertstore"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/fleet"
)

// SocketName is the name of the socket in the data directory, on which a running yagura answers.
const SocketName = "yagura.sock"

const nextHeader = "Yagura-Next"

// serve answers queries on the socket in the store's directory until stop is called.
//
//	GET /alerts?level=7&…   alerts as JSON lines, by ParseFilter's values; the header Yagura-Next continues the list
//	POST /fleet             a request for the fleet's table, and its answer, as CBOR
func serve(s *Store) (stop func() error, err error) {
	path := filepath.Join(filepath.Dir(s.path), SocketName)
	// Who has the store open is the only one to listen here: a socket that is there is a dead one's.
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove old socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w; a socket's path may be about 100 bytes long", path, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("protect socket: %w", err), l.Close())
	}
	server := &http.Server{Handler: handler(s), ReadHeaderTimeout: 10 * time.Second, WriteTimeout: time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	return func() error {
		err := server.Close()
		if e := <-ended; !errors.Is(e, http.ErrServerClosed) {
			return fmt.Errorf("serve %s: %w", path, e)
		}
		return err
	}, nil
}

func handler(s *Store) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /alerts", func(w http.ResponseWriter, r *http.Request) {
		f, err := alertstore.ParseFilter(r.URL.Query())
		var page alertstore.Page
		if err == nil {
			page, err = s.Query(r.Context(), f)
		}
		if err != nil {
			refuse(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/jsonl")
		w.Header().Set(nextHeader, page.Next)
		enc := json.NewEncoder(w)
		for _, a := range page.Alerts {
			if err := enc.Encode(a); err != nil {
				return // the asker is gone
			}
		}
	})
	mux.HandleFunc("POST /fleet", serveTables(s.Tables(), fleet.Schema))
	return mux
}

func refuse(w http.ResponseWriter, err error) {
	code := http.StatusInternalServerError
	if errors.Is(err, alertstore.ErrFilter) {
		code = http.StatusBadRequest
	}
	http.Error(w, err.Error(), code)
}

// Query returns the next page of the store's alerts; see [alertstore.Query].
func (s *Store) Query(ctx context.Context, f alertstore.Filter) (page alertstore.Page, err error) {
	err = s.guard(func() (err error) {
		page, err = alertstore.QueryIn(ctx, s.tables, alertstore.InFile, f)
		return err
	})
	if err != nil {
		return alertstore.Page{}, fmt.Errorf("%s: %w", s.path, err)
	}
	return page, nil
}

// Query returns the alerts stored in a data directory that f lists, up to its limit, whether a yagura runs there or not: it reads the file
// if nobody has it open, and asks the one who has.
func Query(ctx context.Context, dir string, f alertstore.Filter) (alertstore.Page, error) {
	s, err := openToRead(dir, time.Nanosecond)
	if err == nil {
		page, err := fill(ctx, f, s.Query)
		return page, errors.Join(err, s.Close())
	}
	if !errors.Is(err, ErrLocked) {
		return alertstore.Page{}, err
	}
	page, err := fill(ctx, f, func(ctx context.Context, f alertstore.Filter) (alertstore.Page, error) { return ask(ctx, dir, f) })
	if !errors.Is(err, ErrNotRunning) {
		return page, err
	}
	// It has the file and doesn't listen: it is starting or ending, or another query has the file.
	if s, err = openToRead(dir, time.Second/2); err != nil {
		return alertstore.Page{}, err
	}
	page, err = fill(ctx, f, s.Query)
	return page, errors.Join(err, s.Close())
}

// fill asks for pages until the limit is reached.
func fill(ctx context.Context, f alertstore.Filter, query func(context.Context, alertstore.Filter) (alertstore.Page, error)) (alertstore.Page, error) {
	var all alertstore.Page
	if f.Limit <= 0 {
		f.Limit = alertstore.DefaultLimit
	}
	for {
		p, err := query(ctx, f)
		if err != nil {
			return alertstore.Page{}, err
		}
		all.Alerts, all.Next = append(all.Alerts, p.Alerts...), p.Next
		f.Limit -= len(p.Alerts)
		f.After = p.Next
		if f.Limit <= 0 || p.Next == "" {
			return all, nil
		}
	}
}

// ErrNotRunning is returned when no yagura answers in the data directory.
var ErrNotRunning = errors.New("no yagura is running there")

// fetch gets a path from the running yagura, or posts a body to it.
func fetch(ctx context.Context, dir, method, path string, body []byte) (*http.Response, error) {
	socket := filepath.Join(dir, SocketName)
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w: %w", socket, ErrNotRunning, err)
	}
	client := http.Client{Transport: &http.Transport{
		DialContext:       func(context.Context, string, string) (net.Conn, error) { return conn, nil },
		DisableKeepAlives: true,
	}}
	req, err := http.NewRequestWithContext(ctx, method, "http://yagura"+path, bytes.NewReader(body))
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", socket, err)
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
		return nil, fmt.Errorf("ask %s: %s: %s", socket, resp.Status, strings.TrimSpace(string(text)))
	}
	return resp, nil
}

// ask gets one page from the running yagura.
func ask(ctx context.Context, dir string, f alertstore.Filter) (alertstore.Page, error) {
	resp, err := fetch(ctx, dir, http.MethodGet, "/alerts?"+f.Values().Encode(), nil)
	if err != nil {
		return alertstore.Page{}, err
	}
	defer resp.Body.Close()
	page := alertstore.Page{Next: resp.Header.Get(nextHeader)}
	dec := json.NewDecoder(bufio.NewReader(resp.Body))
	for {
		a := &event.Alert{}
		switch err := dec.Decode(a); {
		case err == io.EOF:
			return page, nil
		case err != nil:
			return alertstore.Page{}, fmt.Errorf("read answer from %s: %w", SocketName, err)
		}
		page.Alerts = append(page.Alerts, a)
	}
}
