package lambda

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// handler is the runtime API, version 2018-06-01, of one environment.
func (e *environment) handler() http.Handler {
	const base = "/2018-06-01/runtime"
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+base+"/invocation/next", e.next)
	mux.HandleFunc("POST "+base+"/invocation/{id}/response", func(w http.ResponseWriter, r *http.Request) { e.answer(w, r, false) })
	mux.HandleFunc("POST "+base+"/invocation/{id}/error", func(w http.ResponseWriter, r *http.Request) { e.answer(w, r, true) })
	mux.HandleFunc("POST "+base+"/init/error", e.initError)
	return mux
}

// next ends the invocation before, and waits for another.
func (e *environment) next(w http.ResponseWriter, r *http.Request) {
	e.asks()
	var inv *invocation
	select {
	case inv = <-e.work:
	case <-r.Context().Done():
		return
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Lambda-Runtime-Aws-Request-Id", inv.RequestID)
	header.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(inv.started.Add(e.host.opts.Function.Timeout).UnixMilli(), 10))
	header.Set("Lambda-Runtime-Invoked-Function-Arn", e.host.ARN())
	header.Set("Lambda-Runtime-Trace-Id", fmt.Sprintf("Root=1-%08x-%.8s%.16s;Sampled=0", inv.started.Unix(), inv.RequestID, inv.RequestID[19:23]+inv.RequestID[24:]))
	_, _ = w.Write(inv.event) // if the process is gone, run sees it
}

// asks notes that the process wants work.
func (e *environment) asks() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.asked.IsZero() {
		e.asked = time.Now()
		close(e.ready)
	}
	if e.current != nil && e.current.answer != nil {
		close(e.current.done)
		e.current = nil
	}
}

// answer takes the function's response, or its error.
func (e *environment) answer(w http.ResponseWriter, r *http.Request, isError bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxPayload))
	if err != nil {
		body, isError = []byte(`{"errorType":"Function.ResponseSizeTooLarge","errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes)."}`), true
	}
	e.mu.Lock()
	known := e.current != nil && e.current.RequestID == r.PathValue("id") && e.current.answer == nil
	if known {
		e.current.answer, e.current.isError = append([]byte{}, body...), isError
	}
	e.mu.Unlock()
	switch {
	case !known:
		reply(w, http.StatusBadRequest, `{"errorType":"InvalidRequestID","errorMessage":"no such invocation, or it has been answered"}`)
	case err != nil:
		reply(w, http.StatusRequestEntityTooLarge, string(body))
	default:
		reply(w, http.StatusAccepted, `{"status":"OK"}`)
	}
}

func (e *environment) initError(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxPayload)) // what arrived is told
	e.mu.Lock()
	e.failed = append([]byte{}, body...)
	e.mu.Unlock()
	reply(w, http.StatusAccepted, `{"status":"OK"}`)
}

func reply(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body) // if the process is gone, run sees it
}
