package authd_test

import (
	"crypto/rsa"
	"encoding/pem"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/agent/relay/authd"
)

func TestCertificate(t *testing.T) {
	dir := t.TempDir()
	first, made, err := authd.Certificate(dir, []string{"relay.example.org", "192.0.2.1"}, time.Now())
	if err != nil || !made {
		t.Fatal(made, err)
	}
	if key, ok := first.PrivateKey.(*rsa.PrivateKey); !ok || key.N.BitLen() != 2048 || first.Leaf.VerifyHostname("relay.example.org") != nil || first.Leaf.VerifyHostname("192.0.2.1") != nil {
		t.Error("want RSA 2048 for both names")
	}
	keyFile := filepath.Join(dir, authd.KeyFile)
	if info, err := os.Stat(keyFile); err != nil || info.Mode() != 0o600 {
		t.Error(info.Mode(), err)
	}
	if again, made, err := authd.Certificate(dir, nil, time.Now()); err != nil || made || !again.Leaf.Equal(first.Leaf) {
		t.Error("it isn't kept", made, err)
	}
	// Killed between the two files.
	os.Remove(filepath.Join(dir, authd.CertFile))
	if again, made, err := authd.Certificate(dir, nil, time.Now()); err != nil || !made || !again.PrivateKey.(*rsa.PrivateKey).Equal(first.PrivateKey) {
		t.Error("the key isn't kept", made, err)
	}
	os.Remove(keyFile)
	if _, _, err := authd.Certificate(dir, nil, time.Now()); err == nil || !strings.Contains(err.Error(), "without sslmanager.cert and sslmanager.key a new one is made") {
		t.Error(err)
	}
	os.Remove(filepath.Join(dir, authd.CertFile))
	os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY"}), 0o600)
	if _, _, err := authd.Certificate(dir, nil, time.Now()); err == nil {
		t.Error("a strange key was taken")
	}
}

func TestPassword(t *testing.T) {
	path := filepath.Join(t.TempDir(), "authd.pass")
	first, made, err := authd.Password(path)
	if err != nil || !made || !regexp.MustCompile("^[0-9a-f]{32}$").MatchString(first) {
		t.Fatal(first, made, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Error(info.Mode(), err)
	}
	for content, want := range map[string]string{"": "", "\nx\n": "", "secret": "secret", "open sesame\r\nmore\n": "open sesame"} {
		os.WriteFile(path, []byte(content), 0o600)
		if got, made, err := authd.Password(path); got != want || made || (err == nil) != (want != "") {
			t.Errorf("%q: %q %v %v", content, got, made, err)
		}
	}
	if _, _, err := authd.Password(filepath.Join(path, "x")); err == nil {
		t.Error("no error")
	}
}
