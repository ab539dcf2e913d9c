package guides

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

func TestContourGuideProtectsARoute(t *testing.T) {
	t.Parallel()
	l, g := exampleLab(t), readGuide(t, "guides/contour.md")
	l.apply(t, servingCertificate(t, exampleNamespace, "api-tls", "api.phoenix.example"),
		g.block(t, "yaml", "extension").text, g.block(t, "yaml", "route").text)
	plain, secure := l.contour(t)
	l.kubectl(t, "wait", "--for=condition=Valid", "httpproxy/api", "--namespace", exampleNamespace, "--timeout="+patience.String())
	awaitAnswer(t, plain, http.StatusMovedPermanently)
	// The listener for HTTPS is there on its own, once Envoy has the certificate. What that says is the console's concern.
	trusting := &http.Transport{TLSClientConfig: &tls.Config{ServerName: "api.phoenix.example", InsecureSkipVerify: true}}
	t.Cleanup(trusting.CloseIdleConnections)
	awaitAnswerOver(t, trusting, "https://"+secure, http.StatusUnauthorized)

	printed := l.newConsole(t, secure, nil).follow(t, g.block(t, "console", "requests"))
	for _, allowed := range printed[1:3] {
		expectUpstream(t, g.block(t, "http", "upstream"), allowed)
	}
	l.newConsole(t, plain, nil).follow(t, g.block(t, "console", "insecure"))

	// What the guide warns of.
	l.kubectl(t, "patch", "httpproxy", "api", "--namespace", exampleNamespace, "--type=json", "--patch",
		`[{"op":"add","path":"/spec/routes/0/permitInsecure","value":true}]`)
	awaitAnswer(t, plain, http.StatusOK)
}

// contour starts a Contour that reads from the lab's API server, and an Envoy that is told by it, and returns where that
// listens for HTTP and for HTTPS.
func (l *lab) contour(t *testing.T) (plain, secure string) {
	t.Helper()
	contour := os.Getenv("CONTOUR")
	if contour == "" {
		t.Fatal("CONTOUR is not set: run make test-guides, which builds it")
	}
	ports := map[string]string{}
	for _, name := range []string{"xds", "http", "https", "stats", "health", "metrics", "debug"} {
		_, port, err := net.SplitHostPort(freeAddress(t))
		if err != nil {
			t.Fatal(err)
		}
		ports[name] = port
	}
	l.run(t, "guide-contour", contour, "serve", "--insecure", "--kubeconfig="+l.AdminKubeconfig(), "--disable-leader-election",
		"--watch-namespaces=phoenix,apikey-operator-system",
		"--xds-address=127.0.0.1", "--xds-port="+ports["xds"],
		"--http-address=127.0.0.1", "--http-port="+ports["metrics"], "--health-address=127.0.0.1", "--health-port="+ports["health"],
		"--debug-http-port="+ports["debug"], "--stats-address=127.0.0.1", "--stats-port="+ports["stats"],
		"--envoy-service-http-address=127.0.0.1", "--envoy-service-http-port="+ports["http"],
		"--envoy-service-https-address=127.0.0.1", "--envoy-service-https-port="+ports["https"])
	bootstrap := filepath.Join(t.TempDir(), "envoy.json")
	output, err := exec.CommandContext(t.Context(), contour, "bootstrap", "--xds-address=127.0.0.1", "--xds-port="+ports["xds"],
		"--admin-address="+filepath.Join(l.Dir, "contour-admin.sock"), bootstrap).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	l.runEnvoy(t, "guide-contour-envoy", bootstrap)
	return net.JoinHostPort("127.0.0.1", ports["http"]), net.JoinHostPort("127.0.0.1", ports["https"])
}

// servingCertificate is a Secret with a certificate for a host, signed by itself.
func servingCertificate(t *testing.T, namespace, name, host string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{host}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(kind string, der []byte) string {
		var text bytes.Buffer
		_ = pem.Encode(&text, &pem.Block{Type: kind, Bytes: der})
		return base64.StdEncoding.EncodeToString(text.Bytes())
	}
	return fmt.Sprintf("{apiVersion: v1, kind: Secret, type: kubernetes.io/tls, metadata: {name: %s, namespace: %s}, data: {tls.crt: %s, tls.key: %s}}",
		name, namespace, encode("CERTIFICATE", certificate), encode("PRIVATE KEY", private))
}
