package tlsfiles

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
)

// contents are the bytes of all files.
type contents struct {
	cert, key, clientCA []byte
}

func (c contents) equal(other contents) bool {
	return bytes.Equal(c.cert, other.cert) && bytes.Equal(c.key, other.key) && bytes.Equal(c.clientCA, other.clientCA)
}

// material is what the contents mean.
type material struct {
	certificate tls.Certificate
	clientCAs   *x509.CertPool // nil where clients need no certificate
}

func (s Settings) read() (c contents, err error) {
	read := func(flag, path string) (content []byte) {
		if path == "" || err != nil {
			return nil
		}
		if content, err = os.ReadFile(path); err != nil {
			err = fmt.Errorf("--%s: %w", flag, err)
		}
		return content
	}
	c.cert = read("tls-cert-file", s.CertFile)
	c.key = read("tls-key-file", s.KeyFile)
	c.clientCA = read("tls-client-ca-file", s.ClientCAFile)
	return c, err
}

// parse fails on what is incomplete too: a file that is being written, or the certificate of before beside the key of
// after.
func (s Settings) parse(c contents) (*material, error) {
	if _, err := certificatesIn(c.cert); err != nil {
		return nil, fmt.Errorf("--tls-cert-file: %w", err)
	}
	var m material
	var err error
	if m.certificate, err = tls.X509KeyPair(c.cert, c.key); err != nil {
		return nil, fmt.Errorf("--tls-cert-file and --tls-key-file: %w", err)
	}
	if s.ClientCAFile == "" {
		return &m, nil
	}
	authorities, err := certificatesIn(c.clientCA)
	if err != nil {
		return nil, fmt.Errorf("--tls-client-ca-file: %w", err)
	}
	m.clientCAs = x509.NewCertPool()
	for _, authority := range authorities {
		m.clientCAs.AddCert(authority)
	}
	return &m, nil
}

// certificatesIn reads all certificates of a file, at least one. What x509.CertPool skips is an error: without it the
// file would mean less than its author thinks.
func certificatesIn(content []byte) (certificates []*x509.Certificate, err error) {
	for {
		block, rest := pem.Decode(content)
		if block == nil {
			break
		}
		content = rest
		if block.Type != "CERTIFICATE" {
			continue // such as the key, where both are in one file
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(certificates)+1, err)
		}
		certificates = append(certificates, certificate)
	}
	switch {
	case bytes.Contains(content, []byte("-----BEGIN")):
		return nil, errors.New("its last block is cut off or damaged")
	case len(certificates) == 0:
		return nil, errors.New("it holds no certificate in PEM")
	}
	return certificates, nil
}
