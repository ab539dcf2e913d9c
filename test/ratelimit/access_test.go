package ratelimit

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/ratelimit/redisstore"
)

const (
	rightPassword = "right-horse-battery-staple"
	wrongPassword = "wrong-horse-battery-staple"
)

func TestThePasswordIsReadFromAFileForEachConnection(t *testing.T) {
	t.Parallel()
	server := newRedis(t, "user default off", "user counter on >"+rightPassword+" ~limits:* +eval +evalsha +time +get +set")
	file := filepath.Join(t.TempDir(), "password")
	write(t, file, wrongPassword+"\n")
	store := newStore(t, redisstore.Options{
		Addresses: []string{server.Address}, Username: "counter", PasswordFile: file, KeyPrefix: "limits:", Timeout: patience,
	})
	if _, err := store.Take(key("a"), hourly, time.Now()); err == nil || strings.Contains(err.Error(), wrongPassword) {
		t.Errorf("with a wrong password: %v", err)
	}
	write(t, file, rightPassword+"\n")
	if v := take(t, store, key("a"), hourly); v.Remaining != 999 {
		t.Errorf("with the right one: %+v", v)
	}
}

func TestRedisIsSpokenToByTLSAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certificate, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	writeCertificate(t, certificate, keyFile)
	server := newRedis(t, "tls-port", "tls-auth-clients no", "tls-cert-file "+certificate, "tls-key-file "+keyFile)
	cases := map[string]struct {
		options redisstore.Options
		wantErr string
	}{
		"by one who signed the certificate": {redisstore.Options{TLS: true, CAFile: certificate}, ""},
		"nobody known signed it":            {redisstore.Options{TLS: true}, "certificate signed by unknown authority"},
		"in plaintext":                      {redisstore.Options{}, "count in Redis"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			c.options.Addresses, c.options.Timeout = []string{server.Address}, patience
			_, err := newStore(t, c.options).Take(key("a"), hourly, time.Now())
			if (err == nil) != (c.wantErr == "") || err != nil && !strings.Contains(err.Error(), c.wantErr) {
				t.Errorf("%v, want %q", err, c.wantErr)
			}
		})
	}
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// writeCertificate makes a certificate for 127.0.0.1 that signs itself.
func writeCertificate(t *testing.T, certificate, keyFile string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	write(t, certificate, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed})))
	write(t, keyFile, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})))
}
