// Package sns publishes messages on a topic of SNS.
package sns

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"

	"github.com/yagura-hids/yagura/internal/notify"
)

// Topic is a topic of SNS.
type Topic struct {
	client *sns.Client
	arn    string
}

// New returns the topic of that ARN.
func New(cfg aws.Config, arn string) *Topic { return &Topic{sns.NewFromConfig(cfg), arn} }

// Publish publishes m. After an error it may have been published.
func (t *Topic) Publish(ctx context.Context, m notify.Message) error {
	attributes := make(map[string]types.MessageAttributeValue, len(m.Attributes))
	for _, a := range m.Attributes {
		attributes[a.Name] = types.MessageAttributeValue{DataType: &a.Type, StringValue: &a.Value}
	}
	_, err := t.client.Publish(ctx, &sns.PublishInput{
		TopicArn: &t.arn, Subject: &m.Subject, Message: &m.Body, MessageStructure: aws.String("json"), MessageAttributes: attributes,
	})
	if err != nil {
		return fmt.Errorf("publish %q on %s: %w", m.Subject, t.arn, err)
	}
	return nil
}
