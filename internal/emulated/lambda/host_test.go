package lambda_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/internal/emulated"
	"github.com/yagura-hids/yagura/internal/emulated/emulatedtest"
	"github.com/yagura-hids/yagura/internal/emulated/lambda"
)

// probe builds the function that the tests run.
func probe(t testing.TB) string {
	t.Helper()
	path, err := lambda.Build(t.Context(), emulatedtest.Root(t), "./internal/emulated/lambda/testdata/probe")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// host runs the probe until the test ends.
func host(t testing.TB, opts lambda.HostOptions) *lambda.Host {
	t.Helper()
	opts.Bootstrap = probe(t)
	if opts.Function.Name == "" {
		opts.Function.Name = "Probe"
	}
	h, err := lambda.NewHost(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h
}

func invoke(t testing.TB, h *lambda.Host, event string) lambda.Result {
	t.Helper()
	r, err := h.Invoke(t.Context(), []byte(event))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestInvoke(t *testing.T) {
	var output bytes.Buffer
	h := host(t, lambda.HostOptions{
		Function: emulated.Function{Name: "AnalyzeFunction", Memory: 512, Timeout: time.Minute, Environment: map[string]string{"TABLE": "alerts", "AWS_REGION": "mars"}},
		Env:      []string{"AWS_ENDPOINT_URL=http://127.0.0.1:1"},
		Output:   &output,
	})
	cold := invoke(t, h, `{"do":"echo"}`)
	warm := invoke(t, h, `{"do":"echo"}`)
	var saw map[string]string
	if err := json.Unmarshal(cold.Payload, &saw); err != nil {
		t.Fatalf("%s: %v", cold.Payload, err)
	}
	for name, want := range map[string]string{
		"request": cold.RequestID, "arn": "arn:aws:lambda:us-east-1:123456789012:function:AnalyzeFunction", "env TABLE": "alerts",
		"env AWS_ENDPOINT_URL": "http://127.0.0.1:1", "env AWS_REGION": "us-east-1", "env AWS_LAMBDA_FUNCTION_NAME": "AnalyzeFunction",
		"env AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512", "env AWS_ACCESS_KEY_ID": cold.Environment,
	} {
		if saw[name] != want {
			t.Errorf("the function saw %s %q, want %q", name, saw[name], want)
		}
	}
	if left, err := time.ParseDuration(saw["left"]); err != nil || left < 50*time.Second || left > time.Minute {
		t.Errorf("time left %s, want nearly a minute", saw["left"])
	}
	if !strings.HasPrefix(saw["trace"], "Root=1-") || saw["env LAMBDA_TASK_ROOT"] == "" || saw["env HOME"] != "" {
		t.Errorf("trace %q, root %q, home %q", saw["trace"], saw["env LAMBDA_TASK_ROOT"], saw["env HOME"])
	}
	if !cold.Cold || cold.Init <= 0 || warm.Cold || warm.Init != 0 || warm.Environment != cold.Environment || warm.RequestID == cold.RequestID {
		t.Errorf("cold start %+v, then %+v", cold.Invocation, warm.Invocation)
	}
	if cold.FunctionError != "" || cold.Memory == 0 || cold.Duration <= 0 {
		t.Errorf("result %+v", cold)
	}
	h.Close()
	for _, want := range []string{"to stdout\n", "to stderr\n", "REPORT RequestId: " + warm.RequestID} {
		if !strings.Contains(output.String(), want) {
			t.Errorf("output lacks %q:\n%s", want, output.String())
		}
	}
	if _, err := h.Invoke(t.Context(), []byte("{}")); !errors.Is(err, lambda.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestFunctionErrors runs what can go wrong in a function, and after each an invocation that must succeed.
func TestFunctionErrors(t *testing.T) {
	h := host(t, lambda.HostOptions{Function: emulated.Function{Memory: 128, Timeout: time.Minute}})
	for _, c := range []struct {
		do, kind, message string
		survives          bool
	}{
		{"fail", "errorString", "as told", true},
		{"panic", "string", "as told", false},
		{"exit", "Runtime.ExitError", "exit status 4", false},
		{"allocate", "Runtime.ExitError", "signal: killed", false},
		{"big", "Function.ResponseSizeTooLarge", "exceeded maximum", false},
	} {
		t.Run(c.do, func(t *testing.T) {
			r := invoke(t, h, fmt.Sprintf(`{"do":%q}`, c.do))
			var told struct{ ErrorType, ErrorMessage string }
			if err := json.Unmarshal(r.Payload, &told); err != nil {
				t.Fatalf("%s: %v", r.Payload, err)
			}
			if r.FunctionError != "Unhandled" || told.ErrorType != c.kind || !strings.Contains(told.ErrorMessage, c.message) {
				t.Errorf("%s %+v", r.FunctionError, told)
			}
			if c.do == "allocate" && r.Memory <= 128<<20 {
				t.Errorf("it had only %d bytes", r.Memory)
			}
			next := invoke(t, h, `{"do":"echo"}`)
			if next.FunctionError != "" || (next.Environment == r.Environment) != c.survives {
				t.Errorf("then %s in %s, before it was %s", next.FunctionError, next.Environment, r.Environment)
			}
		})
	}
}

func TestTimeLimit(t *testing.T) {
	h := host(t, lambda.HostOptions{Function: emulated.Function{Timeout: 500 * time.Millisecond}})
	r := invoke(t, h, `{"do":"wait"}`)
	if !strings.Contains(string(r.Payload), `"errorType":"Sandbox.Timedout"`) || !strings.Contains(string(r.Payload), "Task timed out after 0.50 seconds") {
		t.Errorf("error %s", r.Payload)
	}
	if r.FunctionError != "Unhandled" || r.Duration < 500*time.Millisecond || h.Kill(r.Environment) {
		t.Errorf("result %+v, or the process is still there", r)
	}
}

func TestInitFails(t *testing.T) {
	var output bytes.Buffer
	h := host(t, lambda.HostOptions{Env: []string{"PROBE_INIT=exit"}, Output: &output})
	r := invoke(t, h, `{"do":"echo"}`)
	if r.FunctionError == "" || !strings.Contains(string(r.Payload), "exit status 3") || !strings.Contains(output.String(), "no rules") {
		t.Errorf("%s %s\n%s", r.FunctionError, r.Payload, output.String())
	}
}

func TestPayloadLimit(t *testing.T) {
	h := host(t, lambda.HostOptions{})
	event := fmt.Sprintf(`{"do":"echo","x":%q}`, strings.Repeat("x", lambda.MaxPayload))
	if _, err := h.Invoke(t.Context(), []byte(event)); err == nil {
		t.Error("an event above the limit was taken")
	}
	if r := invoke(t, h, event[:20]+event[40:40+lambda.MaxPayload-1000]+`"}`); r.FunctionError != "" {
		t.Errorf("an event below the limit: %s", r.Payload)
	}
}

// TestConcurrency holds that there are as many environments as invocations at a time, and no more than allowed.
func TestConcurrency(t *testing.T) {
	var mu sync.Mutex
	arrived, most := 0, 0
	full := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/1" {
			return
		}
		mu.Lock()
		arrived++
		most = max(most, arrived)
		if arrived == 3 {
			close(full)
		}
		mu.Unlock()
		<-full // so no one is done before three are at work
		mu.Lock()
		arrived--
		mu.Unlock()
	}))
	defer server.Close()
	h := host(t, lambda.HostOptions{Concurrency: 3, Env: []string{"PROBE_URL=" + server.URL}, Function: emulated.Function{Timeout: time.Minute}})
	var all sync.WaitGroup
	var cold atomic.Int32
	for range 9 {
		all.Go(func() {
			r, err := h.Invoke(t.Context(), []byte(`{"do":"write"}`))
			if err != nil || r.FunctionError != "" {
				t.Errorf("%s %v", r.Payload, err)
			}
			if r.Cold {
				cold.Add(1)
			}
		})
	}
	all.Wait()
	if cold.Load() != 3 || most != 3 {
		t.Errorf("%d environments for %d invocations at a time, want 3", cold.Load(), most)
	}
}

// TestKillBetweenWrites kills a function when its second write comes, as a proxy would: the third never comes.
func TestKillBetweenWrites(t *testing.T) {
	var h *lambda.Host
	var mu sync.Mutex
	var seen []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, lambda.Caller(r)+r.URL.Path)
		if r.URL.Path == "/2" && len(seen) == 2 && !h.Kill(lambda.Caller(r)) {
			t.Error("there was nobody to kill")
		}
	}))
	defer server.Close()
	h = host(t, lambda.HostOptions{Env: []string{"PROBE_URL=" + server.URL}, Function: emulated.Function{Timeout: time.Minute}})
	first := invoke(t, h, `{"do":"write"}`)
	second := invoke(t, h, `{"do":"write"}`)
	if first.FunctionError == "" || second.FunctionError != "" {
		t.Errorf("first %q, second %s", first.FunctionError, second.Payload)
	}
	a, b := first.Environment, second.Environment
	if want := []string{a + "/1", a + "/2", b + "/1", b + "/2", b + "/3"}; !slices.Equal(seen, want) {
		t.Errorf("writes %v, want %v", seen, want)
	}
	if h.Kill("nobody") || lambda.Caller(httptest.NewRequest(http.MethodGet, "/", nil)) != "" {
		t.Error("there is no such environment")
	}
}

