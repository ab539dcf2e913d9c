package cluster

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"os"
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/hack/localcluster/pki"
)

func newTestLayout(t *testing.T) layout {
	t.Helper()
	l, err := newLayout(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := l.create(); err != nil {
		t.Fatal(err)
	}
	return l
}

func prepare(l layout, now time.Time) error {
	return l.pki().Prepare(serviceAccountsName, leaves(), now)
}

func TestCertificatesAreGoodForWhatTheyAreIssuedFor(t *testing.T) {
	l, now := newTestLayout(t), time.Now()
	if err := prepare(l, now); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		file      string
		usage     x509.ExtKeyUsage
		host      string
		wantGroup string
	}{
		"the API server's": {file: serverName, usage: x509.ExtKeyUsageServerAuth, host: "127.0.0.1"},
		"etcd's":           {file: etcdServerName, usage: x509.ExtKeyUsageServerAuth, host: "localhost"},
		"etcd's client's":  {file: etcdClientName, usage: x509.ExtKeyUsageClientAuth},
		"the admin's":      {file: adminName, usage: x509.ExtKeyUsageClientAuth, wantGroup: "system:masters"},
		"the controllers'": {file: controllersName, usage: x509.ExtKeyUsageClientAuth, wantGroup: "system:masters"},
	} {
		t.Run(name, func(t *testing.T) {
			config, err := l.pki().ClientTLS(c.file)
			if err != nil {
				t.Fatal(err)
			}
			leaf := config.Certificates[0].Leaf
			options := x509.VerifyOptions{Roots: config.RootCAs, CurrentTime: now, DNSName: c.host, KeyUsages: []x509.ExtKeyUsage{c.usage}}
			if _, err := leaf.Verify(options); err != nil {
				t.Errorf("verify: %v", err)
			}
			if c.wantGroup != "" && (len(leaf.Subject.Organization) != 1 || leaf.Subject.Organization[0] != c.wantGroup) {
				t.Errorf("groups = %q, want %q", leaf.Subject.Organization, c.wantGroup)
			}
		})
	}
}

func TestALaterStartKeepsTheAuthorityAndRenewsTheRest(t *testing.T) {
	l, now := newTestLayout(t), time.Now()
	kept := []string{l.pki().Cert(pki.CA), l.pki().Key(pki.CA), l.pki().Key(serviceAccountsName)}
	if err := prepare(l, now); err != nil {
		t.Fatal(err)
	}
	before := readAll(t, kept)
	later := now.Add(366 * 24 * time.Hour) // a certificate is valid for a year
	if err := prepare(l, later); err != nil {
		t.Fatal(err)
	}
	for file, content := range readAll(t, kept) {
		if !bytes.Equal(content, before[file]) {
			t.Errorf("%s was replaced: tokens and kubeconfigs of the first run would be refused", file)
		}
	}
	pair, err := tls.LoadX509KeyPair(l.pki().Cert(serverName), l.pki().Key(serverName))
	if err != nil {
		t.Fatal(err)
	}
	if pair.Leaf.NotAfter.Before(later) {
		t.Errorf("the server's certificate is valid until %s, which is before the second start", pair.Leaf.NotAfter)
	}
}

func TestACertificateOfAnotherControlPlaneIsRefused(t *testing.T) {
	ours, theirs := newTestLayout(t), newTestLayout(t)
	for _, l := range []layout{ours, theirs} {
		if err := prepare(l, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	config, err := ours.pki().ClientTLS(adminName)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(theirs.pki().Cert(serverName), theirs.pki().Key(serverName))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: config.RootCAs}); err == nil {
		t.Error("the other control plane's server was trusted")
	}
}

func TestPrivateKeysAreReadableByTheirOwnerOnly(t *testing.T) {
	l := newTestLayout(t)
	if err := prepare(l, time.Now()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{pki.CA, serverName, adminName, serviceAccountsName} {
		info, err := os.Stat(l.pki().Key(name))
		if err != nil {
			t.Fatal(err)
		}
		if mode := info.Mode().Perm(); mode != 0o600 {
			t.Errorf("%s has mode %o, want 600", l.pki().Key(name), mode)
		}
	}
}

func readAll(t *testing.T, files []string) map[string][]byte {
	t.Helper()
	contents := map[string][]byte{}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		contents[file] = content
	}
	return contents
}
