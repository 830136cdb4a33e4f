package lambda

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/yagura-hids/yagura/internal/emulated"
)

// environment is a process of the function, and the runtime API that it alone talks to.
type environment struct {
	key   string // its AWS access key, and so its name
	host  *Host
	cmd   *exec.Cmd
	api   *http.Server
	born  time.Time
	work  chan *invocation
	ready chan struct{} // closed when it asks for work for the first time
	ended chan struct{} // closed when the process is gone

	mu      sync.Mutex
	asked   time.Time   // when it asked for the first time
	current *invocation // what it works at
	why     string      // why it was killed, if Lambda did
	failed  []byte      // the error of its initialization, if it told one
	memory  int64       // the most bytes that watch saw
}

// invocation is a call on its way.
type invocation struct {
	Invocation
	event   []byte
	started time.Time
	done    chan struct{} // closed when it has answered and asks for more
	answer  []byte
	isError bool
}

// accessKey makes a name into what may be part of an access key: DynamoDB Local takes letters and digits only.
func accessKey(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return -1
	}, strings.ToUpper(name))
}

// Caller returns the access key that signed a request: whose environment sent it, as Host.Kill takes it. It is "" if none did.
func Caller(r *http.Request) string {
	_, credential, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	key, _, found := strings.Cut(credential, "/")
	if !found {
		return ""
	}
	return key
}

// start starts a process and its runtime API.
func (h *Host) start(key string) (*environment, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("runtime API: %w", err)
	}
	env := &environment{key: key, host: h, born: time.Now(), work: make(chan *invocation), ready: make(chan struct{}), ended: make(chan struct{})}
	env.api = &http.Server{Handler: env.handler(), ReadHeaderTimeout: time.Minute}
	go func() { _ = env.api.Serve(listener) }() // ends with close
	env.cmd = exec.Command(h.opts.Bootstrap)
	env.cmd.Dir = h.opts.Root
	env.cmd.Env = h.environ(key, listener.Addr().String())
	env.cmd.Stdout, env.cmd.Stderr = h.writer(), h.writer()
	env.cmd.SysProcAttr = withHost()
	env.cmd.WaitDelay = time.Second
	if err := env.cmd.Start(); err != nil {
		_ = env.api.Close() // the other error says more
		return nil, fmt.Errorf("start the bootstrap: %w", err)
	}
	go func() {
		_ = env.cmd.Wait() // ProcessState tells how
		close(env.ended)
	}()
	return env, nil
}

// environ is what the process sees. What Lambda reserves can't be set by the function's configuration.
func (h *Host) environ(key, api string) []string {
	vars := map[string]string{"PATH": os.Getenv("PATH"), "LANG": "en_US.UTF-8", "TZ": ":UTC"}
	maps.Copy(vars, h.opts.Function.Environment)
	for _, entry := range h.opts.Env {
		name, value, _ := strings.Cut(entry, "=")
		vars[name] = value
	}
	maps.Copy(vars, map[string]string{
		"_HANDLER":                        "bootstrap",
		"AWS_ACCESS_KEY_ID":               key,
		"AWS_SECRET_ACCESS_KEY":           "secret",
		"AWS_REGION":                      emulated.Region,
		"AWS_DEFAULT_REGION":              emulated.Region,
		"AWS_EXECUTION_ENV":               "AWS_Lambda_provided.al2023",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(h.opts.Function.Memory),
		"AWS_LAMBDA_FUNCTION_NAME":        h.opts.Function.Name,
		"AWS_LAMBDA_FUNCTION_VERSION":     "$LATEST",
		"AWS_LAMBDA_INITIALIZATION_TYPE":  "on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME":       "/aws/lambda/" + h.opts.Function.Name,
		"AWS_LAMBDA_LOG_STREAM_NAME":      key,
		"AWS_LAMBDA_RUNTIME_API":          api,
		"LAMBDA_RUNTIME_DIR":              "/var/runtime",
		"LAMBDA_TASK_ROOT":                h.opts.Root,
	})
	var env []string
	for name, value := range vars {
		env = append(env, name+"="+value)
	}
	return env
}

func (e *environment) alive() bool {
	select {
	case <-e.ended:
		return false
	default:
		return true
	}
}

