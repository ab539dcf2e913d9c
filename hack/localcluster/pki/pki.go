// Package pki makes the certificates and keys of a cluster.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/apikey-operator/apikey-operator/hack/localcluster/files"
)

// CA names the authority's files.
const CA = "ca"

const (
	caLifetime   = 10 * 365 * 24 * time.Hour
	leafLifetime = 365 * 24 * time.Hour
	// backdated allows for a clock that is set back a little after the certificates were made.
	backdated = time.Hour
)

// Dir is the directory with the certificates and keys of one cluster.
type Dir string

// Cert is the file of a certificate.
func (d Dir) Cert(name string) string { return filepath.Join(string(d), name+".crt") }

// Key is the file of a private key.
func (d Dir) Key(name string) string { return filepath.Join(string(d), name+".key") }

// authority signs the certificates of one control plane.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Prepare makes what is missing: the authority, the key serviceAccounts that signs the tokens of ServiceAccounts, and a
// certificate for each of leaves under its name. The authority and that key are
// kept, so that what an earlier run handed out stays valid; the rest is issued anew at each start,
// so that a directory that was kept for long still works.
func (d Dir) Prepare(serviceAccounts string, leaves map[string]x509.Certificate, now time.Time) error {
	ca, err := loadOrCreateAuthority(d, now)
	if err != nil {
		return err
	}
	if err := ensureKey(d.Key(serviceAccounts)); err != nil {
		return err
	}
	for name, template := range leaves {
		if err := ca.issue(d, name, template, now); err != nil {
			return err
		}
	}
	return nil
}

// Server is a template for a server that is reached by the names or addresses given.
func Server(commonName string, hosts ...string) x509.Certificate {
	template := x509.Certificate{
		Subject:     pkix.Name{CommonName: commonName},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	return template
}

// Client is a template for a client of the API server: a user in groups.
func Client(user string, groups ...string) x509.Certificate {
	return x509.Certificate{
		Subject:     pkix.Name{CommonName: user, Organization: groups},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
}

// ClientTLS is how the client whose certificate was issued under the name connects to a server of this cluster.
func (d Dir) ClientTLS(client string) (*tls.Config, error) {
	authorityPEM, err := os.ReadFile(d.Cert(CA))
	if err != nil {
		return nil, fmt.Errorf("read the authority's certificate: %w", err)
	}
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM(authorityPEM) {
		return nil, errors.New("the authority's certificate is not PEM")
	}
	certificate, err := tls.LoadX509KeyPair(d.Cert(client), d.Key(client))
	if err != nil {
		return nil, fmt.Errorf("load the certificate of %s: %w", client, err)
	}
	return &tls.Config{RootCAs: authorities, Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13}, nil
}

func loadOrCreateAuthority(d Dir, now time.Time) (authority, error) {
	ca, err := loadAuthority(d)
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
	if err := writePair(d, CA, der, key); err != nil {
		return authority{}, err
	}
	return loadAuthority(d)
}

// loadAuthority returns an error that matches fs.ErrNotExist where there is none yet.
func loadAuthority(d Dir) (authority, error) {
	certDER, err := readPEM(d.Cert(CA))
	if err != nil {
		return authority{}, err
	}
	cert, err := x509.ParseCertificate(certDER)
	if err != nil {
		return authority{}, fmt.Errorf("parse %s: %w", d.Cert(CA), err)
	}
	keyDER, err := readPEM(d.Key(CA))
	if err != nil {
		return authority{}, err
	}
	key, err := x509.ParseECPrivateKey(keyDER)
	if err != nil {
		return authority{}, fmt.Errorf("parse %s: %w", d.Key(CA), err)
	}
	return authority{cert: cert, key: key}, nil
}

func (ca authority) issue(d Dir, name string, template x509.Certificate, now time.Time) error {
	key, err := newKey()
	if err != nil {
		return err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	der, err := sign(template, ca, key.Public(), now, leafLifetime)
	if err != nil {
		return err
	}
	return writePair(d, name, der, key)
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
func writePair(d Dir, name string, der []byte, key *ecdsa.PrivateKey) error {
	if err := writeKey(d.Key(name), key); err != nil {
		return err
	}
	return writePEM(d.Cert(name), "CERTIFICATE", der)
}

func writeKey(path string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode the key for %s: %w", path, err)
	}
	return writePEM(path, "EC PRIVATE KEY", der)
}

func writePEM(path, kind string, der []byte) error {
	return files.Write(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
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
