package tlsfiles_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/tlsfiles"
)

// versions are those of TLS that are served.
var versions = map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13}

func TestWhoMayConnect(t *testing.T) {
	ca, other := newAuthority(t, "ours"), newAuthority(t, "another")
	const spiffe = "spiffe://cluster.example/ns/ingress/sa/nginx"
	usage := func(usages ...x509.ExtKeyUsage) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.ExtKeyUsage = usages }
	}
	cases := map[string]struct {
		names   []string
		from    *authority // nil: no certificate
		shows   func(*x509.Certificate)
		wantErr string // told of the handshake; empty: served
	}{
		"a certificate of the CA":            {from: ca},
		"no certificate":                     {wantErr: "didn't provide a certificate"},
		"a certificate of another CA":        {from: other, wantErr: "unknown authority"},
		"an expired certificate":             {from: ca, shows: func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }, wantErr: "expired"},
		"one that is not valid yet":          {from: ca, shows: func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }, wantErr: "not yet valid"},
		"one that is for servers alone":      {from: ca, shows: usage(x509.ExtKeyUsageServerAuth), wantErr: "incompatible key usage"},
		"a DNS name that is listed":          {names: []string{"other.example", "nginx.example"}, from: ca, shows: dnsNames("a.example", "nginx.example")},
		"a DNS name in other case":           {names: []string{"NGINX.example"}, from: ca, shows: dnsNames("nginx.Example")},
		"a DNS name that is not listed":      {names: []string{"nginx.example"}, from: ca, shows: dnsNames("nginx.example.org"), wantErr: `"nginx.example.org"`},
		"a subdomain of one that is listed":  {names: []string{"nginx.example"}, from: ca, shows: dnsNames("a.nginx.example"), wantErr: "none of --tls-client-names"},
		"a wildcard that covers one":         {names: []string{"nginx.example"}, from: ca, shows: dnsNames("*.example"), wantErr: "none of --tls-client-names"},
		"a URI that is listed":               {names: []string{spiffe}, from: ca, shows: uri(t, spiffe)},
		"a URI that goes on after it":        {names: []string{spiffe}, from: ca, shows: uri(t, spiffe+"/other"), wantErr: "none of --tls-client-names"},
		"a listed name of another CA":        {names: []string{"nginx.example"}, from: other, shows: dnsNames("nginx.example"), wantErr: "unknown authority"},
		"a listed name as common name alone": {names: []string{"nginx.example"}, from: ca, shows: func(c *x509.Certificate) { c.DNSNames, c.Subject = nil, pkix.Name{CommonName: "nginx.example"} }, wantErr: "no DNS name and no URI"},
	}
	for name, c := range cases {
		for version, number := range versions {
			t.Run(name+", "+version, func(t *testing.T) {
				m := newMount(t, ca.issue(t, nil), ca.pem)
				s := serve(t, m.settings(true, c.names...), time.Now)
				config := client(t, nil, ca)
				if c.from != nil {
					shown := c.from.issue(t, c.shows).loaded(t)
					config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &shown, nil }
				}
				config.MaxVersion = number
				_, err := s.ask(t, config)
				if c.wantErr == "" {
					if err != nil {
						t.Errorf("the client is refused: %v, %s", err, s.awaitRefusal(t))
					}
					return
				}
				if refused := s.awaitRefusal(t); err == nil || !strings.Contains(refused, c.wantErr) {
					t.Errorf("the client is told %v, and the server %q; want %q", err, refused, c.wantErr)
				}
			})
		}
	}
}

