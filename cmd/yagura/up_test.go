package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/yagura-hids/yagura/internal/emulated/emulatedtest"
)

// upPatience is how long the stack may take to come up, and a line to become a message: the functions are built on the way.
const upPatience = 3 * time.Minute

// output is what a command has written so far.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// until waits for something to become true.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(upPatience); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %s", what, upPatience)
		}
	}
}

// children returns the processes that a process has started.
func children(t *testing.T, parent int) (list []int) {
	t.Helper()
	out, err := exec.Command("ps", "-A", "-o", "pid=,ppid=").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) == 2 && f[1] == strconv.Itoa(parent) {
			pid, _ := strconv.Atoi(f[0])
			list = append(list, pid)
		}
	}
	return list
}

// upStack runs yagura up in the source tree until the test ends. Ended is closed when it has.
func upStack(t *testing.T) (cmd *exec.Cmd, stdout, stderr *output, ended chan struct{}) {
	t.Helper()
	stdout, stderr, ended = new(output), new(output), make(chan struct{})
	cmd = exec.Command(os.Args[0])
	cmd.Args = []string{"yagura", "up", "--emulated", "--set", "MailLevel=3", "--shards", "1", "--parts", emulatedtest.Dir(t)}
	cmd.Dir, cmd.Stdout, cmd.Stderr = emulatedtest.Root(t), stdout, stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = cmd.Wait() // the test looks at ProcessState
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("it wrote:\n%s\n%s", stderr, stdout)
		}
	})
	until(t, "the stack is up", func() bool {
		select {
		case <-ended:
			t.Fatalf("yagura up ended: %v", cmd.ProcessState)
		default:
		}
		return strings.Contains(stderr.String(), "Ctrl-C stops.")
	})
	return cmd, stdout, stderr, ended
}

// gone waits until processes don't exist any more.
func gone(t *testing.T, pids []int) {
	t.Helper()
	if len(pids) < 3 {
		t.Errorf("%d children are few for kinesalite, DynamoDB Local and moto", len(pids))
	}
	for _, pid := range pids {
		until(t, fmt.Sprintf("process %d ends", pid), func() bool { return syscall.Kill(pid, 0) != nil })
	}
}

func TestUpEmulated(t *testing.T) {
	cmd, stdout, stderr, ended := upStack(t)
	for _, m := range regexp.MustCompile(`export (\w+)=(.*)`).FindAllStringSubmatch(stderr.String(), -1) {
		t.Setenv(m[1], m[2])
	}
	conf, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	line := fmt.Sprintf(`{"text": "%s web1 sshd[7]: Failed password for root from 198.51.100.7 port 22 ssh2"}`, time.Now().Format("Jan _2 15:04:05"))
	_, err = kinesis.NewFromConfig(conf).PutRecord(t.Context(), &kinesis.PutRecordInput{
		StreamName: aws.String("yagura"), PartitionKey: aws.String("web1"), Data: []byte(line),
	})
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the alert is published", func() bool {
		return strings.Contains(stdout.String(), "published: Level 5") && strings.Contains(stdout.String(), "rule 5716  web1")
	})
	got, err := dynamodb.NewFromConfig(conf).Query(context.Background(), &dynamodb.QueryInput{
		TableName: aws.String("yagura-alerts"), KeyConditionExpression: aws.String("#a = :a"), ExpressionAttributeNames: map[string]string{"#a": "agent"},
		ExpressionAttributeValues: map[string]types.AttributeValue{":a": &types.AttributeValueMemberS{Value: "web1"}},
	})
	if err != nil || got.Count != 1 {
		t.Errorf("the table has %v, want 1 alert: %v", got, err)
	}
	pids := children(t, cmd.Process.Pid)
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	<-ended
	gone(t, pids)
	if code := cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d after Ctrl-C", code)
	}
}

func TestUpKilledLeavesNothing(t *testing.T) {
	cmd, _, _, _ := upStack(t)
	pids := children(t, cmd.Process.Pid)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	gone(t, pids)
}
