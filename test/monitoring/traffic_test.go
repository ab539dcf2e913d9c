package monitoring

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math"
	"math/big"
	mathrand "math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// authority is a certificate for 127.0.0.1, which is its own CA.
type authority struct {
	cert, key string // files
	roots     *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "verifier"}, DNSNames: []string{"verifier.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 0, 60),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	must(t, err)
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	must(t, err)
	dir := t.TempDir()
	a := &authority{cert: filepath.Join(dir, "tls.crt"), key: filepath.Join(dir, "tls.key"), roots: x509.NewCertPool()}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})
	a.roots.AppendCertsFromPEM(text)
	must(t, os.WriteFile(a.cert, text, 0o600))
	must(t, os.WriteFile(a.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}), 0o600))
	return a
}

// question is what a proxy asks, and how often as against the others.
type question struct {
	often     int
	key, path string
}

// questions end in all the ways that a client's requests usually do.
func (w *world) questions() []question {
	return []question{
		{40, w.keys["billing-sync"], "/auth/nginx?permission=read"},
		{20, w.keys["invoice-batch"], "/auth/forward?permission=read"},
		{12, w.keys["order-export"], "/auth/nginx?permission=read"},
		{8, w.keys["status-page"], "/auth/forward?permission=read"},
		{10, w.keys["partner-api"], "/auth/nginx?permission=read"},   // more than its limit
		{2, w.keys["monitor"], "/auth/nginx?permission=read"},        // permission_denied
		{2, w.keys["load-test"], "/auth/forward?permission=read"},    // suspended
		{3, "", "/auth/nginx?permission=read"},                       // missing_credential
		{2, "ak_guessed", "/auth/nginx?permission=read"},             // unknown_key
		{1, w.keys["invoice-batch"], "/auth/nginx?tenant=acme"},      // tenant_mismatch
		{1, "not a key \x7f", "/auth/nginx?permission=read"},         // malformed_credential
		{1, w.keys["invoice-batch"], "/auth/nginx?namespace=others"}, // namespace_mismatch
	}
}

// ask keeps both verifiers busy until the test ends, with some 50 requests a second that come and go in waves.
func (w *world) ask(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	t.Cleanup(func() { cancel(); <-done })
	var all []question
	for _, q := range w.questions() {
		for range q.often {
			all = append(all, q)
		}
	}
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: w.tls.roots, ServerName: "verifier.test"},
	}}
	servers := []string{"http://" + w.shared.Address, "https://" + w.local.Address}
	began := time.Now()
	go func() {
		defer close(done)
		for n := 0; ctx.Err() == nil; n++ {
			q := all[mathrand.IntN(len(all))] //nolint:gosec // which one comes next is no secret
			send(ctx, client, q.key, servers[n%len(servers)]+q.path)
			if n%500 == 0 { // somebody who speaks no TLS
				send(ctx, client, "", "http://"+w.local.Address)
			}
			pause(ctx, time.Duration((20+8*math.Sin(time.Since(began).Seconds()/25))*float64(time.Millisecond)))
		}
	}()
}

// send asks and does not look at the answer: metrics tell of it.
func send(ctx context.Context, client *http.Client, key, url string) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return
	}
	if key != "" {
		request.Header["X-Api-Key"] = []string{key}
	}
	response, err := client.Do(request)
	if err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
}

// pause spaces requests out.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
