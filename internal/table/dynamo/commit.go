package dynamo

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/yagura-hids/yagura/internal/table"
)

// Commit does all operations, or none.
func (t *Table) Commit(ctx context.Context, ops []table.Op) error {
	if err := table.Validate(ops); err != nil {
		return err
	}
	var err error
	switch {
	case len(ops) == 0:
		return ctx.Err()
	case len(ops) == 1 && !ops[0].Check:
		err = t.put(ctx, ops[0])
	default:
		err = t.transact(ctx, ops)
	}
	if err != nil {
		return fmt.Errorf("commit to table %s: %w", t.opts.Name(ops[0].Table.Name), err)
	}
	return nil
}

// put does one operation. If an attempt's outcome is unknown, and the condition doesn't hold at the next, the item there tells whether that
// is because the first was done.
func (t *Table) put(ctx context.Context, op table.Op) error {
	cond := newCondition(op)
	in := &dynamodb.PutItemInput{
		TableName: aws.String(t.opts.Name(op.Table.Name)), Item: attributes(op.Item),
		ConditionExpression: cond.expression, ExpressionAttributeNames: cond.names, ExpressionAttributeValues: cond.values,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}
	unknown := false
	return t.retry(ctx, func(ctx context.Context) error {
		_, err := t.client.PutItem(ctx, in, once)
		var failed *types.ConditionalCheckFailedException
		if !errors.As(err, &failed) {
			unknown = unknown || err != nil && mayBeDone(err)
			return err
		}
		if unknown && same(failed.Item, op.Item) {
			return nil
		}
		return &table.ConflictError{Ops: []int{0}}
	})
}

func same(stored map[string]types.AttributeValue, item table.Fields) bool {
	got, err := fields(stored)
	return err == nil && reflect.DeepEqual(got, item)
}

// transact does operations under one token: the service recognises one that it has done, for ten minutes.
func (t *Table) transact(ctx context.Context, ops []table.Op) error {
	in := &dynamodb.TransactWriteItemsInput{ClientRequestToken: aws.String(t.opts.Token())}
	for _, op := range ops {
		in.TransactItems = append(in.TransactItems, t.write(op))
	}
	return t.retry(ctx, func(ctx context.Context) error {
		_, err := t.client.TransactWriteItems(ctx, in, once)
		var canceled *types.TransactionCanceledException
		if !errors.As(err, &canceled) {
			return err
		}
		return cancellation(canceled)
	})
}

func (t *Table) write(op table.Op) types.TransactWriteItem {
	name, cond := aws.String(t.opts.Name(op.Table.Name)), newCondition(op)
	if !op.Check {
		return types.TransactWriteItem{Put: &types.Put{
			TableName: name, Item: attributes(op.Item),
			ConditionExpression: cond.expression, ExpressionAttributeNames: cond.names, ExpressionAttributeValues: cond.values,
		}}
	}
	return types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
		TableName: name, Key: attributesOfKey(op.Table, op.Table.Key(op.Item)),
		ConditionExpression: cond.expression, ExpressionAttributeNames: cond.names, ExpressionAttributeValues: cond.values,
	}}
}

// cancellation says why a transaction was not done: conditions, or something that passes.
func cancellation(e *types.TransactionCanceledException) error {
	var conflict table.ConflictError
	var lasting []error
	for i, reason := range e.CancellationReasons {
		switch code := aws.ToString(reason.Code); code {
		case "None", "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded":
		case "ConditionalCheckFailed":
			conflict.Ops = append(conflict.Ops, i)
		default:
			lasting = append(lasting, fmt.Errorf("operation %d: %s: %s", i, code, aws.ToString(reason.Message)))
		}
	}
	switch {
	case len(lasting) > 0:
		return errors.Join(lasting...)
	case len(conflict.Ops) > 0:
		return &conflict
	}
	return &passing{e}
}

// condition is a table.Condition in DynamoDB's words.
type condition struct {
	expression *string
	names      map[string]string
	values     map[string]types.AttributeValue
}

func newCondition(op table.Op) condition {
	names := map[string]string{"#p": op.Table.Partition, "#f": op.If.Field}
	expression := "attribute_not_exists(#p)"
	switch {
	case op.If.Absent:
		delete(names, "#f")
		return condition{&expression, names, nil}
	case op.If.Field == "" && !op.Check:
		return condition{}
	case op.If.Field == "": // a check needs some condition
		delete(names, "#f")
		expression = "attribute_exists(#p) OR attribute_not_exists(#p)"
		return condition{&expression, names, nil}
	case op.If.Missing:
		expression += " OR #f = :equal"
	default:
		delete(names, "#p")
		expression = "#f = :equal"
	}
	values := map[string]types.AttributeValue{":equal": &types.AttributeValueMemberN{Value: strconv.FormatInt(op.If.Equal, 10)}}
	return condition{&expression, names, values}
}