func TestWithoutAClientCAAllMayConnect(t *testing.T) {
	ca := newAuthority(t, "ours")
	s := serve(t, newMount(t, ca.issue(t, nil), nil).settings(false), time.Now)
	for name, number := range versions {
		config := client(t, nil, ca)
		config.MaxVersion = number
		if _, err := s.ask(t, config); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatIsOlderThanTLS12IsRefused(t *testing.T) {
	ca := newAuthority(t, "ours")
	s := serve(t, newMount(t, ca.issue(t, nil), nil).settings(false), time.Now)
	config := client(t, nil, ca)
	config.MinVersion, config.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	if _, err := s.ask(t, config); err == nil {
		t.Error("it is served")
	}
}

func TestTheServersProtocolsAreOffered(t *testing.T) {
	ca := newAuthority(t, "ours")
	s := load(t, newMount(t, ca.issue(t, nil), nil).settings(false), time.Now)
	s.serve(t, s.Config("h2", "http/1.1"))
	config := client(t, nil, ca)
	config.NextProtos = []string{"http/1.1"}
	if state, err := s.ask(t, config); err != nil || state.NegotiatedProtocol != "http/1.1" {
		t.Errorf("%q was agreed on, %v", state.NegotiatedProtocol, err)
	}
	config.NextProtos = []string{"h2"}
	if state, _ := s.ask(t, config); state.NegotiatedProtocol != "h2" {
		t.Errorf("%q was agreed on, want h2", state.NegotiatedProtocol)
	}
}

func TestRotationUnderLoadLosesNothing(t *testing.T) {
	ca := newAuthority(t, "ours")
	shown := ca.issue(t, nil)
	m := newMount(t, ca.issue(t, nil), ca.pem)
	s := serve(t, m.settings(true), time.Now)

	const clients, rotations = 4, 20
	rotated, asked := make(chan struct{}), make(chan struct{})
	var group sync.WaitGroup
	for range clients {
		group.Go(func() {
			config := client(t, &shown, ca)
			for {
				if _, err := s.ask(t, config); err != nil {
					t.Error(err) // and go on, so that the rotations do
				}
				select {
				case asked <- struct{}{}:
				case <-rotated:
					return
				}
			}
		})
	}
	kept := keepAlive(t, s, client(t, &shown, ca))
	var last pair
	for range rotations {
		last = ca.issue(t, nil)
		m.put(last, ca.pem)
		s.Reload()
		for range 10 {
			<-asked
		}
		kept()
	}
	close(rotated)
	group.Wait()
	state, err := s.ask(t, client(t, &shown, ca))
	if err != nil || state.PeerCertificates[0].SerialNumber.String() != serialOf(t, last) {
		t.Errorf("the last certificate is not the one that is served, %v", err)
	}
	if s.failures != 0 || len(s.refused) != 0 {
		t.Errorf("%d reloads and %d handshakes failed", s.failures, len(s.refused))
	}
}

// keepAlive opens a connection, and returns what asks on it.
func keepAlive(t *testing.T, s *server, config *tls.Config) (ask func()) {
	t.Helper()
	conn, err := (&tls.Dialer{Config: config}).DialContext(t.Context(), "tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	reader := bufio.NewReader(conn)
	return func() {
		t.Helper()
		if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: verifier.example\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		for line := ""; line != "\r\n"; {
			if line, err = reader.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := io.ReadFull(reader, make([]byte, len("served"))); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAClientOfACAThatWasReplacedIsRefusedThoughItHasASession(t *testing.T) {
	for name, version := range versions {
		t.Run(name, func(t *testing.T) {
			ours, old, next := newAuthority(t, "ours"), newAuthority(t, "old"), newAuthority(t, "next")
			cert, shownOld, shownNext := ours.issue(t, nil), old.issue(t, nil), next.issue(t, nil)
			m := newMount(t, cert, old.pem)
			s := serve(t, m.settings(true), time.Now)
			config := client(t, &shownOld, ours)
			config.MaxVersion, config.ClientSessionCache = version, tls.NewLRUClientSessionCache(4)
			s.expectResumed(t, config, false)
			s.expectResumed(t, config, true)

			m.put(cert, append(append([]byte(nil), next.pem...), old.pem...)) // both are trusted for a time
			s.Reload()
			s.expectResumed(t, config, true)
			m.put(cert, next.pem)
			s.Reload()
			if _, err := s.ask(t, config); err == nil {
				t.Error("a client of the CA that is no longer trusted is served")
			}
			if _, err := s.ask(t, client(t, &shownNext, ours)); err != nil {
				t.Errorf("a client of the new CA is refused: %v", err)
			}
			m.put(cert, old.pem)
			s.Reload()
			if _, err := s.ask(t, config); err != nil {
				t.Errorf("a client of a CA that is trusted again is refused: %v", err)
			}
		})
	}
}

// expectResumed asks, and expects a session to be resumed or not.
func (s *server) expectResumed(t *testing.T, config *tls.Config, want bool) {
	t.Helper()
	state, err := s.ask(t, config)
	if err != nil || state.DidResume != want {
		t.Fatalf("a session was resumed: %t, %v; want %t", state.DidResume, err, want)
	}
}

func TestASessionIsNotResumedByAClientWhoseNameIsNotListed(t *testing.T) {
	for name, version := range versions {
		t.Run(name, func(t *testing.T) {
			ca := newAuthority(t, "ours")
			m := newMount(t, ca.issue(t, nil), ca.pem)
			shown := ca.issue(t, dnsNames("nginx.example"))
			config := client(t, &shown, ca)
			config.MaxVersion, config.ClientSessionCache = version, tls.NewLRUClientSessionCache(4)
			start := func(names ...string) *server { // of servers that take each other's sessions
				s := load(t, m.settings(true, names...), time.Now)
				served := s.Config()
				served.SetSessionTicketKeys([][32]byte{{1}})
				s.serve(t, served)
				return s
			}
			open := start()
			open.expectResumed(t, config, false)
			start("nginx.example").expectResumed(t, config, true)
			if _, err := start("other.example").ask(t, config); err == nil {
				t.Error("it is resumed")
			}
		})
	}
}

func TestASessionDoesNotOutliveTheClientsCertificate(t *testing.T) {
	for name, version := range versions {
		t.Run(name, func(t *testing.T) {
			ca := newAuthority(t, "ours")
			shown := ca.issue(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(time.Minute) })
			var later atomic.Int64
			now := func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
			s := serve(t, newMount(t, ca.issue(t, nil), ca.pem).settings(true), now)
			config := client(t, &shown, ca)
			config.MaxVersion, config.ClientSessionCache = version, tls.NewLRUClientSessionCache(4)
			s.expectResumed(t, config, false)
			s.expectResumed(t, config, true)
			later.Store(int64(2 * time.Minute))
			if _, err := s.ask(t, config); err == nil {
				t.Error("a client whose certificate has expired is served")
			}
		})
	}
}

func TestWhatCannotBeUsedLeavesInForceWhatWasReadBefore(t *testing.T) {
	ca, next := newAuthority(t, "ours"), newAuthority(t, "next")
	before, after := ca.issue(t, nil), ca.issue(t, nil)
	half := func(content []byte) []byte { return content[:len(content)/2] }
	join := func(parts ...[]byte) (all []byte) {
		for _, part := range parts {
			all = append(all, part...)
		}
		return all
	}
	cases := map[string]struct {
		put     pair
		ca      []byte
		wantLog string
	}{
		"an empty certificate":               {pair{nil, after.key}, ca.pem, "--tls-cert-file: it holds no certificate"},
		"half a certificate":                 {pair{half(after.cert), after.key}, ca.pem, "--tls-cert-file: its last block is cut off"},
		"half of the certificate between":    {pair{join(after.cert, half(ca.pem)), after.key}, ca.pem, "--tls-cert-file: its last block is cut off"},
		"an empty key":                       {pair{after.cert, nil}, ca.pem, "--tls-key-file: tls: failed to find any PEM data"},
		"half a key":                         {pair{after.cert, half(after.key)}, ca.pem, "--tls-key-file: tls: failed to find any PEM data"},
		"the key of another certificate":     {pair{after.cert, before.key}, ca.pem, "private key does not match"},
		"an empty client CA":                 {after, nil, "--tls-client-ca-file: it holds no certificate"},
		"half of the second client CA":       {after, join(ca.pem, half(next.pem)), "--tls-client-ca-file: its last block is cut off"},
		"a client CA that is no certificate": {after, []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "--tls-client-ca-file: certificate 1: x509"},
		"a key in the place of a client CA":  {after, after.key, "--tls-client-ca-file: it holds no certificate"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			m := newMount(t, before, ca.pem)
			s := serve(t, m.settings(true), time.Now)
			expect := func(want pair) {
				t.Helper()
				state, err := s.ask(t, client(t, &before, ca))
				if err != nil || state.PeerCertificates[0].SerialNumber.String() != serialOf(t, want) {
					t.Errorf("the certificate that is served is another one, or none: %v", err)
				}
			}
			m.put(c.put, c.ca)
			for range 3 {
				s.Reload()
			}
			expect(before)
			if s.failures != 3 || strings.Count(s.log.String(), "cannot be used") != 1 || !strings.Contains(s.log.String(), c.wantLog) {
				t.Errorf("%d failures are counted, and the log says %s; want 3, and once %q", s.failures, s.log.String(), c.wantLog)
			}
			if strings.Contains(s.log.String(), "PRIVATE KEY") {
				t.Error("the log quotes a key")
			}
			m.put(after, ca.pem)
			s.Reload()
			expect(after)
			if s.failures != 3 || !strings.Contains(s.log.String(), "read anew") {
				t.Errorf("%d failures are counted, and the log says %s", s.failures, s.log.String())
			}
		})
	}
}

func TestFilesThatAreGoneAndComeBackAreToldOfOnceEach(t *testing.T) {
	ca := newAuthority(t, "ours")
	p := ca.issue(t, nil)
	m := newMount(t, p, nil)
	settings := m.settings(false)
	s := load(t, settings, time.Now)
	for range 2 {
		m.remove(t, "tls.key")
		s.Reload()
		s.Reload()
		m.put(p, nil)
		s.Reload()
		s.Reload()
	}
	log := s.log.String()
	if s.failures != 4 || strings.Count(log, "no such file") != 2 || strings.Count(log, "again what they were") != 2 {
		t.Errorf("%d failures are counted, and the log says %s", s.failures, log)
	}
}

func TestWhatCannotBeUsedAtTheStartIsAnError(t *testing.T) {
	ca := newAuthority(t, "ours")
	m := newMount(t, ca.issue(t, nil), []byte("no certificate"))
	_, err := tlsfiles.Load(m.settings(true), time.Now, &server{}, nil)
	if err == nil || !strings.Contains(err.Error(), "--tls-client-ca-file: it holds no certificate in PEM") {
		t.Errorf("err = %v", err)
	}
}

func TestTheEndOfTheCertificateInForceIsTold(t *testing.T) {
	ca := newAuthority(t, "ours")
	end := time.Now().Add(20 * time.Minute).Truncate(time.Second)
	until := func(end time.Time) func(*x509.Certificate) { return func(c *x509.Certificate) { c.NotAfter = end } }
	m := newMount(t, ca.issue(t, until(end)), nil)
	s := load(t, m.settings(false), time.Now)
	if !s.expires.Equal(end) {
		t.Errorf("the end told is %s, want %s", s.expires, end)
	}
	m.put(ca.issue(t, until(end.Add(time.Minute))), nil)
	ticks := make(chan time.Time)
	ended := make(chan struct{})
	go func() { s.Run(t.Context(), ticks); close(ended) }()
	ticks <- time.Time{}
	ticks <- time.Time{} // taken when the first was worked off
	if !s.expires.Equal(end.Add(time.Minute)) {
		t.Errorf("the end told is %s, want that of the new certificate", s.expires)
	}
}

func TestAHandshakeThatFailsIsToldOfOnceAndAProbeIsNot(t *testing.T) {
	ca := newAuthority(t, "ours")
	s := serve(t, newMount(t, ca.issue(t, nil), nil).settings(false), time.Now)
	for _, sent := range []string{"", "GET /auth/nginx HTTP/1.1\r\nX-API-Key: ak_secret\r\n\r\n"} {
		conn, err := net.Dial("tcp", s.address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprint(conn, sent); err != nil {
			t.Fatal(err)
		}
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		_, _ = io.ReadAll(conn) // until the server closes it
		_ = conn.Close()
	}
	refused := s.awaitRefusal(t)
	if !strings.Contains(refused, "does not look like a TLS handshake") || strings.Contains(refused, "ak_secret") || len(s.refused) != 0 {
		t.Errorf("%q is told, and %d more; want one that says that this is no TLS", refused, len(s.refused))
	}
}

func TestSettingsThatMakeNoSenseAreRefused(t *testing.T) {
	with := func(names ...string) tlsfiles.Settings {
		return tlsfiles.Settings{CertFile: "c", KeyFile: "k", ClientCAFile: "ca", ClientNames: names}
	}
	cases := map[string]struct {
		settings tlsfiles.Settings
		want     string // empty: they make sense
	}{
		"nothing":                      {tlsfiles.Settings{}, ""},
		"TLS":                          {tlsfiles.Settings{CertFile: "c", KeyFile: "k"}, ""},
		"names":                        {with("nginx.example", "spiffe://example/ns/a/sa/b"), ""},
		"a certificate alone":          {tlsfiles.Settings{CertFile: "c"}, "--tls-key-file: the key"},
		"a key alone":                  {tlsfiles.Settings{KeyFile: "k"}, "--tls-cert-file: the certificate"},
		"a client CA alone":            {tlsfiles.Settings{ClientCAFile: "ca"}, "--tls-client-ca-file: clients show"},
		"names without a client CA":    {tlsfiles.Settings{CertFile: "c", KeyFile: "k", ClientNames: []string{"a"}}, "give --tls-client-ca-file too"},
		"a wildcard":                   {with("*.example"), `"*.example" is neither`},
		"an empty name":                {with("a.example", ""), `"" is neither`},
		"a name with a space":          {with("a.example, b.example"), "is neither"},
		"a distinguished name":         {with("CN=nginx"), "is neither"},
		"a URI without a host":         {with("spiffe:///a"), "is neither"},
		"a URI in an unusual spelling": {with("SPIFFE://example/a"), "is neither"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			err := c.settings.Validate()
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("err = %v, want %q", err, c.want)
			}
		})
	}
}
