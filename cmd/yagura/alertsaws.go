package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go"

	"github.com/yagura-hids/yagura/internal/alertstore"
	"github.com/yagura-hids/yagura/internal/table/dynamo"
)

// pageTime is how long one page of alerts may take. Then a person should look.
const pageTime = 30 * time.Second

// pages asks for a page of alerts.
type pages func(context.Context, alertstore.Filter) (alertstore.Page, error)

// stackPages returns what reads the alerts of a stack on AWS. Its errors, and those of its pages, say what to do.
func stackPages(ctx context.Context, stack string) (pages, error) {
	conf, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the AWS configuration: %w; see ~/.aws/config, AWS_PROFILE and AWS_REGION", err)
	}
	if conf.Region == "" {
		return nil, errors.New("no AWS region: set AWS_REGION, such as eu-central-1, or AWS_PROFILE to a profile that names one")
	}
	if _, err := conf.Credentials.Retrieve(ctx); err != nil {
		return nil, fmt.Errorf("no AWS credentials: %w; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN)", err)
	}
	name := os.Getenv("ALERTS_TABLE") // as the functions have it
	if name == "" {
		name = stack + "-alerts"
	}
	tab := dynamo.New(dynamodb.NewFromConfig(conf), dynamo.Options{Name: func(string) string { return name }})
	return func(ctx context.Context, f alertstore.Filter) (alertstore.Page, error) {
		ctx, cancel := context.WithTimeout(ctx, pageTime)
		defer cancel()
		page, err := alertstore.Query(ctx, tab, f)
		if err != nil {
			return page, fmt.Errorf("%w; region %s: %s", err, conf.Region, tableHint(err))
		}
		return page, nil
	}, nil
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
		return "allow these credentials dynamodb:Query and dynamodb:BatchGetItem on the table and its indexes"
	case code == "" && errors.Is(err, context.DeadlineExceeded):
		return "see that DynamoDB can be reached from here"
	}
	return "see that the AWS credentials are valid, and that the clock is right"
}
