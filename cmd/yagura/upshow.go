package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/yagura-hids/yagura/internal/emulated"
	"github.com/yagura-hids/yagura/internal/event"
)

// welcome says what runs where, and how to try it.
func (c upCmd) welcome(stack *emulated.Stack, log string, took time.Duration) string {
	names := stack.Names
	var out strings.Builder
	fmt.Fprintf(&out, "\nyagura %s runs the stack of %s, up in %s. All is forgotten when it ends.\n\n", version, c.Template, took.Round(100*time.Millisecond))
	for _, row := range [][3]string{
		{"Kinesis", stack.Kinesis.URL, fmt.Sprintf("stream %s, %s", names["Stream"], count(c.Shards, "shard"))},
		{"DynamoDB", stack.DynamoDB.URL, "tables " + strings.Join([]string{names["AlertsTable"], names["StateTable"], names["FleetTable"]}, ", ")},
		{"SNS, SQS", stack.Other, "topic " + names["AlertsTopic"]},
		{"S3", stack.Other, "bucket " + names["FailureBucket"] + ": what could not be analysed"},
		{"Lambda", "what the functions write", log},
	} {
		fmt.Fprintf(&out, "  %-9s %-26s  %s\n", row[0], row[1], row[2])
	}
	fmt.Fprint(&out, "\nTo use it from a second terminal, paste this there:\n\n")
	for _, e := range stack.Env() {
		fmt.Fprintf(&out, "  export %s\n", e)
	}
	fmt.Fprintf(&out, `
then send a failed login and look at what became of it:

  echo '{"text": "'"$(LC_ALL=C date '+%%b %%e %%T')"' web1 sshd[7]: Failed password for root from 198.51.100.7 port 22 ssh2"}' |
    aws kinesis put-record --stream-name %[1]s --partition-key web1 --data fileb:///dev/stdin
  aws dynamodb query --table-name %[2]s --key-condition-expression '#a = :a' --expression-attribute-names '{"#a":"agent"}' \
    --expression-attribute-values '{":a":{"S":"web1"}}' --no-scan-index-forward --max-items 5
  aws s3 ls --recursive s3://%[3]s/
  yagura alerts --aws

or a whole log: yagura send --stream %[1]s /var/log/auth.log

Eight within two minutes are an attack, which is published. What is published is shown here; to have it in a queue, too:

  sqs() { aws --endpoint-url "$AWS_ENDPOINT_URL_SQS" sqs "$@"; }   # version 1 of aws heeds no other word for SQS
  queue=$(sqs create-queue --queue-name mine --query QueueUrl --output text)
  aws sns subscribe --topic-arn %[4]s --protocol sqs --notification-endpoint arn:aws:sqs:%[5]s:%[6]s:mine
  sqs receive-message --wait-time-seconds 20 --queue-url "$queue"

Ctrl-C stops.

`, names["Stream"], names["AlertsTable"], names["FailureBucket"], names["AlertsTopic"], emulated.Region, emulated.Account)
	return out.String()
}

// show shows what is published, until the user stops it or a part of the stack ends.
func show(user context.Context, stack *emulated.Stack) error {
	ctx, cancel := context.WithCancelCause(user)
	defer cancel(nil)
	go func() { cancel(stack.Wait(ctx)) }()
	on := newScreen(os.Stdout)
	for ctx.Err() == nil {
		messages, err := stack.Receive(ctx, 20*time.Second)
		if err != nil && ctx.Err() == nil {
			cancel(err)
		}
		for _, m := range messages {
			if err := on.message(m); err != nil {
				return err
			}
		}
	}
	return unlessStopped(user, context.Cause(ctx))
}

// message shows a message with its alerts:
//
//	published: Level 10, web1: sshd: brute force. (1 alert)
//	2026-11-23 10:00:09  level 10  rule 5720  web1  …
func (s screen) message(m emulated.Message) error {
	if _, err := fmt.Fprintf(s.out, "published: %s\n", printable(m.Subject)); err != nil {
		return err
	}
	var report struct{ Alerts []*event.Alert }
	if json.Unmarshal([]byte(m.Message), &report) != nil {
		_, err := fmt.Fprintln(s.out, shorten(printable(m.Message), 400))
		return err
	}
	for _, a := range report.Alerts {
		if err := s.alert(a); err != nil {
			return err
		}
	}
	return nil
}
