// Package dynamotest gives tests tables in an emulated DynamoDB.
package dynamotest

import (
	"context"
	"crypto/rand"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/yagura-hids/yagura/internal/table"
	"github.com/yagura-hids/yagura/internal/table/dynamo"
)

// Client returns a client of the DynamoDB at url.
func Client(url string) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		BaseEndpoint: &url, Region: "eu-central-1",
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "test"}, nil
		}),
	})
}

// Open makes new tables of these schemas in the DynamoDB at url and returns them.
func Open(t testing.TB, url string, schemas ...*table.Schema) table.Table {
	t.Helper()
	prefix := rand.Text()[:10] + "-"
	for _, s := range schemas {
		Create(t, Client(url), prefix+s.Name, s)
	}
	return dynamo.New(Client(url), dynamo.Options{Name: func(name string) string { return prefix + name }})
}

// Create makes a table of a schema under a name, and waits until it's there.
func Create(t testing.TB, client *dynamodb.Client, name string, s *table.Schema) {
	t.Helper()
	in := &dynamodb.CreateTableInput{TableName: &name, BillingMode: types.BillingModePayPerRequest, KeySchema: keySchema(s.Partition, s.Sort)}
	fields := []string{s.Partition, s.Sort}
	for _, index := range s.Indexes {
		fields = append(fields, index.Partition, index.Sort)
		projection := &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly}
		if len(index.Projected) > 0 {
			projection = &types.Projection{ProjectionType: types.ProjectionTypeInclude, NonKeyAttributes: index.Projected}
		}
		in.GlobalSecondaryIndexes = append(in.GlobalSecondaryIndexes, types.GlobalSecondaryIndex{
			IndexName: aws.String(index.Name), KeySchema: keySchema(index.Partition, index.Sort), Projection: projection,
		})
	}
	slices.Sort(fields)
	for _, field := range slices.Compact(fields) {
		if field != "" {
			in.AttributeDefinitions = append(in.AttributeDefinitions, types.AttributeDefinition{
				AttributeName: aws.String(field), AttributeType: types.ScalarAttributeTypeS,
			})
		}
	}
	if _, err := client.CreateTable(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	waiter := dynamodb.NewTableExistsWaiter(client, func(o *dynamodb.TableExistsWaiterOptions) { o.MinDelay = 10 * time.Millisecond })
	if err := waiter.Wait(t.Context(), &dynamodb.DescribeTableInput{TableName: &name}, time.Minute); err != nil {
		t.Fatal(err)
	}
}

func keySchema(partition, sort string) []types.KeySchemaElement {
	keys := []types.KeySchemaElement{{AttributeName: aws.String(partition), KeyType: types.KeyTypeHash}}
	if sort != "" {
		keys = append(keys, types.KeySchemaElement{AttributeName: aws.String(sort), KeyType: types.KeyTypeRange})
	}
	return keys
}
