package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/yagura-hids/yagura/internal/emulated"
	"github.com/yagura-hids/yagura/internal/emulated/emulatedtest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"yagura": main})
}

// TestScript runs testdata/script/*.txtar. Beside testscript's own commands they may use:
//
//	code N yagura ARGS…       run it; it must exit with N
//	tty N FILE yagura ARGS…   the same with a terminal as its output, FILE as its input ("-": the terminal)
//	start NAME yagura ARGS…   run it in the background; its output goes to NAME.out and NAME.err, its input says nothing and doesn't end
//	starttty NAME yagura …    the same with a terminal as its input and output, which goes to NAME.out
//	type NAME TEXT            type a line into its terminal
//	signal NAME INT|KILL|TERM send it a signal
//	ends NAME N               wait until it ends; it must exit with N (-1: killed)
//	await FILE REGEXP         wait until the file has a match
//	awaitrun REGEXP CMD ARGS… run the command until its output has a match
//	fails FILE FROM TO        append the lines of failed logins number FROM to TO
//	add FILE TEXT [N MORE]    append a line, in which \xNN and the like stand for bytes; MORE comes N times
//	pack gzip|zstd IN OUT     pack a file
//	stream NAME               make a Kinesis stream of one shard; the environment lets yagura send reach it
//	sent NAME FILE            write what the stream has got as JSON, an event a line
//	heard DIR AGENT KEY ADDR AGO  a relay has heard from a host so long ago; KEY is the key's id, "-" of syslog
//	relay DIR N               a relay takes the commands that wait, until there were N
//	jsonlines N FILE          the file, or stdout, must be N JSON objects, one a line
func TestScript(t *testing.T) {
	kinesisURL, dynamoURL := emulatedtest.Start(t, emulated.Kinesis), emulatedtest.Start(t, emulated.Dynalite)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("TZ", "UTC")
			env.Setenv("TERM", "xterm")
			env.Setenv("GORACE", "atexit_sleep_ms=0") // else every process under the race detector ends a second late
			for key, value := range awsEnv(kinesisURL) {
				env.Setenv(key, value)
			}
			env.Setenv("AWS_ENDPOINT_URL_DYNAMODB", dynamoURL)
			env.Values[runningKey{}] = map[string]*running{}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code": cmdCode, "tty": cmdTTY, "start": cmdStart, "starttty": cmdStartTTY, "signal": cmdSignal, "ends": cmdEnds, "await": cmdAwait,
			"awaitrun": cmdAwaitRun, "stream": cmdStream, "sent": cmdSent, "fails": cmdFails, "add": cmdAdd, "pack": cmdPack, "jsonlines": cmdJSONLines,
			"type": cmdType, "heard": cmdHeard, "relay": cmdRelay,
		},
	})
}

// patience is how long something that is awaited may take.
const patience = 30 * time.Second

// need ends a script that calls a command wrongly.
func need(ts *testscript.TestScript, neg bool, args []string, n int) {
	if neg || len(args) < n {
		ts.Fatalf("wrong call: see TestScript")
	}
}

func number(ts *testscript.TestScript, text string) int {
	n, err := strconv.Atoi(text)
	ts.Check(err)
	return n
}

func exitCode(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	return -2
}

func wantCode(ts *testscript.TestScript, want string, err error) {
	if got := exitCode(err); got != number(ts, want) {
		ts.Fatalf("exit code %d, want %s (%v)", got, want, err)
	}
}

func cmdCode(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2)
	wantCode(ts, args[0], ts.Exec(args[1], args[2:]...))
}

// scriptCommand prepares a command in the script's surroundings.
func scriptCommand(ts *testscript.TestScript, args []string) *exec.Cmd {
	path := args[0]
	for dir := range strings.SplitSeq(ts.Getenv("PATH"), string(os.PathListSeparator)) {
		if _, err := os.Stat(filepath.Join(dir, args[0])); err == nil {
			path = filepath.Join(dir, args[0])
			break
		}
	}
	cmd := exec.Command(path, args[1:]...)
	cmd.Dir = ts.MkAbs(".")
	keys := []string{"HOME", "PATH", "TMPDIR", "TZ", "TERM", "NO_COLOR", "GORACE", "GOCOVERDIR", "YAGURA_CONF", "YAGURA_RULES"}
	for _, key := range slices.AppendSeq(keys, maps.Keys(awsEnv(""))) {
		if value := ts.Getenv(key); value != "" {
			cmd.Env = append(cmd.Env, key+"="+value)
		}
	}
	return cmd
}

func cmdTTY(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 3)
	ours, theirs, err := openTerminal()
	ts.Check(err)
	cmd := scriptCommand(ts, args[2:])
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, theirs
	if args[1] != "-" {
		cmd.Stdin = strings.NewReader(ts.ReadFile(args[1]))
	}
	ts.Check(cmd.Start())
	ts.Check(theirs.Close())
	shown := make(chan string)
	go func() {
		text, _ := io.ReadAll(ours) // ends with EIO when the last writer is gone
		shown <- string(text)
	}()
	err = cmd.Wait()
	_, werr := io.WriteString(ts.Stdout(), <-shown)
	ts.Check(errors.Join(werr, ours.Close()))
	wantCode(ts, args[0], err)
}

