package lambda

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/yagura-hids/yagura/internal/emulated"
)

// Lambda's bounds, and what is put in where the template is silent.
const (
	MaxPayload     = 6 << 20 // bytes of an event, and of a response
	maxInit        = 10 * time.Second
	defaultTimeout = 3 * time.Second
	defaultMemory  = 128
)

// HostOptions say which function a Host runs, and around it what.
type HostOptions struct {
	Function    emulated.Function
	Bootstrap   string    // the executable; see Build
	Root        string    // what the function sees as LAMBDA_TASK_ROOT; "" is Bootstrap's folder
	Env         []string  // what leads to the other parts of AWS, NAME=VALUE, beside Function.Environment; see Stack.Env
	Concurrency int       // the most environments at a time, at least 1; further invocations wait
	Output      io.Writer // gets what the function writes, and a line about each invocation; nil for nobody

	// Kill, if set, is asked at the start of each invocation whether, and how long after, its process is to be killed. It is called by
	// several goroutines at a time.
	Kill func(Invocation) (after time.Duration, kill bool)

	// Done, if set, is told of each invocation when it has ended. It is called by several goroutines at a time.
	Done func(Result)
}

// Invocation is a call of the function.
type Invocation struct {
	RequestID   string
	Environment string // the access key of the environment that does it
	Cold        bool   // the environment was started for it
	Bytes       int    // of its event
}

// Result is how an invocation ended.
type Result struct {
	Invocation
	Payload       []byte        // what the function returned; if it failed, the error as JSON: errorType, errorMessage
	FunctionError string        // "Unhandled" if it failed, else ""
	Init          time.Duration // from the start of the process until it asked for work; 0 if it was warm
	Duration      time.Duration // of the invocation
	Memory        int64         // the most bytes that the environment ever had
}

// Host runs a function: as many environments as are needed at a time, each used again and again.
type Host struct {
	opts  HostOptions
	slots chan struct{} // one for each environment that works

	mu     sync.Mutex
	closed bool
	made   int
	all    map[string]*environment // those alive, by access key
	idle   []*environment          // the last used last

	output sync.Mutex
}

// ErrClosed is returned for what is asked of a Host that was closed.
var ErrClosed = errors.New("the function's host is closed")

// NewHost returns a Host. It starts no environment before the first Invoke.
func NewHost(opts HostOptions) (*Host, error) {
	if opts.Bootstrap == "" {
		return nil, fmt.Errorf("host %s: no bootstrap; build it first", opts.Function.Name)
	}
	path, err := filepath.Abs(opts.Bootstrap)
	if err != nil {
		return nil, fmt.Errorf("host %s: %w", opts.Function.Name, err)
	}
	opts.Bootstrap = path
	if opts.Root == "" {
		opts.Root = filepath.Dir(path)
	}
	if opts.Function.Timeout == 0 {
		opts.Function.Timeout = defaultTimeout
	}
	if opts.Function.Memory == 0 {
		opts.Function.Memory = defaultMemory
	}
	return &Host{opts: opts, slots: make(chan struct{}, max(1, opts.Concurrency)), all: map[string]*environment{}}, nil
}

// ARN is the function's name for the rest of AWS.
func (h *Host) ARN() string {
	return fmt.Sprintf("arn:aws:lambda:%s:%s:function:%s", emulated.Region, emulated.Account, h.opts.Function.Name)
}

// Invoke calls the function with an event and waits until it has answered and is ready for more, has ended, or was killed: at its time
// limit, its memory limit, or when ctx ends. What the function did wrong is in the result; an error says that it could not be called, or
// that ctx has ended.
func (h *Host) Invoke(ctx context.Context, event []byte) (Result, error) {
	if len(event) > MaxPayload {
		return Result{}, fmt.Errorf("invoke %s: the event has %d bytes, Lambda takes up to %d", h.opts.Function.Name, len(event), MaxPayload)
	}
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return Result{}, fmt.Errorf("invoke %s: %w", h.opts.Function.Name, ctx.Err())
	}
	defer func() { <-h.slots }()
	env, cold, err := h.take()
	if err != nil {
		return Result{}, fmt.Errorf("invoke %s: %w", h.opts.Function.Name, err)
	}
	inv := &invocation{
		Invocation: Invocation{RequestID: requestID(), Environment: env.key, Cold: cold, Bytes: len(event)},
		event:      event, done: make(chan struct{}),
	}
	result, err := env.run(ctx, inv)
	h.put(env)
	if err != nil {
		return result, fmt.Errorf("invoke %s: %w", h.opts.Function.Name, err)
	}
	h.report(result)
	return result, nil
}

// take returns an environment that waits for work, else a new one.
func (h *Host) take() (*environment, bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, false, ErrClosed
	}
	for len(h.idle) > 0 {
		env := h.idle[len(h.idle)-1]
		h.idle = h.idle[:len(h.idle)-1]
		if env.alive() {
			return env, false, nil
		}
		h.forget(env)
	}
	h.made++
	env, err := h.start(fmt.Sprintf("%sENV%d", accessKey(h.opts.Function.Name), h.made))
	if err != nil {
		return nil, false, err
	}
	h.all[env.key] = env
	return env, true, nil
}

// put takes an environment back after its work.
func (h *Host) put(env *environment) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if env.alive() && !h.closed {
		h.idle = append(h.idle, env)
		return
	}
	h.forget(env)
}

// forget ends what an environment leaves behind. h.mu is held.
func (h *Host) forget(env *environment) {
	delete(h.all, env.key)
	h.idle = slices.DeleteFunc(h.idle, func(e *environment) bool { return e == env })
	env.close()
}

// Kill kills the environment with this access key, as kill -9 does, and returns when it is gone; whatever it does after its last write it
// doesn't do any more. It tells whether there was one. See Caller.
func (h *Host) Kill(key string) bool {
	h.mu.Lock()
	env := h.all[key]
	h.mu.Unlock()
	if env == nil || !env.alive() {
		return false
	}
	env.kill()
	return true
}

// Close kills all environments and returns when they are gone.
func (h *Host) Close() {
	h.mu.Lock()
	h.closed = true
	all := h.all
	h.all, h.idle = map[string]*environment{}, nil
	h.mu.Unlock()
	for _, env := range all {
		env.close()
	}
}

// report tells of an invocation as Lambda's log does.
func (h *Host) report(r Result) {
	if h.opts.Done != nil {
		h.opts.Done(r)
	}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	line := fmt.Sprintf("REPORT RequestId: %s\tDuration: %.2f ms\tMemory Size: %d MB\tMax Memory Used: %d MB", r.RequestID, ms(r.Duration), h.opts.Function.Memory, r.Memory>>20)
	if r.Cold {
		line += fmt.Sprintf("\tInit Duration: %.2f ms", ms(r.Init))
	}
	if r.FunctionError != "" {
		line += "\tStatus: error\t" + string(r.Payload)
	}
	if w := h.writer(); w != nil {
		_, _ = io.WriteString(w, line+"\n") // nobody can be told that telling failed
	}
}

// writer is Output, for several processes at a time; nil if there is none.
func (h *Host) writer() io.Writer {
	if h.opts.Output == nil {
		return nil
	}
	return lockedWriter{&h.output, h.opts.Output}
}

type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// requestID returns a random UUID.
func requestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
