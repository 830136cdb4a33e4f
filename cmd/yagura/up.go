package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/yagura-hids/yagura/internal/emulated"
	"github.com/yagura-hids/yagura/internal/emulated/faults"
	"github.com/yagura-hids/yagura/internal/emulated/lambda"
)

type upCmd struct {
	Emulated  bool              `help:"On this machine, with emulated parts of AWS. (On AWS itself: make deploy.)"`
	Functions string            `help:"Where the functions' programs are, as analyze/bootstrap and notify/bootstrap (default: built from the source tree)." type:"path" placeholder:"DIR"`
	Template  string            `help:"The stack's template (default: template.yaml of the source tree)." type:"path" placeholder:"FILE"`
	Parts     string            `help:"Where the emulated parts are installed, about 180 MB (default: ${default})." type:"path" default:"${parts}" placeholder:"DIR"`
	Shards    int               `help:"Shards of the stream (default: ${default})." default:"2" placeholder:"N"`
	Set       map[string]string `help:"Set a parameter of the template, as in --set MailLevel=3. May be repeated." placeholder:"NAME=VALUE"`
}

// Help adds what the flags don't say.
func (upCmd) Help() string {
	return `Runs the whole AWS stack of template.yaml on this machine, without an account: stream, functions, tables, topic. What is
published is shown; the aws command works on it. Nothing listens beyond 127.0.0.1, and all is forgotten when it ends.

  yagura up --emulated
  yagura up --emulated --set MailLevel=3`
}

// defaultParts is in the user's cache: everything there can be had again.
func defaultParts() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = os.TempDir()
	}
	return filepath.Join(dir, "yagura", "aws")
}

// Run keeps the stack up until it is stopped.
func (c upCmd) Run(ctx context.Context) (err error) {
	if !c.Emulated {
		return &codeError{2, errors.New("yagura up wants --emulated; on AWS, the stack is brought up by: make deploy\nTry: yagura up --emulated")}
	}
	if c.Shards < 1 {
		return &codeError{2, fmt.Errorf("--shards=%d: a stream has at least one", c.Shards)}
	}
	started := time.Now()
	root := sourceTree()
	if root == "" && (c.Functions == "" || c.Template == "") {
		return errors.New("this isn't Yagura's source tree, which has the template and the functions.\n" +
			"Run it inside a clone of the repository, or name both: yagura up --emulated --template FILE --functions DIR")
	}
	if c.Template == "" {
		c.Template = filepath.Join(root, "template.yaml")
	}
	if err := emulated.Install(ctx, c.Parts, warn); err != nil {
		return unlessStopped(ctx, err)
	}
	stack, err := emulated.Up(ctx, emulated.Options{
		Template: c.Template, Parts: c.Parts, Parameters: c.Set, Shards: c.Shards, Shard: faults.ShardLimits,
	})
	if err != nil {
		return unlessStopped(ctx, err)
	}
	defer stack.Close()
	log, err := os.Create(filepath.Join(c.Parts, "functions.log"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	stop, err := c.startFunctions(ctx, stack, root, log)
	defer stop()
	if err != nil {
		return unlessStopped(ctx, err)
	}
	fmt.Fprint(os.Stderr, c.welcome(stack, log.Name(), time.Since(started)))
	return show(ctx, stack)
}

// unlessStopped returns the error, unless it is there because the user stopped the command.
func unlessStopped(ctx context.Context, err error) error {
	select {
	case <-ctx.Done():
		return nil
	default:
		return err
	}
}

// sourceTree returns the folder of Yagura's source that the command is run in, "" if it is run elsewhere.
func sourceTree() string {
	dir, err := os.Getwd()
	for err == nil && dir != filepath.Dir(dir) {
		text, _ := os.ReadFile(filepath.Join(dir, "go.mod"))
		if strings.HasPrefix(string(text), "module github.com/yagura-hids/yagura\n") {
			return dir
		}
		dir = filepath.Dir(dir)
	}
	return ""
}

// startFunctions starts the template's functions and their mappings. What it returns stops those that run, also if there is an error.
func (c upCmd) startFunctions(ctx context.Context, stack *emulated.Stack, root string, log io.Writer) (stop func(), err error) {
	var stops []func()
	stop = func() {
		for i := len(stops) - 1; i >= 0; i-- {
			stops[i]()
		}
	}
	streams, tables, other := stack.Clients()
	for _, f := range stack.Functions {
		if len(f.Mappings) == 0 {
			continue // EventBridge calls it, which isn't here
		}
		bootstrap, err := c.bootstrap(ctx, root, f)
		if err != nil {
			return stop, err
		}
		host, err := lambda.NewHost(lambda.HostOptions{
			Function: *f, Bootstrap: bootstrap, Env: stack.Env(), Concurrency: 2 * c.Shards, Output: log,
		})
		if err != nil {
			return stop, err
		}
		stops = append(stops, host.Close)
		for _, m := range f.Mappings {
			poller, err := lambda.Poll(ctx, lambda.PollerOptions{
				Mapping: m, FunctionARN: host.ARN(), Invoke: host.Invoke, Kinesis: kinesis.NewFromConfig(streams),
				Streams: dynamodbstreams.NewFromConfig(tables), S3: s3.NewFromConfig(other),
				Log: func(format string, args ...any) { warn(fmt.Sprintf(format, args...)) },
			})
			if err != nil {
				return stop, err
			}
			stops = append(stops, poller.Stop)
		}
	}
	return stop, nil
}

// bootstrap returns a function's program. It is built if --functions doesn't say where it is.
func (c upCmd) bootstrap(ctx context.Context, root string, f *emulated.Function) (string, error) {
	if c.Functions == "" {
		return lambda.Build(ctx, root, "./"+f.Code)
	}
	name := filepath.Join(c.Functions, filepath.Base(f.Code), "bootstrap")
	if _, err := os.Stat(name); err != nil {
		return "", fmt.Errorf("--functions: %w\nBuild it in Yagura's source tree: CGO_ENABLED=0 go build -tags lambda.norpc -o %s ./%s", err, name, f.Code)
	}
	return name, nil
}
