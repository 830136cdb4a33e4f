// Package dynamo keeps tables in DynamoDB.
//
//	Get     BatchGetItem, 100 keys a request, strongly consistent; what was left unprocessed again
//	Query   Query, strongly consistent but for indexes
//	Commit  one put: PutItem, which costs half; anything else: TransactWriteItems under one token, so that to try it again is safe
//
// A field is an attribute: string S, int64 N, bool BOOL, []byte B. Throttles, conflicts of transactions, faults of the service and cut
// connections are tried again, with growing random waits, until the context ends.
package dynamo

import (
	"context"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/yagura-hids/yagura/internal/table"
)

// Options are a Table's surroundings.
type Options struct {
	Name  func(table string) string                     // the real name of the table of that schema name; nil for the same
	Wait  func(ctx context.Context, failures int) error // before a request is tried again; its error ends that. nil waits up to 50 ms, 100 ms … 5 s
	Token func() string                                 // names a transaction, at most 36 characters, never twice; nil for random ones
}

// Table is tables in DynamoDB.
type Table struct {
	client *dynamodb.Client
	opts   Options
}

var _ table.Table = (*Table)(nil)

// New returns the tables that client reaches. The calls need the actions BatchGetItem, Query, PutItem and ConditionCheckItem on them and
// their indexes.
func New(client *dynamodb.Client, opts Options) *Table {
	if opts.Name == nil {
		opts.Name = func(name string) string { return name }
	}
	if opts.Wait == nil {
		opts.Wait = wait
	}
	if opts.Token == nil {
		opts.Token = rand.Text
	}
	return &Table{client, opts}
}

// wait waits at random up to a bound that doubles with every failure.
func wait(ctx context.Context, failures int) error {
	most := min(50*time.Millisecond<<min(failures-1, 10), 5*time.Second)
	timer := time.NewTimer(mathrand.N(most) + 1)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// batchKeys is how many keys a BatchGetItem may have.
const batchKeys = 100

// Get returns items by their keys.
func (t *Table) Get(ctx context.Context, s *table.Schema, keys []table.Key) ([]table.Fields, error) {
	found := make(map[table.Key]table.Fields, len(keys))
	for rest := keys; len(rest) > 0; {
		n := min(batchKeys, len(rest))
		if err := t.getBatch(ctx, s, rest[:n], found); err != nil {
			return nil, fmt.Errorf("get from table %s: %w", t.opts.Name(s.Name), err)
		}
		rest = rest[n:]
	}
	items := make([]table.Fields, len(keys))
	for i, key := range keys {
		items[i] = found[key]
	}
	return items, nil
}

func (t *Table) getBatch(ctx context.Context, s *table.Schema, keys []table.Key, found map[table.Key]table.Fields) error {
	name := t.opts.Name(s.Name)
	ask := types.KeysAndAttributes{ConsistentRead: aws.Bool(true)}
	for _, key := range keys {
		if err := s.ValidateKey(key); err != nil {
			return err
		}
		ask.Keys = append(ask.Keys, attributesOfKey(s, key))
	}
	return t.retry(ctx, func(ctx context.Context) error {
		out, err := t.client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{name: ask}}, once)
		if err != nil {
			return err
		}
		for _, attributes := range out.Responses[name] {
			item, err := fields(attributes)
			if err != nil {
				return err
			}
			found[s.Key(item)] = item
		}
		rest := len(out.UnprocessedKeys[name].Keys)
		switch {
		case rest == 0:
			return nil
		case rest < len(ask.Keys): // 16 MB were full, or some were throttled: at least one came
			ask = out.UnprocessedKeys[name]
			return errMore
		}
		return errThrottled
	})
}

// Query returns the next page.
func (t *Table) Query(ctx context.Context, q table.Query) (table.Page, error) {
	in, err := t.queryInput(q)
	if err != nil || in == nil {
		return table.Page{}, err
	}
	var out *dynamodb.QueryOutput
	err = t.retry(ctx, func(ctx context.Context) (err error) {
		out, err = t.client.Query(ctx, in, once)
		return err
	})
	if err != nil {
		return table.Page{}, fmt.Errorf("query table %s: %w", *in.TableName, err)
	}
	_, sort, _ := q.Order()
	page := table.Page{Next: cursor(out.LastEvaluatedKey)}
	for _, attributes := range out.Items {
		item, err := fields(attributes)
		if err != nil {
			return table.Page{}, fmt.Errorf("query table %s: %w", *in.TableName, err)
		}
		if q.To == "" || item.String(sort) < q.To { // BETWEEN takes both its bounds in
			page.Items = append(page.Items, item)
		}
	}
	return page, nil
}

// queryInput returns the request, nil if nothing can lie between the bounds.
func (t *Table) queryInput(q table.Query) (*dynamodb.QueryInput, error) {
	partition, sort, err := q.Order()
	if err != nil || q.To != "" && q.From >= q.To {
		return nil, err
	}
	in := &dynamodb.QueryInput{
		TableName: aws.String(t.opts.Name(q.Table.Name)), ScanIndexForward: aws.Bool(!q.Descending), ConsistentRead: aws.Bool(q.Index == ""),
		ExpressionAttributeNames:  map[string]string{"#p": partition},
		ExpressionAttributeValues: map[string]types.AttributeValue{":p": text(q.Partition)},
	}
	condition := "#p = :p"
	if q.From != "" || q.To != "" {
		condition += " AND " + between(q, in.ExpressionAttributeValues)
		in.ExpressionAttributeNames["#s"] = sort
	}
	in.KeyConditionExpression = &condition
	if q.Index != "" {
		in.IndexName = &q.Index
	}
	if q.Limit > 0 {
		in.Limit = aws.Int32(int32(min(q.Limit, 1<<20)))
	}
	in.ExclusiveStartKey, err = startKey(q, partition, sort)
	return in, err
}

func between(q table.Query, values map[string]types.AttributeValue) string {
	for name, bound := range map[string]string{":from": q.From, ":to": q.To} {
		if bound != "" {
			values[name] = text(bound)
		}
	}
	switch {
	case q.From == "":
		return "#s < :to"
	case q.To == "":
		return "#s >= :from"
	}
	return "#s BETWEEN :from AND :to"
}
