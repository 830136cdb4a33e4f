package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/yagura-hids/yagura/agent/uplink"
	"github.com/yagura-hids/yagura/internal/setaside"
)

// failed puts the records of objects of the failure bucket on the stream again, as they were. One that can't be read doesn't keep the others.
func (c sendCmd) failed(ctx context.Context) error {
	client, err := uplink.Connect(ctx)
	if err != nil {
		return err
	}
	sent := 0
	var errs []error
	for _, file := range c.Files {
		list, err := readFailed(file)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, r := range list {
			up := uplink.Kinesis(client, c.Stream, uplink.Options{Agent: r.PartitionKey, Report: warn})
			ctx, cancel := context.WithTimeout(ctx, giveUp)
			err := up.Send(ctx, r.Data)
			cancel()
			if err != nil {
				return errors.Join(append(errs, fmt.Errorf("%s: %w", file, err))...)
			}
			sent++
		}
	}
	fmt.Printf("%s sent to %s again\n", count(sent, "record"), c.Stream)
	return errors.Join(errs...)
}

func readFailed(file string) ([]setaside.Record, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	list, err := setaside.Read(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; --failed takes files of the failure bucket, as aws s3 cp gets them", file, err)
	}
	return list, nil
}
