package lambda

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/yagura-hids/yagura/internal/emulated"
)

// kinesisSource is a Kinesis stream.
type kinesisSource struct {
	client  *kinesis.Client
	mapping emulated.Mapping
}

func (k *kinesisSource) shards(ctx context.Context) ([]shardInfo, error) {
	if k.client == nil {
		return nil, errNoClient("Kinesis")
	}
	var found []shardInfo
	in := &kinesis.ListShardsInput{StreamName: aws.String(k.mapping.Stream)}
	for {
		out, err := k.client.ListShards(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("list the shards of %s: %w", k.mapping.Stream, err)
		}
		for _, s := range out.Shards {
			info := shardInfo{id: *s.ShardId, closed: s.SequenceNumberRange.EndingSequenceNumber != nil}
			for _, parent := range []*string{s.ParentShardId, s.AdjacentParentShardId} {
				if parent != nil {
					info.parents = append(info.parents, *parent)
				}
			}
			found = append(found, info)
		}
		if out.NextToken == nil {
			return found, nil
		}
		in = &kinesis.ListShardsInput{NextToken: out.NextToken}
	}
}

func (k *kinesisSource) iterator(ctx context.Context, shard, after, position string) (string, error) {
	in := &kinesis.GetShardIteratorInput{StreamName: aws.String(k.mapping.Stream), ShardId: aws.String(shard), ShardIteratorType: types.ShardIteratorType(position)}
	if after != "" {
		in.ShardIteratorType, in.StartingSequenceNumber = types.ShardIteratorTypeAfterSequenceNumber, aws.String(after)
	}
	out, err := k.client.GetShardIterator(ctx, in)
	if err != nil {
		return "", fmt.Errorf("shard %s: get an iterator: %w", shard, err)
	}
	return aws.ToString(out.ShardIterator), nil
}

func (k *kinesisSource) read(ctx context.Context, shard, iterator string) ([]record, string, bool, error) {
	out, err := k.client.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: aws.String(iterator)})
	if err != nil {
		return nil, "", false, err
	}
	records := make([]record, 0, len(out.Records))
	for i := range out.Records {
		r := &out.Records[i]
		text, err := json.Marshal(k.event(shard, r))
		if err != nil {
			return nil, "", false, fmt.Errorf("record %s: %w", aws.ToString(r.SequenceNumber), err)
		}
		records = append(records, record{sequence: *r.SequenceNumber, key: *r.PartitionKey, arrived: *r.ApproximateArrivalTimestamp, event: text})
	}
	tip := len(records) == 0 && aws.ToInt64(out.MillisBehindLatest) == 0
	return records, aws.ToString(out.NextShardIterator), tip, nil
}

func (k *kinesisSource) event(shard string, r *types.Record) events.KinesisEventRecord {
	return events.KinesisEventRecord{
		AwsRegion:         emulated.Region,
		EventID:           shard + ":" + *r.SequenceNumber,
		EventName:         "aws:kinesis:record",
		EventSource:       "aws:kinesis",
		EventSourceArn:    k.mapping.SourceARN,
		EventVersion:      "1.0",
		InvokeIdentityArn: "arn:aws:iam::" + emulated.Account + ":role/lambda",
		Kinesis: events.KinesisRecord{
			ApproximateArrivalTimestamp: events.SecondsEpochTime{Time: *r.ApproximateArrivalTimestamp},
			Data:                        r.Data,
			PartitionKey:                *r.PartitionKey,
			SequenceNumber:              *r.SequenceNumber,
			KinesisSchemaVersion:        "1.0",
		},
	}
}

func (k *kinesisSource) info(shard string, batch []record) (string, any) {
	return "KinesisBatchInfo", newBatchInfo(shard, k.mapping.SourceARN, stamp, batch)
}
