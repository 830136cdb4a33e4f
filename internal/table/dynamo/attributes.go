package dynamo

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/yagura-hids/yagura/internal/table"
)

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

// attributes returns a valid item as DynamoDB's.
func attributes(item table.Fields) map[string]types.AttributeValue {
	m := make(map[string]types.AttributeValue, len(item))
	for name, value := range item {
		switch v := value.(type) {
		case string:
			m[name] = text(v)
		case int64:
			m[name] = &types.AttributeValueMemberN{Value: strconv.FormatInt(v, 10)}
		case bool:
			m[name] = &types.AttributeValueMemberBOOL{Value: v}
		case []byte:
			m[name] = &types.AttributeValueMemberB{Value: append([]byte{}, v...)}
		}
	}
	return m
}

func attributesOfKey(s *table.Schema, key table.Key) map[string]types.AttributeValue {
	m := map[string]types.AttributeValue{s.Partition: text(key.Partition)}
	if s.Sort != "" {
		m[s.Sort] = text(key.Sort)
	}
	return m
}

// fields returns DynamoDB's item as ours.
func fields(attributes map[string]types.AttributeValue) (table.Fields, error) {
	item := make(table.Fields, len(attributes))
	for name, value := range attributes {
		switch v := value.(type) {
		case *types.AttributeValueMemberS:
			item[name] = v.Value
		case *types.AttributeValueMemberBOOL:
			item[name] = v.Value
		case *types.AttributeValueMemberB:
			item[name] = append([]byte{}, v.Value...)
		case *types.AttributeValueMemberN:
			n, err := strconv.ParseInt(v.Value, 10, 64)
			if err != nil {
				return nil, fmt.Errorf("attribute %s: %w; not written by this program", name, err)
			}
			item[name] = n
		default:
			return nil, fmt.Errorf("attribute %s is a %T; not written by this program", name, value)
		}
	}
	return item, nil
}

// cursor writes a LastEvaluatedKey, which is made of strings, as text.
func cursor(key map[string]types.AttributeValue) string {
	if len(key) == 0 {
		return ""
	}
	parts := make(map[string]string, len(key))
	for name, value := range key {
		if v, ok := value.(*types.AttributeValueMemberS); ok {
			parts[name] = v.Value
		}
	}
	b, _ := json.Marshal(parts) // strings only
	return base64.RawURLEncoding.EncodeToString(b)
}

// startKey reads a query's cursor, which names exactly the fields of the keys.
func startKey(q table.Query, partition, sort string) (map[string]types.AttributeValue, error) {
	if q.After == "" {
		return nil, nil
	}
	var parts map[string]string
	b, err := base64.RawURLEncoding.DecodeString(q.After)
	if err == nil {
		err = json.Unmarshal(b, &parts)
	}
	key := map[string]types.AttributeValue{}
	for _, name := range []string{partition, sort, q.Table.Partition, q.Table.Sort} {
		if name != "" {
			key[name] = text(parts[name])
		}
	}
	if err != nil || len(parts) != len(key) || parts[partition] != q.Partition {
		return nil, fmt.Errorf("query table %s: %w cursor %q", q.Table.Name, table.ErrInvalid, q.After)
	}
	return key, nil
}
