// Package setaside keeps records that nobody can read in a bucket, complete, so that those behind them needn't wait.
//
//	s3://BUCKET/set-aside/SHARD/SEQUENCE.json   {"stream","shard","sequence","partition_key","arrived","cause","data"}
//
// A record has one place, so that setting it aside twice is doing it once.
package setaside

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/yagura-hids/yagura/internal/codec"
)

// Record is a record as it is kept.
type Record struct {
	Stream       string    `json:"stream"`
	Shard        string    `json:"shard"`
	Sequence     string    `json:"sequence"`
	PartitionKey string    `json:"partition_key"`
	Arrived      time.Time `json:"arrived"`
	Cause        string    `json:"cause"`
	Data         []byte    `json:"data"` // in base64
}

// Bucket keeps records in S3.
type Bucket struct {
	client *s3.Client
	name   string
}

// New returns a Bucket. An endpoint of cfg's own, as an emulator has it, is asked by paths: it has no names for buckets.
func New(cfg aws.Config, name string) *Bucket {
	client := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = o.BaseEndpoint != nil })
	return &Bucket{client, name}
}

// Key returns where a record is kept in the bucket.
func Key(r codec.Record) string { return "set-aside/" + r.Shard + "/" + r.Sequence + ".json" }

// Put keeps a record of a stream, and why it couldn't be read.
func (b *Bucket) Put(ctx context.Context, r codec.Record, stream string, cause error) error {
	text, err := json.Marshal(Record{stream, r.Shard, r.Sequence, r.PartitionKey, r.Arrived, cause.Error(), r.Data})
	if err != nil {
		return err
	}
	key := Key(r)
	_, err = b.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &b.name, Key: &key, Body: bytes.NewReader(text), ContentType: aws.String("application/json"),
	})
	if err != nil {
		return fmt.Errorf("put s3://%s/%s: %w", b.name, key, err)
	}
	return nil
}
