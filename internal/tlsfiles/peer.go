package tlsfiles

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
)

// verify lets through who is listed. A tls.Config calls it for sessions that are resumed too, unlike
// VerifyPeerCertificate.
func (l *allowList) verify(connection tls.ConnectionState) error {
	if l == nil {
		return nil
	}
	if len(connection.PeerCertificates) == 0 {
		return errors.New("the client shows no certificate")
	}
	leaf := connection.PeerCertificates[0]
	if !l.holds(leaf) {
		return fmt.Errorf("the client is none of --tls-client-names; its certificate is for %s", namesOf(leaf))
	}
	return nil
}

// holds looks at the alternative names alone: nobody vouches for what kind of name a common name is.
func (l *allowList) holds(leaf *x509.Certificate) bool {
	for _, name := range leaf.DNSNames {
		if l.dns[strings.ToLower(name)] {
			return true
		}
	}
	for _, uri := range leaf.URIs {
		if l.uris[uri.String()] {
			return true
		}
	}
	return false
}

// namesOf quotes some of a certificate's names for a message.
func namesOf(leaf *x509.Certificate) string {
	const most = 4
	var names []string
	for _, name := range leaf.DNSNames {
		names = append(names, fmt.Sprintf("%.100q", name))
	}
	for _, uri := range leaf.URIs {
		names = append(names, fmt.Sprintf("%.100q", uri.String()))
	}
	switch {
	case len(names) == 0:
		return "no DNS name and no URI"
	case len(names) > most:
		names = append(names[:most], "…")
	}
	return strings.Join(names, ", ")
}
