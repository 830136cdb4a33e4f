package packaging_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/yagura-hids/yagura/internal/emulated"
	"github.com/yagura-hids/yagura/internal/emulated/emulatedtest"
	"github.com/yagura-hids/yagura/packaging"
)

// bucket makes an empty bucket.
func bucket(t *testing.T, name string) *s3.Client {
	t.Helper()
	client := s3.New(s3.Options{
		Region: emulated.Region, BaseEndpoint: aws.String(emulatedtest.Shared(t, emulated.Moto)), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider("emulated", "emulated", ""),
	})
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name}); err != nil {
		t.Fatal(err)
	}
	return client
}

func object(t *testing.T, client *s3.Client, bucket, key string) string {
	t.Helper()
	out, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	data, err := io.ReadAll(out.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestPublish(t *testing.T) {
	client, dir := bucket(t, "packages"), dist(t)
	for range 2 { // the second time nothing changes
		if got, err := packaging.Publish(t.Context(), client, "packages", dir); err != nil || got != version {
			t.Fatalf("%s (%v)", got, err)
		}
		files, err := os.ReadDir(dir)
		if err != nil || len(files) != 10 {
			t.Fatal(files, err)
		}
		for _, f := range files {
			if object(t, client, "packages", "yagura-agent/"+version+"/"+f.Name()) != string(read(t, dir, f.Name())) {
				t.Errorf("%s is another one", f.Name())
			}
		}
		if got := object(t, client, "packages", "yagura-agent/latest"); got != version+"\n" {
			t.Errorf("latest is %q", got)
		}
	}
}

// A version is what it is: hosts may have it.
func TestPublishedIsNotReplaced(t *testing.T) {
	client, dir := bucket(t, "packages2"), t.TempDir()
	list := "00  yagura-agent_1.0_amd64.deb\n"
	if err := os.WriteFile(filepath.Join(dir, "SHA256SUMS"), []byte(list), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := packaging.Publish(t.Context(), client, "packages2", dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "SHA256SUMS"), []byte("11"+list[2:]), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := packaging.Publish(t.Context(), client, "packages2", dir); !errors.Is(err, packaging.ErrPublished) {
		t.Errorf("%v", err)
	}
	if got := object(t, client, "packages2", "yagura-agent/1.0/SHA256SUMS"); got != list {
		t.Errorf("it was replaced: %s", got)
	}
}

func TestPublishWithoutBucket(t *testing.T) {
	client := bucket(t, "packages3")
	if _, err := packaging.Publish(t.Context(), client, "packages4", dist(t)); !errors.Is(err, packaging.ErrNoBucket) {
		t.Errorf("%v", err)
	}
}

func TestPublishWithoutPackages(t *testing.T) {
	if _, err := packaging.Publish(t.Context(), nil, "packages", t.TempDir()); err == nil || !strings.Contains(err.Error(), "make packages") {
		t.Errorf("%v", err)
	}
}
