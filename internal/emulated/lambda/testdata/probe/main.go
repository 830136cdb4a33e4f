// Probe is the function that package lambda's tests run: it does what its events say, good and bad.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

func main() {
	if os.Getenv("PROBE_INIT") == "exit" {
		fmt.Println("no rules")
		os.Exit(3)
	}
	lambda.Start(handle)
}

// handle does what {"do": …} says, or goes through a Kinesis event's records.
func handle(ctx context.Context, event json.RawMessage) (any, error) {
	var command struct{ Do string }
	if err := json.Unmarshal(event, &command); err != nil {
		return nil, err
	}
	switch command.Do {
	case "echo":
		return echo(ctx)
	case "wait":
		fmt.Println("pid", os.Getpid())
		<-make(chan struct{})
	case "allocate":
		var all [][]byte
		for {
			all = append(all, bytes.Repeat([]byte{1}, 1<<20))
		}
	case "panic":
		panic("as told")
	case "exit":
		os.Exit(4)
	case "fail":
		return nil, errors.New("as told")
	case "big":
		return strings.Repeat("x", 7<<20), nil
	case "write":
		return "written", write(ctx)
	}
	return records(event)
}

// echo tells what the function sees.
func echo(ctx context.Context) (any, error) {
	lc, _ := lambdacontext.FromContext(ctx)
	deadline, _ := ctx.Deadline()
	fmt.Println("to stdout")
	fmt.Fprintln(os.Stderr, "to stderr")
	out := map[string]string{"request": lc.AwsRequestID, "arn": lc.InvokedFunctionArn, "left": time.Until(deadline).String(), "trace": os.Getenv("_X_AMZN_TRACE_ID")}
	for _, entry := range os.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		out["env "+name] = value
	}
	return out, nil
}

// write sends three requests that are signed as the SDK's are.
func write(ctx context.Context) error {
	for i := range 3 {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, fmt.Sprintf("%s/%d", os.Getenv("PROBE_URL"), i+1), nil)
		if err != nil {
			return err
		}
		credentials := aws.Credentials{AccessKeyID: os.Getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY")}
		if err := v4.NewSigner().SignHTTP(ctx, credentials, r, "e3b0", "dynamodb", os.Getenv("AWS_REGION"), time.Now()); err != nil {
			return err
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			return err
		}
		res.Body.Close()
	}
	return nil
}

// records appends a line for each record to the file PROBE_LOG, and exits at a record that says "poison".
func records(event json.RawMessage) (any, error) {
	var in events.KinesisEvent
	if err := json.Unmarshal(event, &in); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(os.Getenv("PROBE_LOG"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	for _, r := range in.Records {
		if string(r.Kinesis.Data) == "poison" {
			os.Exit(5)
		}
		if _, err := fmt.Fprintf(log, "%s %s %s\n", r.Kinesis.PartitionKey, r.Kinesis.SequenceNumber, r.Kinesis.Data); err != nil {
			return nil, err
		}
	}
	return events.KinesisEventResponse{}, nil
}
