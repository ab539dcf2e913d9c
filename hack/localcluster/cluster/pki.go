package cluster

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"time"
)

// File names below the pki directory.
const (
	caName              = "ca"
	serverName          = "kube-apiserver"
	etcdServerName      = "etcd"
	etcdClientName      = "etcd-client"
	adminName           = "admin"
	controllersName     = "controllers"
	serviceAccountsName = "service-accounts"
)

const (
	caLifetime   = 10 * 365 * 24 * time.Hour
	leafLifetime = 365 * 24 * time.Hour
	// backdated allows for a clock that is set back a little after the certificates were made.
	backdated = time.Hour
)

func (l layout) cert(name string) string { return l.pki(name + ".crt") }
func (l layout) key(name string) string  { return l.pki(name + ".key") }

// authority signs the certificates of one control plane.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// preparePKI makes what is missing. The authority and the key that signs ServiceAccount tokens are
// kept, so that what an earlier run handed out stays valid; the rest is issued anew at each start,
// so that a directory that was kept for long still works.
//
// etcd speaks TLS under the same authority: a program that talks to the wrong one of two control
// planes is refused instead of mixing them up.
func preparePKI(l layout, now time.Time) error {
	ca, err := loadOrCreateAuthority(l, now)
	if err != nil {
		return err
	}
	if err := ensureKey(l.key(serviceAccountsName)); err != nil {
		return err
	}
	for name, template := range leaves() {
		if err := ca.issue(l, name, template, now); err != nil {
			return err
		}
	}
	return nil
}

// leaves are the certificates besides the authority's. Both clients of the API server are in the group that RBAC lets do everything.
func leaves() map[string]x509.Certificate {
	server := func(commonName string) x509.Certificate {
		return x509.Certificate{
			Subject:     pkix.Name{CommonName: commonName},
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
			IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
			DNSNames:    []string{"localhost"},
		}
	}
	client := func(commonName string, groups ...string) x509.Certificate {
		return x509.Certificate{
			Subject:     pkix.Name{CommonName: commonName, Organization: groups},
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		}
	}
	return map[string]x509.Certificate{
		serverName:      server("kube-apiserver"),
		etcdServerName:  server("etcd"),
		etcdClientName:  client("kube-apiserver-etcd-client"),
		adminName:       client("localcluster-admin", "system:masters"),
		controllersName: client("system:kube-controller-manager", "system:masters"),
	}
}

func loadOrCreateAuthority(l layout, now time.Time) (authority, error) {
	ca, err := loadAuthority(l)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return ca, err
	}
	key, err := newKey()
	if err != nil {
		return authority{}, err
	}
	template := x509.Certificate{
		Subject:               pkix.Name{CommonName: "localcluster-ca"},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := sign(template, authority{cert: &template, key: key}, key.Public(), now, caLifetime)
	if err != nil {
		return authority{}, err
	}
	if err := writePair(l, caName, der, key); err != nil {
		return authority{}, err
	}
	return loadAuthority(l)
}

// loadAuthority returns an error that matches fs.ErrNotExist where there is none yet.
func loadAuthority(l layout) (authority, error) {
	certDER, err := readPEM(l.cert(caName))
	if err != nil {
		return authority{}, err
	}
	cert, err := x509.ParseCertificate(certDER)
	if err != nil {
		return authority{}, fmt.Errorf("parse %s: %w", l.cert(caName), err)
	}
	keyDER, err := readPEM(l.key(caName))
	if err != nil {
		return authority{}, err
	}
	key, err := x509.ParseECPrivateKey(keyDER)
	if err != nil {
		return authority{}, fmt.Errorf("parse %s: %w", l.key(caName), err)
	}
	return authority{cert: cert, key: key}, nil
}

func (ca authority) issue(l layout, name string, template x509.Certificate, now time.Time) error {
	key, err := newKey()
	if err != nil {
		return err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	der, err := sign(template, ca, key.Public(), now, leafLifetime)
	if err != nil {
		return err
	}
	return writePair(l, name, der, key)
}

func sign(template x509.Certificate, by authority, public crypto.PublicKey, now time.Time, lifetime time.Duration) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("choose a serial number: %w", err)
	}
	template.SerialNumber = serial
	template.NotBefore = now.Add(-backdated)
	template.NotAfter = now.Add(lifetime)
	der, err := x509.CreateCertificate(rand.Reader, &template, by.cert, public, by.key)
	if err != nil {
		return nil, fmt.Errorf("sign a certificate for %q: %w", template.Subject.CommonName, err)
	}
	return der, nil
}

func newKey() (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate a key: %w", err)
	}
	return key, nil
}

// ensureKey writes a new private key to path unless there is a file already.
func ensureKey(path string) error {
	if _, err := os.Stat(path); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	key, err := newKey()
	if err != nil {
		return err
	}
	return writeKey(path, key)
}

// writePair writes the key first: loadAuthority looks for the certificate first, so one that a crash cut short is made anew.
func writePair(l layout, name string, der []byte, key *ecdsa.PrivateKey) error {
	if err := writeKey(l.key(name), key); err != nil {
		return err
	}
	return writePEM(l.cert(name), "CERTIFICATE", der)
}

func writeKey(path string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode the key for %s: %w", path, err)
	}
	return writePEM(path, "EC PRIVATE KEY", der)
}

func writePEM(path, kind string, der []byte) error {
	return writeFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func readPEM(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read a key or certificate: %w", err)
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("%s is not PEM: remove the control plane's directory to start afresh", path)
	}
	return block.Bytes, nil
}

// writeFile replaces path in one step, readable by its owner only, so that nobody reads half a file.
func writeFile(path string, data []byte) error {
	temporary := path + ".new"
	if err := os.WriteFile(temporary, data, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(temporary, path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
