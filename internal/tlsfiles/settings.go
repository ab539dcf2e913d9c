// Package tlsfiles serves TLS by a certificate, a key and the CAs of clients that lie in files, and takes up what is
// written there without a restart, as the kubelet and cert-manager renew them. What cannot be read leaves in force what
// was read before.
package tlsfiles

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Settings say where the files are and who may connect.
type Settings struct {
	// CertFile and KeyFile hold the certificate, with those between it and its CA behind it, and its key, in PEM. Both or
	// none; without them there is no TLS.
	CertFile, KeyFile string
	// ClientCAFile holds the certificates, in PEM, of the CAs that clients' certificates must come from. Where empty,
	// clients need no certificate.
	ClientCAFile string
	// ClientNames are who may connect of those whose certificates are good: DNS names or URIs, such as a SPIFFE ID,
	// that must be one of the certificate's alternative names exactly. Where empty, all may.
	ClientNames []string
}

// Enabled says whether there is TLS.
func (s Settings) Enabled() bool { return s.CertFile != "" }

// Validate says in one sentence what is wrong with the settings, nil for nothing. It names them as the verifier's flags
// are named, and looks at no file.
func (s Settings) Validate() error {
	switch {
	case s.CertFile != "" && s.KeyFile == "":
		return errors.New("--tls-key-file: the key of --tls-cert-file is missing, give both or none")
	case s.CertFile == "" && s.KeyFile != "":
		return errors.New("--tls-cert-file: the certificate for --tls-key-file is missing, give both or none")
	case s.CertFile == "" && s.ClientCAFile != "":
		return errors.New("--tls-client-ca-file: clients show certificates over TLS alone, give --tls-cert-file and --tls-key-file too")
	case s.ClientCAFile == "" && len(s.ClientNames) > 0:
		return errors.New("--tls-client-names: names are taken from certificates, give --tls-client-ca-file too")
	}
	_, err := newAllowList(s.ClientNames)
	return err
}

// allowList holds the names of which a client must have one; nil where all may connect.
type allowList struct {
	dns, uris map[string]bool
}

func newAllowList(names []string) (*allowList, error) {
	if len(names) == 0 {
		return nil, nil
	}
	list := &allowList{dns: map[string]bool{}, uris: map[string]bool{}}
	for _, name := range names {
		isURI := strings.Contains(name, "://")
		switch {
		case isURI && isExactURI(name):
			list.uris[name] = true
		case !isURI && isExactDNSName(name):
			list.dns[strings.ToLower(name)] = true
		default:
			return nil, fmt.Errorf("--tls-client-names: %q is neither a DNS name, such as proxy.example, nor a URI, such as spiffe://example/proxy", name)
		}
	}
	return list, nil
}

// isExactURI is false for what a certificate's URI could not be equal to.
func isExactURI(name string) bool {
	uri, err := url.Parse(name)
	return err == nil && uri.Host != "" && uri.String() == name
}

// isExactDNSName is false for a wildcard too: names are compared, not matched.
func isExactDNSName(name string) bool {
	isOther := func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '.' && c != '_'
	}
	return name != "" && len(name) <= 253 && !strings.ContainsFunc(name, isOther)
}
