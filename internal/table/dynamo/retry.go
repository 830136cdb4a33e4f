package dynamo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// once makes the SDK send a request once: trying again is ours.
func once(o *dynamodb.Options) { o.Retryer = aws.NopRetryer{} }

var (
	errMore      = errors.New("there is more")
	errThrottled = errors.New("throttled: no key was processed")
)

// passing is an error of the service that trying again mends.
type passing struct{ error }

func (e *passing) Unwrap() error { return e.error }

// attemptTime is how long one request may take before another one is sent.
const attemptTime = 10 * time.Second

// retry makes attempts until one succeeds, fails in a way that lasts, or ctx ends. An attempt that returns errMore has got on: the next
// follows at once.
func (t *Table) retry(ctx context.Context, attempt func(context.Context) error) error {
	for failures := 0; ; {
		err := t.attempt(ctx, attempt)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		case errors.Is(err, errMore):
			failures = 0
			continue
		case !mayPass(err):
			return err
		}
		failures++
		if stop := t.opts.Wait(ctx, failures); stop != nil {
			return fmt.Errorf("%w, after %d attempts: %w", stop, failures, err)
		}
	}
}

func (t *Table) attempt(ctx context.Context, attempt func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, attemptTime, errSlow)
	defer cancel()
	err := attempt(ctx)
	if err != nil && context.Cause(ctx) == errSlow {
		return &passing{fmt.Errorf("%w: %w", errSlow, err)}
	}
	return err
}

var errSlow = fmt.Errorf("no answer within %v", attemptTime)

// mayPass tells whether it is worth while to try again.
func mayPass(err error) bool {
	var passes *passing
	var conflict *types.TransactionConflictException
	switch {
	case errors.As(err, &passes), errors.As(err, &conflict), errors.Is(err, errThrottled), cut(err):
		return true
	}
	return retry.IsErrorRetryables(retry.DefaultRetryables).IsErrorRetryable(err).Bool()
}

// cut tells whether the connection ended before the answer did.
func cut(err error) bool {
	var send *smithyhttp.RequestSendError
	return errors.As(err, &send) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// mayBeDone tells whether the service may have done what it was asked to: it did not if it said why not.
func mayBeDone(err error) bool {
	var api smithy.APIError
	return !errors.As(err, &api) || api.ErrorFault() != smithy.FaultClient
}
