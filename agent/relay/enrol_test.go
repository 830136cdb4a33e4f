package relay_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/yagura-hids/yagura/agent/relay/config"
)

// agent-auth -v takes a certificate only if the name or address that it was given stands in it.
func TestCertificateNamesAddresses(t *testing.T) {
	h := newHome(t)
	h.conf.Auth = config.Auth{Enabled: true}
	h.start()
	text, err := os.ReadFile(filepath.Join(h.dir, "sslmanager.cert"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	at := netip.AddrPortFrom(loopback, h.port("enrolment", "tcp").Port()).String()
	for _, name := range []string{"127.0.0.1", "localhost", "relay-1"} {
		conn, err := tls.Dial("tcp", at, &tls.Config{RootCAs: roots, ServerName: name, MinVersion: tls.VersionTLS12})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		_ = conn.Close()
	}
}
