// Command maintenance is the Lambda function that notes when AWS Systems Manager patches an instance. Package handler tells what it does, and what it
// is told by its environment.
package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/yagura-hids/yagura/internal/handler"
	"github.com/yagura-hids/yagura/internal/maintenance"
	"github.com/yagura-hids/yagura/internal/table/dynamo"
)

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stdout, nil))
	env, err := handler.ReadMaintenanceEnv(os.Getenv)
	if err != nil {
		log.Error("can't start", "cause", err.Error())
		os.Exit(1)
	}
	cfg, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		log.Error("can't start", "cause", err.Error())
		os.Exit(1)
	}
	fleet := dynamo.New(dynamodb.NewFromConfig(cfg), dynamo.Options{Name: env.TableName})
	h := &handler.Maintenance{Note: maintenance.NewStore(fleet, maintenance.Options{}).Note, Log: log}
	lambda.Start(h.Handle)
}
