package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

// authority signs certificates, whose files lie in a directory.
type authority struct {
	dir    string
	cert   *x509.Certificate
	key    *ecdsa.PrivateKey
	serial int64
}

const verifierName = "verifier.test"

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir(), serial: 1, key: newKey(t)}
	template := a.template("an authority")
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.write(t, "ca.crt", "CERTIFICATE", der)
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a *authority) template(name string) *x509.Certificate {
	a.serial++
	return &x509.Certificate{
		SerialNumber: big.NewInt(a.serial), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
	}
}

// sign writes NAME.crt and NAME.key, and returns the serial number.
func (a *authority) sign(t *testing.T, name string) int64 {
	t.Helper()
	template := a.template(name)
	template.DNSNames = []string{name}
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	key := newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	a.write(t, name+".crt", "CERTIFICATE", der)
	a.write(t, name+".key", "PRIVATE KEY", keyDER)
	return template.SerialNumber.Int64()
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name) }

func (a *authority) write(t *testing.T, name, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(a.path(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// served is the serial number of the certificate that a verifier shows.
func (a *authority) served(address string) (int64, error) {
	client, err := tls.LoadX509KeyPair(a.path("nginx.test.crt"), a.path("nginx.test.key"))
	if err != nil {
		return 0, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: roots, ServerName: verifierName, Certificates: []tls.Certificate{client}})
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64(), nil
}

// TestOnlyAListedProxyMayAskAVerifierOverTLSWhoseCertificateIsRenewedUnderLoad has nginx show a certificate, as it does by
// proxy_ssl_certificate.
func TestOnlyAListedProxyMayAskAVerifierOverTLSWhoseCertificateIsRenewedUnderLoad(t *testing.T) {
	t.Parallel()
	key := shared.issue(t, shared.namespace(t), "client", `{}`)
	a := newAuthority(t)
	first := a.sign(t, verifierName)
	a.sign(t, "nginx.test")
	a.sign(t, "other.test")
	verifier := startVerifier(t, "tls", "--tls-cert-file="+a.path(verifierName+".crt"), "--tls-key-file="+a.path(verifierName+".key"),
		"--tls-client-ca-file="+a.path("ca.crt"), "--tls-client-names=nginx.test")
	start := func(name string) *stack.Nginx {
		nginx, err := shared.StartNginx(t.Context(), stack.NginxOptions{
			Name: "nginx-tls-" + name, Verifiers: []string{verifier.Address}, Upstream: shared.upstream.Address, Routes: routes,
			TLS: &stack.NginxTLS{
				Name: verifierName, CA: a.path("ca.crt"), Certificate: a.path(name + ".crt"), Key: a.path(name + ".key"),
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		return nginx
	}
	nginx, other := start("nginx.test"), start("other.test")
	for _, c := range []struct {
		nginx      *stack.Nginx
		key        string
		wantStatus int
	}{
		{nginx, key, http.StatusOK},
		{nginx, "ak_unknown", http.StatusUnauthorized},
		{other, key, http.StatusInternalServerError}, // what nginx makes of a verifier that does not answer
	} {
		answer, err := shared.try(t.Context(), c.nginx, call{path: "/any/", key: c.key})
		if err != nil {
			t.Fatal(err)
		}
		if answer.Status != c.wantStatus {
			t.Errorf("%s: status %d, want %d", c.nginx.Name, answer.Status, c.wantStatus)
		}
	}
	if response, err := tryRaw(verifier.Address, "GET /auth/nginx HTTP/1.1\r\nHost: v\r\nX-API-Key: "+key+"\r\n\r\n"); err == nil {
		_ = response.Body.Close()
		t.Errorf("without TLS it answers %d", response.StatusCode)
	}

	l := shared.startLoad(t, nginx, key, 4)
	l.awaitMore(t, 50)
	renewed := a.sign(t, verifierName)
	await(t, "the renewed certificate to be shown", func(context.Context) error {
		serial, err := a.served(verifier.Address)
		if err == nil && serial != renewed {
			err = fmt.Errorf("it shows number %d, the first was %d", serial, first)
		}
		return err
	})
	l.awaitMore(t, 50)
	l.end(t)
}
