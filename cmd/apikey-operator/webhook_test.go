package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/cert-controller/pkg/rotator"
	ctrl "sigs.k8s.io/controller-runtime"
	ctrlmanager "sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

// runnables is a manager that only runs what is added to it.
type runnables struct {
	ctrl.Manager
	t *testing.T
}

// Add implements manager.Manager.
func (r runnables) Add(runnable ctrlmanager.Runnable) error {
	ended := make(chan error, 1)
	go func() { ended <- runnable.Start(r.t.Context()) }()
	r.t.Cleanup(func() {
		if err := <-ended; err != nil {
			r.t.Errorf("%T ended with %v", runnable, err)
		}
	})
	return nil
}

func TestTheWebhookServesTheCertificatesOfADirectoryAndTakesUpNewOnes(t *testing.T) {
	address, err := stack.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	first := writeCertificate(t, dir)
	f := &webhookFlags{address: address, certDir: dir}
	manager := runnables{t: t}
	server, err := f.newServer(t.Context(), manager, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := manager.Add(server); err != nil {
		t.Fatal(err)
	}
	awaitServed(t, address, first)
	awaitServed(t, address, writeCertificate(t, dir))
}

func TestADirectoryWithoutCertificatesIsNamed(t *testing.T) {
	f := &webhookFlags{address: "127.0.0.1:1", certDir: t.TempDir()}
	_, err := f.newServer(t.Context(), runnables{t: t}, "")
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "--webhook-cert-dir") {
		t.Errorf("it said %v, want the flag's name and that there is no such file", err)
	}
}

func TestNoWebhookIsServedWhereNoneIsAskedFor(t *testing.T) {
	f := &managerFlags{webhook: webhookFlags{address: "0"}}
	if err := f.addWebhook(t.Context(), nil, nil); err != nil { // a manager would be needed for anything else
		t.Error(err)
	}
}

// writeCertificate puts a new serving certificate into a directory, and gives what verifies it.
func writeCertificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	makes := &rotator.CertRotator{CAName: "ca", DNSName: "webhook", ExtKeyUsages: &[]x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	begin, end := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	ca, err := makes.CreateCACert(begin, end)
	if err != nil {
		t.Fatal(err)
	}
	certificate, key, err := makes.CreateCertPEM(ca, begin, end)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"tls.crt": certificate, "tls.key": key} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AddCert(ca.Cert)
	return pool
}

// awaitServed waits until what is served at an address is trusted.
func awaitServed(t *testing.T, address string, trusted *x509.CertPool) {
	t.Helper()
	var last error
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: trusted, ServerName: "webhook", NextProtos: []string{"h2", "http/1.1"}})
		if last = err; err != nil {
			continue
		}
		if protocol := conn.ConnectionState().NegotiatedProtocol; protocol == "h2" {
			t.Errorf("it speaks %s", protocol)
		}
		_ = conn.Close()
		return
	}
	t.Fatalf("the certificate was not served: %v", last)
}
