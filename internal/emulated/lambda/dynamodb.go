package lambda

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/yagura-hids/yagura/internal/emulated"
)

// dynamoSource is the stream of a DynamoDB table.
type dynamoSource struct {
	client  *dynamodbstreams.Client
	mapping emulated.Mapping
	trees   bool // filters want each record's JSON as a tree
}

func (d *dynamoSource) shards(ctx context.Context) ([]shardInfo, error) {
	if d.client == nil {
		return nil, errNoClient("DynamoDB streams")
	}
	var found []shardInfo
	in := &dynamodbstreams.DescribeStreamInput{StreamArn: aws.String(d.mapping.Stream)}
	for {
		out, err := d.client.DescribeStream(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("list the shards of %s: %w", d.mapping.Stream, err)
		}
		for _, s := range out.StreamDescription.Shards {
			info := shardInfo{id: *s.ShardId, closed: s.SequenceNumberRange != nil && s.SequenceNumberRange.EndingSequenceNumber != nil}
			if s.ParentShardId != nil {
				info.parents = []string{*s.ParentShardId}
			}
			found = append(found, info)
		}
		if in.ExclusiveStartShardId = out.StreamDescription.LastEvaluatedShardId; in.ExclusiveStartShardId == nil {
			return found, nil
		}
	}
}

func (d *dynamoSource) iterator(ctx context.Context, shard, after, position string) (string, error) {
	in := &dynamodbstreams.GetShardIteratorInput{StreamArn: aws.String(d.mapping.Stream), ShardId: aws.String(shard), ShardIteratorType: types.ShardIteratorType(position)}
	if after != "" {
		in.ShardIteratorType, in.SequenceNumber = types.ShardIteratorTypeAfterSequenceNumber, aws.String(after)
	}
	out, err := d.client.GetShardIterator(ctx, in)
	if err != nil {
		return "", fmt.Errorf("shard %s: get an iterator: %w", shard, err)
	}
	return aws.ToString(out.ShardIterator), nil
}

func (d *dynamoSource) read(ctx context.Context, _, iterator string) ([]record, string, bool, error) {
	out, err := d.client.GetRecords(ctx, &dynamodbstreams.GetRecordsInput{ShardIterator: aws.String(iterator)})
	if err != nil {
		return nil, "", false, err
	}
	records := make([]record, 0, len(out.Records))
	for i := range out.Records {
		r, err := d.record(&out.Records[i])
		if err != nil {
			return nil, "", false, err
		}
		records = append(records, r)
	}
	return records, aws.ToString(out.NextShardIterator), len(records) == 0, nil
}

// record makes JSON of a record. Records of one item have one key.
func (d *dynamoSource) record(r *types.Record) (record, error) {
	change := r.Dynamodb
	made := aws.ToTime(change.ApproximateCreationDateTime)
	tree := map[string]any{
		"eventID": aws.ToString(r.EventID), "eventName": string(r.EventName), "eventVersion": aws.ToString(r.EventVersion),
		"eventSource": "aws:dynamodb", "awsRegion": emulated.Region, "eventSourceARN": d.mapping.SourceARN,
	}
	body := map[string]any{
		"ApproximateCreationDateTime": made.Unix(), "SequenceNumber": aws.ToString(change.SequenceNumber),
		"SizeBytes": aws.ToInt64(change.SizeBytes), "StreamViewType": string(change.StreamViewType),
	}
	for name, image := range map[string]map[string]types.AttributeValue{"Keys": change.Keys, "NewImage": change.NewImage, "OldImage": change.OldImage} {
		if image != nil {
			body[name] = attributes(image)
		}
	}
	tree["dynamodb"] = body
	if r.UserIdentity != nil { // TTL deleted it
		tree["userIdentity"] = map[string]any{"type": aws.ToString(r.UserIdentity.Type), "principalId": aws.ToString(r.UserIdentity.PrincipalId)}
	}
	text, err := json.Marshal(tree)
	if err != nil {
		return record{}, fmt.Errorf("record %s: %w", aws.ToString(change.SequenceNumber), err)
	}
	key, err := json.Marshal(body["Keys"])
	if err != nil {
		return record{}, fmt.Errorf("record %s: its keys: %w", aws.ToString(change.SequenceNumber), err)
	}
	out := record{sequence: *change.SequenceNumber, key: string(key), arrived: made, event: text}
	if d.trees {
		err = json.Unmarshal(text, &out.tree)
	}
	return out, err
}

func attributes(image map[string]types.AttributeValue) map[string]any {
	out := make(map[string]any, len(image))
	for name, value := range image {
		out[name] = attribute(value)
	}
	return out
}

// attribute is a value as DynamoDB's JSON has it: {"S": "text"}.
func attribute(value types.AttributeValue) any {
	switch v := value.(type) {
	case *types.AttributeValueMemberS:
		return map[string]any{"S": v.Value}
	case *types.AttributeValueMemberN:
		return map[string]any{"N": v.Value}
	case *types.AttributeValueMemberB:
		return map[string]any{"B": v.Value}
	case *types.AttributeValueMemberBOOL:
		return map[string]any{"BOOL": v.Value}
	case *types.AttributeValueMemberNULL:
		return map[string]any{"NULL": v.Value}
	case *types.AttributeValueMemberSS:
		return map[string]any{"SS": v.Value}
	case *types.AttributeValueMemberNS:
		return map[string]any{"NS": v.Value}
	case *types.AttributeValueMemberBS:
		return map[string]any{"BS": v.Value}
	case *types.AttributeValueMemberM:
		return map[string]any{"M": attributes(v.Value)}
	case *types.AttributeValueMemberL:
		list := make([]any, 0, len(v.Value))
		for _, each := range v.Value {
			list = append(list, attribute(each))
		}
		return map[string]any{"L": list}
	}
	return nil // the SDK knows no others
}

func (d *dynamoSource) info(shard string, batch []record) (string, any) {
	return "DDBStreamBatchInfo", newBatchInfo(shard, d.mapping.SourceARN, strings.Replace(time.RFC3339, "Z07:00", "Z", 1), batch)
}