// running is a command in the background.
type running struct {
	cmd      *exec.Cmd
	terminal *os.File // our end of it, if it has one
	ended    chan error
}

type runningKey struct{}

func background(ts *testscript.TestScript) map[string]*running {
	return ts.Value(runningKey{}).(map[string]*running)
}

func cmdStart(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2)
	cmd := scriptCommand(ts, args[1:])
	stdout, stderr := create(ts, args[0]+".out"), create(ts, args[0]+".err")
	cmd.Stdout, cmd.Stderr = stdout, stderr
	launch(ts, args[0], cmd, func() error { return errors.Join(stdout.Close(), stderr.Close()) })
}

func cmdStartTTY(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2)
	ours, theirs, err := openTerminal()
	ts.Check(err)
	cmd := scriptCommand(ts, args[1:])
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, theirs
	out := create(ts, args[0]+".out")
	copied := make(chan struct{})
	go func() {
		_, _ = io.Copy(out, ours) // ends with EIO when the last writer is gone
		close(copied)
	}()
	launch(ts, args[0], cmd, func() error {
		err := theirs.Close()
		<-copied
		return errors.Join(err, ours.Close(), out.Close())
	}).terminal = ours
}

func cmdType(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2)
	_, err := io.WriteString(background(ts)[args[0]].terminal, args[1]+"\n")
	ts.Check(err)
}

func create(ts *testscript.TestScript, name string) *os.File {
	f, err := os.Create(ts.MkAbs(name))
	ts.Check(err)
	return f
}

// launch starts a command, with an input that says nothing if it has none, and calls finish when it has ended.
func launch(ts *testscript.TestScript, name string, cmd *exec.Cmd, finish func() error) *running {
	input, silent, err := os.Pipe()
	ts.Check(err)
	if cmd.Stdin == nil {
		cmd.Stdin = input
	}
	ts.Check(cmd.Start())
	r := &running{cmd: cmd, ended: make(chan error, 1)}
	background(ts)[name] = r
	go func() {
		r.ended <- errors.Join(cmd.Wait(), finish(), input.Close(), silent.Close())
		close(r.ended)
	}()
	ts.Defer(func() {
		_ = cmd.Process.Kill() // most have ended
		<-r.ended
	})
	return r
}

func cmdSignal(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2)
	signals := map[string]os.Signal{"INT": os.Interrupt, "KILL": os.Kill, "TERM": syscall.SIGTERM}
	ts.Check(background(ts)[args[0]].cmd.Process.Signal(signals[args[1]]))
}

func cmdEnds(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2)
	select {
	case err := <-background(ts)[args[0]].ended:
		wantCode(ts, args[1], err)
	case <-time.After(patience):
		ts.Fatalf("%s goes on and on", args[0])
	}
}

// await asks until text has a match.
func await(ts *testscript.TestScript, pattern string, text func() string) {
	re := regexp.MustCompile("(?m)" + pattern)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for last := ""; ; {
		if last = text(); re.MatchString(last) {
			return
		}
		select {
		case <-ctx.Done():
			ts.Fatalf("no match for %q in vain awaited:\n%s", pattern, last)
		case <-tick.C:
		}
	}
}

func cmdAwait(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2)
	await(ts, args[1], func() string {
		text, _ := os.ReadFile(ts.MkAbs(args[0])) // it may come later
		return string(text)
	})
}

func cmdAwaitRun(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2)
	await(ts, args[0], func() string {
		text, _ := scriptCommand(ts, args[1:]).CombinedOutput() // an error may pass
		return string(text)
	})
}

func cmdFails(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 3)
	var b strings.Builder
	for i := number(ts, args[1]); i <= number(ts, args[2]); i++ {
		fmt.Fprintf(&b, "2026-11-23T10:%02d:%02d+00:00 web1 sshd[%d]: Failed password for root from 198.51.100.%d port %d ssh2\n",
			i/60%60, i%60, i, i%250, i)
	}
	appendTo(ts, args[0], b.String())
}

func cmdAdd(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2)
	text, err := strconv.Unquote(`"` + args[1] + `"`)
	ts.Check(err)
	if len(args) > 3 {
		text += strings.Repeat(args[3], number(ts, args[2]))
	}
	appendTo(ts, args[0], text+"\n")
}

func appendTo(ts *testscript.TestScript, name, text string) {
	f, err := os.OpenFile(ts.MkAbs(name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	ts.Check(err)
	_, err = f.WriteString(text)
	ts.Check(errors.Join(err, f.Close()))
}

func cmdPack(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 3)
	var b bytes.Buffer
	var w io.WriteCloser = gzip.NewWriter(&b)
	if args[0] == "zstd" {
		var err error
		w, err = zstd.NewWriter(&b)
		ts.Check(err)
	}
	_, err := io.WriteString(w, ts.ReadFile(args[1]))
	ts.Check(errors.Join(err, w.Close()))
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), b.Bytes(), 0o600))
}

func cmdJSONLines(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2)
	n := 0
	for line := range strings.Lines(ts.ReadFile(args[1])) {
		var object map[string]any
		if err := json.Unmarshal([]byte(line), &object); err != nil {
			ts.Fatalf("line %d: %v: %s", n+1, err, line)
		}
		n++
	}
	if n != number(ts, args[0]) {
		ts.Fatalf("%d objects, want %s", n, args[0])
	}
}
