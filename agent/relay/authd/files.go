package authd

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// The names that OSSEC gives the files of a certificate.
const (
	CertFile = "sslmanager.cert"
	KeyFile  = "sslmanager.key"
)

// certYears is how long a certificate that is made here is good for. Agents look at it seldom, and nobody renews it.
const certYears = 20

// Certificate returns the certificate whose files are in dir. If there are none it makes one, which made tells: signed by itself, for these host
// names and addresses. RSA, for an agent's OpenSSL may be old. The certificate's file can be given to agent-auth -v as its authority.
func Certificate(dir string, names []string, now time.Time) (cert tls.Certificate, made bool, err error) {
	certPath, keyPath := filepath.Join(dir, CertFile), filepath.Join(dir, KeyFile)
	cert, err = tls.LoadX509KeyPair(certPath, keyPath)
	_, noCert := os.Stat(certPath)
	if err == nil || noCert == nil {
		return cert, false, wrapCert(err)
	}
	if !errors.Is(noCert, fs.ErrNotExist) {
		return cert, false, wrapCert(noCert)
	}
	if err := makeCertificate(certPath, keyPath, names, now); err != nil {
		return cert, false, wrapCert(err)
	}
	cert, err = tls.LoadX509KeyPair(certPath, keyPath)
	return cert, true, wrapCert(err)
}

func wrapCert(err error) error {
	if err != nil {
		return fmt.Errorf("authd's certificate: %w; without %s and %s a new one is made", err, CertFile, KeyFile)
	}
	return nil
}

// makeCertificate writes the key first: a key without a certificate is one whose making was broken off, and is kept.
func makeCertificate(certPath, keyPath string, names []string, now time.Time) error {
	key, err := privateKey(keyPath)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return err
	}
	c := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "yagura-relay"},
		NotBefore: now.Add(-24 * time.Hour), NotAfter: now.AddDate(certYears, 0, 0), // hosts' clocks may be behind
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true, IsCA: true,
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			c.IPAddresses = append(c.IPAddresses, ip)
		} else {
			c.DNSNames = append(c.DNSNames, n)
		}
	}
	if len(names) > 0 && len(names[0]) <= 64 { // a common name's limit
		c.Subject.CommonName = names[0]
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		return err
	}
	return writeFile(certPath, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644)
}

// privateKey returns the key of a file, which it makes if there is none.
func privateKey(path string) (*rsa.PrivateKey, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, err
		}
		block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
		return key, writeFile(path, pem.EncodeToMemory(block), 0o600)
	}
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "RSA PRIVATE KEY" {
		return nil, fmt.Errorf("%s: no RSA PRIVATE KEY in it, and no certificate beside it", path)
	}
	return x509.ParsePKCS1PrivateKey(block.Bytes)
}

// Password returns the first line of a file. If there is no file it makes one with a password of 32 random digits, which made tells: agent-auth
// sends no more of its own file's.
func Password(path string) (password string, made bool, err error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		password = newPassword()
		if err := writeFile(path, []byte(password+"\n"), 0o600); err != nil {
			return "", false, fmt.Errorf("authd's password: %w", err)
		}
		return password, true, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("authd's password: %w", err)
	}
	password, _, _ = strings.Cut(string(data), "\n")
	password = strings.TrimSuffix(password, "\r")
	if password == "" {
		return "", false, fmt.Errorf("authd's password: the first line of %s is empty; without the file one is made", path)
	}
	return password, false, nil
}

// MaxPassword is how many characters of a password OSSEC's agent-auth sends. With a longer one it can't enrol.
const MaxPassword = 32

func newPassword() string {
	var random [MaxPassword / 2]byte
	_, _ = rand.Read(random[:]) // which never fails
	return hex.EncodeToString(random[:])
}

// writeFile writes a file whole, or not at all.
func writeFile(path string, data []byte, mode fs.FileMode) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(data)
	err = errors.Join(err, tmp.Chmod(mode), tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}
