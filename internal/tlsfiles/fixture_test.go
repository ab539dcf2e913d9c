package tlsfiles_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/tlsfiles"
)

// authority is a CA.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         []byte
}

var serials atomic.Int64

func newAuthority(t testing.TB, name string) *authority {
	t.Helper()
	a := &authority{key: newKey(t)}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serials.Add(1)), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.certificate, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return a
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// pair is a certificate and its key in PEM.
type pair struct{ cert, key []byte }

// issue makes a certificate for verifier.example and a client at once, but for what change changes.
func (a *authority) issue(t testing.TB, change func(*x509.Certificate)) pair {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serials.Add(1)), DNSNames: []string{"verifier.example"},
		NotBefore: a.certificate.NotBefore, NotAfter: a.certificate.NotAfter,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pair{
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
	}
}

func (p pair) loaded(t testing.TB) tls.Certificate {
	t.Helper()
	c, err := tls.X509KeyPair(p.cert, p.key)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func dnsNames(names ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.DNSNames = names }
}

func uri(t testing.TB, text string) func(*x509.Certificate) {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return func(c *x509.Certificate) { c.DNSNames, c.URIs = nil, []*url.URL{u} }
}

// mount is a directory with a Secret's content, which is replaced as the kubelet does: the files are links into
// ..data, itself a link that is swapped.
type mount struct {
	t        testing.TB
	dir      string
	versions int
}

func newMount(t testing.TB, p pair, clientCA []byte) *mount {
	t.Helper()
	m := &mount{t: t, dir: t.TempDir()}
	m.put(p, clientCA)
	for _, name := range []string{"tls.crt", "tls.key", "ca.crt"} {
		if err := os.Symlink(filepath.Join("..data", name), m.path(name)); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func (m *mount) path(name string) string { return filepath.Join(m.dir, name) }

func (m *mount) put(p pair, clientCA []byte) {
	m.t.Helper()
	m.versions++
	version := fmt.Sprintf("..%d", m.versions)
	err := os.Mkdir(m.path(version), 0o700)
	for name, content := range map[string][]byte{"tls.crt": p.cert, "tls.key": p.key, "ca.crt": clientCA} {
		err = errors.Join(err, os.WriteFile(m.path(filepath.Join(version, name)), content, 0o600))
	}
	err = errors.Join(err, os.Symlink(version, m.path("..next")), os.Rename(m.path("..next"), m.path("..data")))
	if err != nil {
		m.t.Fatal(err)
	}
}

// remove removes a file of the version in force.
func (m *mount) remove(t *testing.T, name string) {
	t.Helper()
	if err := os.Remove(m.path(filepath.Join("..data", name))); err != nil {
		t.Fatal(err)
	}
}

// settings are for the mount's files, with its client CA where clients are to show certificates.
func (m *mount) settings(mutual bool, names ...string) tlsfiles.Settings {
	s := tlsfiles.Settings{CertFile: m.path("tls.crt"), KeyFile: m.path("tls.key"), ClientNames: names}
	if mutual {
		s.ClientCAFile = m.path("ca.crt")
	}
	return s
}

// server is a Source in use, with everything around it in a test's hands.
type server struct {
	*tlsfiles.Source
	address string

	log      bytes.Buffer
	failures int         // to reload
	expires  time.Time   // the certificate
	refused  chan string // handshakes
}

func (s *server) TLSReloadFailed()                   { s.failures++ }
func (s *server) TLSCertificateExpires(at time.Time) { s.expires = at }

// awaitRefusal waits for a handshake that fails: its client may know of it first.
func (s *server) awaitRefusal(t testing.TB) string {
	t.Helper()
	select {
	case refused := <-s.refused:
		return refused
	case <-time.After(10 * time.Second):
		t.Fatal("no handshake failed")
		return ""
	}
}

func load(t testing.TB, settings tlsfiles.Settings, now func() time.Time) *server {
	t.Helper()
	s := &server{refused: make(chan string, 100)}
	var err error
	if s.Source, err = tlsfiles.Load(settings, now, s, slog.New(slog.NewTextHandler(&s.log, nil))); err != nil {
		t.Fatal(err)
	}
	return s
}

// serve starts a server of plain HTTP behind TLS by the files.
func serve(t testing.TB, settings tlsfiles.Settings, now func() time.Time) *server {
	t.Helper()
	s := load(t, settings, now)
	s.serve(t, s.Config("http/1.1"))
	return s
}

func (s *server) serve(t testing.TB, config *tls.Config) {
	t.Helper()
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.address = ln.Addr().String()
	server := &http.Server{
		Handler:     http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "served") }),
		ReadTimeout: 10 * time.Second,
	}
	t.Cleanup(func() { _ = server.Close() })
	go func() { _ = server.Serve(tlsfiles.Listen(ln, config, func(err error) { s.refused <- err.Error() })) }()
}

// client trusts the CAs and shows the certificate, if there is one.
func client(t testing.TB, shows *pair, cas ...*authority) *tls.Config {
	t.Helper()
	c := &tls.Config{ServerName: "verifier.example", RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	for _, ca := range cas {
		c.RootCAs.AddCert(ca.certificate)
	}
	if shows != nil {
		c.Certificates = []tls.Certificate{shows.loaded(t)}
	}
	return c
}

// ask asks once on a new connection, and returns it as it was.
func (s *server) ask(t testing.TB, config *tls.Config) (state tls.ConnectionState, err error) {
	t.Helper()
	dialer := &tls.Dialer{Config: config}
	raw, err := dialer.DialContext(t.Context(), "tcp", s.address)
	if err != nil {
		return state, err
	}
	conn := raw.(*tls.Conn)
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return state, err
	}
	if _, err := io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		return state, err
	}
	answer, err := io.ReadAll(conn)
	if err == nil && !strings.HasSuffix(string(answer), "served") {
		err = fmt.Errorf("the answer is %q", answer)
	}
	return conn.ConnectionState(), err
}

// serialOf is the serial number of a certificate.
func serialOf(t testing.TB, p pair) string {
	t.Helper()
	return p.loaded(t).Leaf.SerialNumber.String()
}
