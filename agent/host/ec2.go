package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// service is EC2's metadata service, version 2 only.
type service struct{ client *imds.Client }

// How long one answer may take, and all that is asked at once.
const (
	answerWithin = time.Second
	allWithin    = 3 * time.Second
)

func newService(o Options) *service {
	client := o.HTTP
	if client == nil {
		client = &http.Client{Transport: &http.Transport{IdleConnTimeout: time.Second}, Timeout: answerWithin} // never through a proxy
	}
	return &service{imds.New(imds.Options{
		Endpoint: o.IMDS, HTTPClient: client, EnableFallback: aws.FalseTernary, Retryer: aws.NopRetryer{}, DisableDefaultTimeout: true,
	})}
}

// document returns who the instance is. One answer may get lost.
func (s *service) document(ctx context.Context) (imds.InstanceIdentityDocument, error) {
	ctx, cancel := context.WithTimeout(ctx, allWithin)
	defer cancel()
	var errs error
	for range 2 {
		out, err := s.client.GetInstanceIdentityDocument(ctx, nil)
		if err == nil && out.InstanceID == "" {
			err = errors.New("its answer names no instance")
		}
		if err == nil {
			return out.InstanceIdentityDocument, nil
		}
		errs = err
	}
	return imds.InstanceIdentityDocument{}, errs
}

// maxTags is how many an instance may have.
const maxTags = 50

// tags returns the instance's tags, none if it doesn't show them in its metadata.
func (s *service) tags(ctx context.Context) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, allWithin)
	defer cancel()
	names, err := s.get(ctx, "tags/instance")
	var answer *smithyhttp.ResponseError
	if errors.As(err, &answer) && answer.HTTPStatusCode() == http.StatusNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, name := range strings.Fields(names) { // no tag with a space in its name can be shown
		if len(out) == maxTags {
			break
		}
		if out[name], err = s.get(ctx, "tags/instance/"+name); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s *service) get(ctx context.Context, path string) (string, error) {
	out, err := s.client.GetMetadata(ctx, &imds.GetMetadataInput{Path: path})
	if err != nil {
		return "", err
	}
	defer out.Content.Close()
	b, err := io.ReadAll(io.LimitReader(out.Content, 64<<10))
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return string(b), nil
}
