// Command analyze is the Lambda function that judges the events of the Kinesis stream. Package handler tells what it does, and what it is told by
// its environment.
package main

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/analysisd"
	"github.com/yagura-hids/yagura/internal/fleet"
	"github.com/yagura-hids/yagura/internal/handler"
	"github.com/yagura-hids/yagura/internal/resend"
	"github.com/yagura-hids/yagura/internal/resend/ssm"
	"github.com/yagura-hids/yagura/internal/ruleset"
	"github.com/yagura-hids/yagura/internal/setaside"
	"github.com/yagura-hids/yagura/internal/table/dynamo"
	"github.com/yagura-hids/yagura/rules"
)

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stdout, nil))
	h, err := wire(context.Background(), log)
	if err != nil {
		log.Error("can't start", "cause", err.Error())
		os.Exit(1)
	}
	lambda.Start(h.Handle)
}

func wire(ctx context.Context, log *slog.Logger) (*handler.Analyze, error) {
	env, err := handler.ReadAnalyzeEnv(os.Getenv)
	if err != nil {
		return nil, err
	}
	fsys, files, err := ruleset.Choose(rules.FS, env.Rules)
	if err != nil {
		return nil, err
	}
	set, err := ruleset.Load(fsys, files)
	if err != nil {
		return nil, err
	}
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	engine := analysis.New(set, analysis.Options{LogLevel: env.AlertLevel, MailLevel: env.MailLevel, NameActions: true})
	tables := dynamo.New(dynamodb.NewFromConfig(cfg), dynamo.Options{Name: env.TableName})
	hosts := resend.Hosts{Instance: ssm.New(cfg, env.ResendDocument).Ask, Fleet: fleet.New(tables, fleet.Options{})}
	daemon := analysisd.New(analysisd.Options{
		Engine: engine, Table: tables, Now: time.Now, Keep: env.Keep, Ask: hosts.Ask, Report: func(msg string) { log.Warn(msg) },
	})
	return &handler.Analyze{Daemon: daemon, SetAside: setaside.New(cfg, env.FailureBucket).Put, Health: set.Overruns, Log: log}, nil
}
