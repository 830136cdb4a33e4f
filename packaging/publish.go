package packaging

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

// folder is where packages are in the bucket.
const folder = "yagura-agent/"

// Errors of what is in the bucket.
var (
	// ErrNoBucket is returned when there is no bucket of this name.
	ErrNoBucket = errors.New("there is no such bucket")
	// ErrPublished is returned when other packages were published under the same version.
	ErrPublished = errors.New("other packages have been published under this version")
)

var versioned = regexp.MustCompile(`yagura-agent_(.+)_amd64\.deb`)

// Publish uploads the packages in dir, and names their version the latest. What is there already isn't changed, so it may be repeated. It
// returns the version.
func Publish(ctx context.Context, client *s3.Client, bucket, dir string) (version string, err error) {
	list, err := os.ReadFile(filepath.Join(dir, sums))
	if err != nil {
		return "", fmt.Errorf("publish: %w; make packages builds them", err)
	}
	m := versioned.FindSubmatch(list)
	if m == nil {
		return "", fmt.Errorf("publish: %s names no package of the agent; make packages builds them", filepath.Join(dir, sums))
	}
	version = string(m[1])
	p := publisher{client, bucket}
	if err := p.packages(ctx, version, dir, list); err != nil {
		return "", fmt.Errorf("publish %s in %s: %w", version, bucket, err)
	}
	return version, nil
}

type publisher struct {
	client *s3.Client
	bucket string
}

// packages puts the sums behind the packages and the pointer behind both: whoever sees one sees what it points to.
func (p publisher) packages(ctx context.Context, version, dir string, list []byte) error {
	prefix := folder + version + "/"
	there, err := p.get(ctx, prefix+sums)
	if err != nil {
		return err
	}
	if there != nil && !bytes.Equal(there, list) {
		return fmt.Errorf("%w: commit what changed, or delete s3://%s/%s", ErrPublished, p.bucket, prefix)
	}
	if there == nil {
		files, err := packages(dir)
		if err != nil {
			return err
		}
		for _, file := range append(files, filepath.Join(dir, sums)) {
			data, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			if err := p.put(ctx, prefix+filepath.Base(file), data); err != nil {
				return err
			}
		}
	}
	return p.put(ctx, folder+"latest", []byte(version+"\n"))
}

// get returns nil for an object that isn't there.
func (p publisher) get(ctx context.Context, key string) ([]byte, error) {
	out, err := p.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &p.bucket, Key: &key})
	var none *types.NoSuchKey
	if errors.As(err, &none) {
		return nil, nil
	}
	var api smithy.APIError
	if errors.As(err, &api) && api.ErrorCode() == "NoSuchBucket" {
		return nil, fmt.Errorf("%w: aws s3 mb s3://%s makes one", ErrNoBucket, p.bucket)
	}
	if err != nil {
		return nil, err
	}
	defer out.Body.Close()
	return io.ReadAll(out.Body)
}

func (p publisher) put(ctx context.Context, key string, data []byte) error {
	_, err := p.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &p.bucket, Key: &key, Body: bytes.NewReader(data), ContentLength: aws.Int64(int64(len(data))),
	})
	return err
}