// kill ends the process at once and waits until it is gone.
func (e *environment) kill() {
	_ = e.cmd.Process.Kill() // it may have ended by itself
	<-e.ended
}

func (e *environment) killFor(reason string) {
	e.mu.Lock()
	e.why = reason
	e.mu.Unlock()
	e.kill()
}

func (e *environment) close() {
	e.kill()
	_ = e.api.Close() // nobody talks to it any more
}

// run gives the process an invocation and waits for its end.
func (e *environment) run(ctx context.Context, inv *invocation) (Result, error) {
	stop := make(chan struct{})
	defer close(stop)
	go e.watch(stop)
	if r, err := e.await(ctx, inv); r != nil || err != nil {
		return e.result(inv, r), err
	}
	e.mu.Lock()
	e.current, inv.started = inv, time.Now()
	e.mu.Unlock()
	timeout := time.AfterFunc(e.host.opts.Function.Timeout, func() {
		e.killFor(fmt.Sprintf("Task timed out after %.2f seconds", e.host.opts.Function.Timeout.Seconds()))
	})
	defer timeout.Stop()
	select {
	case e.work <- inv:
	case <-e.ended:
		return e.result(inv, e.exitError(inv)), nil
	}
	if e.host.opts.Kill != nil {
		if after, kill := e.host.opts.Kill(inv.Invocation); kill {
			timer := time.AfterFunc(after, e.kill)
			defer timer.Stop()
		}
	}
	select {
	case <-inv.done:
		return e.result(inv, nil), nil
	case <-e.ended:
		return e.result(inv, e.exitError(inv)), nil
	case <-ctx.Done():
		e.kill()
		return e.result(inv, nil), ctx.Err()
	}
}

// await waits until the process asks for work. It returns an error of the function's if it ends before.
func (e *environment) await(ctx context.Context, inv *invocation) ([]byte, error) {
	limit := time.NewTimer(maxInit)
	defer limit.Stop()
	select {
	case <-e.ready:
		return nil, nil
	case <-e.ended:
		return e.exitError(inv), nil
	case <-limit.C:
		e.killFor(fmt.Sprintf("Init timed out after %.2f seconds", maxInit.Seconds()))
		return e.exitError(inv), nil
	case <-ctx.Done():
		e.kill()
		return nil, ctx.Err()
	}
}

// watch kills the process when it has more memory than the function is given.
func (e *environment) watch(stop <-chan struct{}) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			now := resident(e.cmd.Process.Pid)
			e.mu.Lock()
			e.memory = max(e.memory, now)
			e.mu.Unlock()
			if now > int64(e.host.opts.Function.Memory)<<20 {
				e.killFor("signal: killed") // it is all that Lambda says, too
			}
		case <-stop:
			return
		case <-e.ended:
			return
		}
	}
}

// exitError is what Lambda says of a process that is gone, or of what that told before.
func (e *environment) exitError(inv *invocation) []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	kind, message := "Runtime.ExitError", "Error: Runtime exited with error: "
	switch {
	case e.failed != nil:
		return e.failed
	case inv.isError: // it told of its panic, and ended
		return inv.answer
	case strings.Contains(e.why, "timed out"):
		kind, message = "Sandbox.Timedout", "Error: "+e.why
	case e.why != "":
		message += e.why
	default:
		message += e.cmd.ProcessState.String()
	}
	text, _ := json.Marshal(map[string]string{"errorType": kind, "errorMessage": fmt.Sprintf("RequestId: %s %s", inv.RequestID, message)}) // strings can always be
	return text
}

// result says how an invocation ended; failed is its error if the process is gone.
func (e *environment) result(inv *invocation, failed []byte) Result {
	e.mu.Lock()
	defer e.mu.Unlock()
	r := Result{Invocation: inv.Invocation, Payload: inv.answer}
	if failed != nil {
		r.Payload = failed
	}
	if failed != nil || inv.isError {
		r.FunctionError = "Unhandled"
	}
	if inv.Cold && !e.asked.IsZero() {
		r.Init = e.asked.Sub(e.born)
	}
	if !inv.started.IsZero() {
		r.Duration = time.Since(inv.started)
	}
	r.Memory = max(e.memory, peak(e.cmd.Process.Pid))
	e.current = nil
	return r
}
