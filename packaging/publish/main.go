// Command publish uploads the agent's packages: publish BUCKET DIR. "make publish-agent" runs it.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/yagura-hids/yagura/agent/uplink"
	"github.com/yagura-hids/yagura/packaging"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: publish BUCKET DIR")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "make publish-agent:", err)
		os.Exit(1)
	}
}

func run(bucket, dir string) error {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	conf, err := uplink.Config(ctx)
	if err != nil {
		return err
	}
	version, err := packaging.Publish(ctx, s3.NewFromConfig(conf), bucket, dir)
	if err != nil {
		return err
	}
	fmt.Printf("yagura-agent %s is in s3://%s/yagura-agent/, and is the latest\n", version, bucket)
	return nil
}
