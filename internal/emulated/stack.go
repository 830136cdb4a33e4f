package emulated

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/yagura-hids/yagura/internal/emulated/faults"
)

// Options are what a Stack is made of.
type Options struct {
	Template   string            // the file, template.yaml
	Parts      string            // the folder where the parts are installed
	Parameters map[string]string // of the template, where they aren't to have their defaults
	Shards     int               // of each Kinesis stream; at least 1
	Shard      faults.Limits     // of each shard
	Faults     faults.Rates      // of both proxies
	Seed       uint64            // of the faults

	// At, if set, is told of each request to Kinesis and DynamoDB; see faults.Options.
	At func(faults.Moment)
}

// Stack is what a template declares, running.
type Stack struct {
	Functions map[string]*Function // by their names in the template
	Names     map[string]string    // of streams, tables, topics (ARN), buckets, queues (URL), documents, by their names in the template
	Inbox     string               // URL of an SQS queue that gets what is published on each topic

	// The proxies that functions, senders and CLI talk to.
	Kinesis, DynamoDB *faults.Proxy
	Other             string // URL of SNS, SQS, S3, SSM and STS

	processes         []*Process
	kinesis, dynamodb string // the parts' own URLs
}

// stackName is what `sam deploy` calls the stack, too.
const stackName = "yagura"

// Up starts the parts, with a proxy before Kinesis and one before DynamoDB, and makes what the template declares.
func Up(ctx context.Context, o Options) (s *Stack, err error) {
	t, err := readTemplate(o.Template)
	if err != nil {
		return nil, err
	}
	in, err := newScope(t, stackName, o.Parameters)
	if err != nil {
		return nil, err
	}
	s = &Stack{Functions: map[string]*Function{}, Names: map[string]string{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.died())
			s.Close()
			s = nil
		}
	}()
	if err := s.start(ctx, o); err != nil {
		return s, err
	}
	resources, err := in.all()
	if err != nil {
		return s, err
	}
	if err := newBuilder(s, in, o.Shards).make(ctx, resources); err != nil {
		return s, err
	}
	return s, s.describe(in, resources)
}

// start starts the parts side by side, then the proxies.
func (s *Stack) start(ctx context.Context, o Options) error {
	urls := map[*Part]*string{Kinesis: &s.kinesis, DynamoDB: &s.dynamodb, Moto: &s.Other}
	var mu sync.Mutex
	var all sync.WaitGroup
	var errs []error
	for part, url := range urls {
		all.Go(func() {
			run, err := part.Start(ctx, o.Parts)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, err)
				return
			}
			s.processes, *url = append(s.processes, run), run.URL
		})
	}
	all.Wait()
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	var err error
	serve := func(target string, limits faults.Limits) *faults.Proxy {
		p, e := faults.Serve(faults.Options{Target: target, Seed: o.Seed, Rates: o.Faults, Shard: limits, Now: time.Now, At: o.At})
		err = errors.Join(err, e)
		return p
	}
	s.Kinesis, s.DynamoDB = serve(s.kinesis, o.Shard), serve(s.dynamodb, faults.Limits{})
	return err
}

// describe keeps what the stack's users ask for.
func (s *Stack) describe(in *scope, resources []*resource) error {
	for _, r := range resources {
		s.Names[r.logical] = in.attributes[r.logical]
		if r.kind != "AWS::Serverless::Function" {
			continue
		}
		f, err := in.function(r)
		if err != nil {
			return err
		}
		s.Functions[r.logical] = f
	}
	return nil
}

// Close ends the proxies and the parts. All that they held is gone.
func (s *Stack) Close() {
	for _, p := range []*faults.Proxy{s.Kinesis, s.DynamoDB} {
		if p != nil {
			p.Close()
		}
	}
	for _, p := range s.processes {
		p.Close()
	}
}

// died tells of the parts that have ended by themselves, and so may be the cause of another error.
func (s *Stack) died() error {
	var errs []error
	for _, p := range s.processes {
		select {
		case <-p.Ended():
			errs = append(errs, p.Err())
		default:
		}
	}
	return errors.Join(errs...)
}

// Wait returns when the context ends, or with an error when a part has ended by itself.
func (s *Stack) Wait(ctx context.Context) error {
	ended := make(chan *Process, len(s.processes))
	for _, p := range s.processes {
		go func() {
			select {
			case <-p.Ended():
				ended <- p
			case <-ctx.Done():
			}
		}()
	}
	select {
	case p := <-ended:
		return p.Err()
	case <-ctx.Done():
		return nil
	}
}

// Env is the environment, NAME=VALUE, in which the AWS SDK and CLI use the stack: Kinesis and DynamoDB through the proxies. The addresses are
// numbers, so that the SDKs don't put a bucket's name before them.
func (s *Stack) Env() []string {
	env := []string{"AWS_ACCESS_KEY_ID=emulated", "AWS_SECRET_ACCESS_KEY=emulated", "AWS_REGION=" + Region, "AWS_DEFAULT_REGION=" + Region}
	for service, url := range map[string]string{
		"KINESIS": s.Kinesis.URL, "DYNAMODB": s.DynamoDB.URL, "DYNAMODB_STREAMS": s.DynamoDB.URL,
		"SNS": s.Other, "SQS": s.Other, "S3": s.Other, "SSM": s.Other, "STS": s.Other,
	} {
		env = append(env, "AWS_ENDPOINT_URL_"+service+"="+url)
	}
	slices.Sort(env)
	return env
}

// Clients returns configurations for the SDK's clients that reach the parts past the proxies: what happens through them is never disturbed.
func (s *Stack) Clients() (kinesis, dynamodb, other aws.Config) {
	at := func(url string) aws.Config {
		return aws.Config{
			Region: Region, BaseEndpoint: aws.String(url), Credentials: credentials.NewStaticCredentialsProvider("emulated", "emulated", ""),
		}
	}
	return at(s.kinesis), at(s.dynamodb), at(s.Other)
}
