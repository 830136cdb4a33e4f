package emulated

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Part is one of the parts of AWS.
type Part struct {
	name string
	kit  *kit
	argv func(dir string) []string
}

// The parts.
var (
	Kinesis = &Part{"kinesalite", nodeKit, func(string) []string {
		return []string{"node", "serve.js", "kinesalite", `{"createStreamMs":0,"deleteStreamMs":0,"updateStreamMs":0,"shardLimit":500}`}
	}}
	Dynalite = &Part{"dynalite", nodeKit, func(string) []string {
		return []string{"node", "serve.js", "dynalite", `{"createTableMs":0,"deleteTableMs":0,"updateTableMs":0}`}
	}}
	DynamoDB = &Part{"DynamoDB Local", javaKit, func(dir string) []string {
		lib := filepath.Join(dir, "lib")
		return []string{"java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Djava.net.preferIPv4Stack=true", "-Djava.library.path=" + lib,
			"-classpath", dir + string(os.PathListSeparator) + filepath.Join(lib, "*"), "Serve"}
	}}
	Moto = &Part{"moto", pythonKit, func(dir string) []string {
		return []string{filepath.Join(dir, "venv", "bin", "python"), "serve.py"}
	}}
)

// startWithin is how long a part may take until it answers.
const startWithin = time.Minute

// Process is a part that runs. It ends with Close, or with the process that started it: its input ends then.
type Process struct {
	URL string // where it answers, "http://127.0.0.1:40123"

	part  *Part
	cmd   *exec.Cmd
	log   *tail
	ended chan struct{} // closed when it has ended
}

// Start runs an installed part on a free port of 127.0.0.1 and returns when it answers.
func (p *Part) Start(ctx context.Context, dir string) (*Process, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	dir = p.kit.dir(dir)
	argv := p.argv(dir)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C at the terminal is ours to handle
	run := &Process{part: p, cmd: cmd, log: new(tail), ended: make(chan struct{})}
	cmd.Stderr = run.log
	if _, err := cmd.StdinPipe(); err != nil { // open until this process ends, or Wait closes it
		return nil, err
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	port := make(chan string, 1)
	go run.watch(output, port)
	if err := run.await(ctx, port); err != nil {
		run.Close()
		return nil, err
	}
	return run, nil
}

// watch reads what the part says: its port, and then what is kept for later.
func (p *Process) watch(output io.Reader, port chan<- string) {
	lines := bufio.NewReader(output)
	for {
		line, err := lines.ReadString('\n')
		if n, found := strings.CutPrefix(line, "port "); found {
			port <- strings.TrimSpace(n)
			break
		}
		_, _ = io.WriteString(p.log, line)
		if err != nil {
			break
		}
	}
	_, _ = io.Copy(p.log, lines)
	_ = p.cmd.Wait()
	close(p.ended)
}

func (p *Process) await(ctx context.Context, port <-chan string) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	select {
	case n := <-port:
		p.URL = "http://127.0.0.1:" + n
		return nil
	case <-p.ended:
		return p.Err()
	case <-ctx.Done():
		return fmt.Errorf("%s doesn't answer: %w\n%s", p.part.name, ctx.Err(), p.log)
	}
}

// Ended is closed when the part has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Err says that and how the part ended by itself, with the last that it said.
func (p *Process) Err() error {
	return fmt.Errorf("%s ended: %v\n%s", p.part.name, p.cmd.ProcessState, p.log)
}

// Close ends the part. All that it held is gone.
func (p *Process) Close() {
	_ = p.cmd.Process.Kill() // fails if it has ended
	<-p.ended
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

// Write never fails.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	if len(t.text) > 64<<10 {
		t.text = append(t.text[:0], t.text[len(t.text)-16<<10:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return lastWords(t.text)
}