func TestKillHook(t *testing.T) {
	calls := 0
	h := host(t, lambda.HostOptions{
		Function: emulated.Function{Timeout: time.Minute},
		Kill: func(i lambda.Invocation) (time.Duration, bool) {
			calls++
			return time.Millisecond, calls == 1 && i.Cold && i.Bytes > 0
		},
	})
	if r := invoke(t, h, `{"do":"wait"}`); r.FunctionError == "" || !strings.Contains(string(r.Payload), "signal: killed") {
		t.Errorf("killed: %s", r.Payload)
	}
	if r := invoke(t, h, `{"do":"echo"}`); r.FunctionError != "" {
		t.Errorf("not killed: %s", r.Payload)
	}
}

func TestInvokeEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	h := host(t, lambda.HostOptions{Function: emulated.Function{Timeout: time.Minute}, Kill: func(lambda.Invocation) (time.Duration, bool) {
		cancel()
		return 0, false
	}})
	if _, err := h.Invoke(ctx, []byte(`{"do":"wait"}`)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// TestMain also is the process that TestEndsWithItsHost kills: it starts a function that waits for ever, and says its process.
func TestMain(m *testing.M) {
	if bootstrap := os.Getenv("HOST_OF"); bootstrap != "" {
		h, err := lambda.NewHost(lambda.HostOptions{
			Bootstrap: bootstrap, Output: os.Stdout,
			Function: emulated.Function{Timeout: time.Hour},
		})
		if err == nil {
			_, err = h.Invoke(context.Background(), []byte(`{"do":"wait"}`))
		}
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func TestEndsWithItsHost(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "HOST_OF="+probe(t))
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }()
	lines := bufio.NewScanner(output)
	pid := 0
	for pid == 0 && lines.Scan() {
		_, _ = fmt.Sscanf(lines.Text(), "pid %d", &pid)
	}
	if pid == 0 || syscall.Kill(pid, 0) != nil {
		t.Fatalf("no function runs: pid %d", pid)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	deadline := time.Now().Add(10 * time.Second)
	for gone := false; !gone; gone = !running(pid) {
		if time.Now().After(deadline) {
			t.Fatalf("process %d outlived its host", pid)
		}
		time.Sleep(time.Millisecond)
	}
}

// running tells whether a process is there and not only waits to be collected.
func running(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !bytes.Contains(stat, []byte(") Z "))
}
