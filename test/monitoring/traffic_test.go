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
	"strings"
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
	often  int
	apiKey string // whose key it is; else key
	key    string
	path   string
}

// questions end in all the ways that a client's requests usually do.
var questions = []question{
	{often: 40, apiKey: "billing-sync", path: "/auth/nginx?permission=read"},
	{often: 20, apiKey: "invoice-batch", path: "/auth/forward?permission=read"},
	{often: 12, apiKey: "order-export", path: "/auth/nginx?permission=read"},
	{often: 8, apiKey: "status-page", path: "/auth/forward?permission=read"},
	{often: 10, apiKey: "partner-api", path: "/auth/nginx?permission=read"}, // more than its limit
	{often: 2, apiKey: "monitor", path: "/auth/nginx?permission=read"},      // permission_denied
	{often: 2, apiKey: "load-test", path: "/auth/forward?permission=read"},  // suspended
	{often: 1, apiKey: "invoice-batch", path: "/auth/nginx?tenant=acme"},    // tenant_mismatch
	{often: 1, apiKey: "invoice-batch", path: "/auth/nginx?namespace=x"},    // namespace_mismatch
	{often: 3, path: "/auth/nginx?permission=read"},                         // missing_credential
	{often: 2, key: "ak_guessed", path: "/auth/nginx?permission=read"},      // unknown_key
	{often: 1, key: strings.Repeat("x", 600), path: "/auth/nginx?cache=10"}, // malformed_credential
}

// ask keeps both verifiers busy until the test ends, with some 50 requests a second that come and go in waves.
func (w *world) ask(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	t.Cleanup(func() { cancel(); <-done })
	var all []question
	for _, q := range questions {
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
			q := all[mathrand.IntN(len(all))]
			if key, known := w.keys.Load(q.apiKey); known {
				q.key, _ = key.(string)
			}
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
