package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	verifierHost = "apikey-operator-verifier." + systemNamespace + ".svc.cluster.local"
	proxyName    = "nginx." + appsNamespace
)

// servesTLS has the verifiers mount what they need for TLS, and nginx ask them so, with a certificate of its own.
func servesTLS(t *testing.T) {
	certificate, key := selfSigned(t, verifierHost, proxyName)
	for _, namespace := range []string{systemNamespace, appsNamespace} {
		mustKubectl(t, "create", "secret", "tls", "verifier-tls", "--namespace", namespace, "--cert="+certificate, "--key="+key)
	}
	mustHelm(t, append([]string{"upgrade", release, presentChart}, releaseArgs([]string{
		"watchNamespaces={" + appsNamespace + "}", "verifier.tls.secretName=verifier-tls",
		"verifier.tls.clientCA.secretName=verifier-tls", "verifier.tls.clientCA.key=tls.crt", "verifier.tls.clientNames={" + proxyName + "}",
	})...)...)
	awaitRollout(t, systemNamespace, "apikey-operator-verifier")
	configureNginx(t, func(file, text string) string {
		if file == "question.conf" {
			text += `
proxy_ssl_name ` + verifierHost + `;
proxy_ssl_verify on;
proxy_ssl_trusted_certificate /etc/nginx-tls/tls.crt;
proxy_ssl_certificate /etc/nginx-tls/tls.crt;
proxy_ssl_certificate_key /etc/nginx-tls/tls.key;
`
		}
		return strings.ReplaceAll(text, "http://"+verifierHost, "https://"+verifierHost)
	})
	findVerifiersAgain(t)
}

// configureNginx gives nginx its files, changed in the given way; those that run have to be restarted to read them.
func configureNginx(t *testing.T, change func(file, text string) string) {
	t.Helper()
	dir := t.TempDir()
	for _, file := range []string{"nginx.conf", "protected.conf", "question.conf"} {
		text, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, file), []byte(change(file, string(text))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	apply(t, mustKubectl(t, "create", "configmap", "nginx", "--namespace", appsNamespace, "--from-file="+dir, "--dry-run=client", "--output=yaml"))
}

// selfSigned makes a certificate that is its own CA, for servers and clients of the names, and returns the paths of its files.
func selfSigned(t *testing.T, names ...string) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certificate, key = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	for path, block := range map[string]*pem.Block{certificate: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certificate, key
}
