// Command notify is the Lambda function that tells of alerts. Package handler tells what it does, and what it is told by its environment.
package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/yagura-hids/yagura/internal/handler"
	"github.com/yagura-hids/yagura/internal/notify/sns"
)

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stdout, nil))
	env, err := handler.ReadNotifyEnv(os.Getenv)
	if err != nil {
		log.Error("can't start", "cause", err.Error())
		os.Exit(1)
	}
	cfg, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		log.Error("can't start", "cause", err.Error())
		os.Exit(1)
	}
	h := &handler.Notify{Publish: sns.New(cfg, env.TopicARN).Publish, Log: log}
	lambda.Start(h.Handle)
}
