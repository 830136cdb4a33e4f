package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go"

	"github.com/yagura-hids/yagura/agent/uplink"
	"github.com/yagura-hids/yagura/internal/alertstore"
	"github.com/yagura-hids/yagura/internal/table"
	"github.com/yagura-hids/yagura/internal/table/dynamo"
)

// stackFlags choose a stack on AWS.
type stackFlags struct {
	AWS   bool   `name:"aws" help:"Use a stack on AWS." xor:"where"`
	Stack string `help:"Name of that stack (default: ${default})." default:"yagura" placeholder:"NAME"`
}

// stack is the tables of a stack on AWS.
type stack struct {
	table.Table
	region string
}

// open reaches the stack's tables. Its errors say what to do.
func (f stackFlags) open(ctx context.Context) (*stack, error) {
	conf, err := uplink.Config(ctx)
	if err != nil {
		return nil, err
	}
	name := func(schema string) string { // template.yaml names them so; the functions have the variables
		if name := os.Getenv(strings.ToUpper(schema) + "_TABLE"); name != "" {
			return name
		}
		return f.Stack + "-" + schema
	}
	return &stack{dynamo.New(dynamodb.NewFromConfig(conf), dynamo.Options{Name: name}), conf.Region}, nil
}

// explain adds to an error of the tables what to do about it.
func (s *stack) explain(err error) error {
	var conflict *table.ConflictError
	if err == nil || errors.As(err, &conflict) { // which is its caller's to mend
		return err
	}
	return fmt.Errorf("%w; region %s: %s", err, s.region, tableHint(err))
}

// answerTime is how long a page of alerts, a reading or a commit may take. Then a person should look.
const answerTime = 30 * time.Second

// Get is the table's, and gives up after a while.
func (s *stack) Get(ctx context.Context, schema *table.Schema, keys []table.Key) ([]table.Fields, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	items, err := s.Table.Get(ctx, schema, keys)
	return items, s.explain(err)
}

// Commit is the table's, and gives up after a while.
func (s *stack) Commit(ctx context.Context, ops []table.Op) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	return s.explain(s.Table.Commit(ctx, ops))
}

// Query is the table's, and gives up after a while.
func (s *stack) Query(ctx context.Context, q table.Query) (table.Page, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	page, err := s.Table.Query(ctx, q)
	return page, s.explain(err)
}

// pages asks for a page of alerts.
type pages func(context.Context, alertstore.Filter) (alertstore.Page, error)

// alerts asks for a page of the stack's alerts.
func (s *stack) alerts(ctx context.Context, f alertstore.Filter) (alertstore.Page, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	page, err := alertstore.Query(ctx, s.Table, f)
	return page, s.explain(err)
}

// tableHint says what to do about an error of reading a table.
func tableHint(err error) string {
	code := ""
	var api smithy.APIError
	if errors.As(err, &api) {
		code = api.ErrorCode()
	}
	switch {
	case code == "ResourceNotFoundException":
		return "name the stack as it was deployed with --stack, and its region and account with AWS_REGION and AWS_PROFILE"
	case code == "AccessDeniedException":
		return "allow these credentials dynamodb:Query and dynamodb:BatchGetItem on the tables and their indexes; to store, dynamodb:PutItem and dynamodb:ConditionCheckItem, too"
	case code == "" && errors.Is(err, context.DeadlineExceeded):
		return "see that DynamoDB can be reached from here"
	}
	return "see that the AWS credentials are valid, and that the clock is right"
}
