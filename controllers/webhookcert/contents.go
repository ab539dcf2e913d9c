package webhookcert

import (
	"bytes"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"maps"
	"slices"
	"time"

	"github.com/open-policy-agent/cert-controller/pkg/rotator"
	corev1 "k8s.io/api/core/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// The keys of the Secret's data. Those of kubernetes.io/tls have the names that every tool knows.
const (
	servingCertificateKey = corev1.TLSCertKey
	servingPrivateKeyKey  = corev1.TLSPrivateKeyKey
	authoritiesKey        = "ca.crt" // all CAs, oldest first
	authorityKeysKey      = "ca.key" // the private keys of those by which something may still be signed
)

// injectedAtAnnotation is when all configurations were first seen to hold all CAs of the Secret. It stands there and
// not in a process's memory, so that the next leader goes on where the last one stopped.
const injectedAtAnnotation = v1alpha1.GroupName + "/ca-injected-at"

// authorityName tells our CAs from others'.
const authorityName = "apikey-operator-webhook-ca"

// labels are what the Secret always carries.
var labels = map[string]string{
	"app.kubernetes.io/name":       "apikey-operator",
	"app.kubernetes.io/component":  "webhook",
	"app.kubernetes.io/part-of":    "apikey-operator",
	"app.kubernetes.io/managed-by": "apikey-operator",
}

// contents are what is sound of a Secret.
type contents struct {
	authorities []*rotator.KeyPairArtifacts // oldest first; without a key once nothing is signed by it any more
	serving     *servingPair                // nil: none that could be served
	injectedAt  time.Time
}

// servingPair is a serving certificate that one of the CAs vouches for.
type servingPair struct {
	certificatePEM, keyPEM []byte
	pair                   tls.Certificate
}

// read takes what is sound out of a Secret, which may be nil.
func read(secret *corev1.Secret, dnsName string) contents {
	if secret == nil {
		return contents{}
	}
	authorities := readAuthorities(secret.Data[authoritiesKey])
	addKeys(authorities, secret.Data[authorityKeysKey])
	injectedAt, err := time.Parse(time.RFC3339Nano, secret.Annotations[injectedAtAnnotation])
	if err != nil {
		injectedAt = time.Time{} // absent or garbage: it will be noted anew
	}
	return contents{
		authorities: authorities,
		serving:     readServing(authorities, secret.Data[servingCertificateKey], secret.Data[servingPrivateKeyKey], dnsName),
		injectedAt:  injectedAt,
	}
}

// readAuthorities are the CAs of ours in PEM blocks, oldest first; anything else is left out.
func readAuthorities(data []byte) []*rotator.KeyPairArtifacts {
	var found []*rotator.KeyPairArtifacts
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil || !isOurs(certificate) || slices.ContainsFunc(found, func(other *rotator.KeyPairArtifacts) bool {
			return other.Cert.Equal(certificate)
		}) {
			continue
		}
		text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw})
		found = append(found, &rotator.KeyPairArtifacts{Cert: certificate, CertPEM: text})
	}
	slices.SortStableFunc(found, func(a, b *rotator.KeyPairArtifacts) int { return a.Cert.NotBefore.Compare(b.Cert.NotBefore) })
	return found
}

func isOurs(certificate *x509.Certificate) bool {
	return certificate.Subject.CommonName == authorityName && certificate.CheckSignatureFrom(certificate) == nil
}

// addKeys gives the CAs their private keys, as far as those are there.
func addKeys(authorities []*rotator.KeyPairArtifacts, data []byte) {
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
		if err != nil {
			continue
		}
		for _, authority := range authorities {
			if key.PublicKey.Equal(authority.Cert.PublicKey) {
				setKey(authority, key)
			}
		}
	}
}

func setKey(authority *rotator.KeyPairArtifacts, key *rsa.PrivateKey) {
	authority.Key = key
	authority.KeyPEM = pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
}

// readServing is nil unless the key fits, the name is right, and one of the CAs vouches for the certificate for all
// of its life.
func readServing(authorities []*rotator.KeyPairArtifacts, certificatePEM, keyPEM []byte, dnsName string) *servingPair {
	pair, err := tls.X509KeyPair(certificatePEM, keyPEM)
	if err != nil {
		return nil
	}
	usages := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, authority := range authorities {
		valid, err := rotator.ValidCert(authority.CertPEM, certificatePEM, keyPEM, dnsName, &usages, pair.Leaf.NotAfter)
		if err == nil && valid {
			return &servingPair{certificatePEM: certificatePEM, keyPEM: keyPEM, pair: pair}
		}
	}
	return nil
}

// state is what a step is planned on.
func (c *contents) state() State {
	s := State{InjectedAt: c.injectedAt}
	for _, a := range c.authorities {
		s.Authorities = append(s.Authorities, Authority{NotBefore: a.Cert.NotBefore, NotAfter: a.Cert.NotAfter, HasKey: a.Key != nil})
	}
	if c.serving != nil {
		leaf := c.serving.pair.Leaf
		s.Serving = &Serving{NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter}
	}
	return s
}

// bundle is all CAs, as API servers are to trust them.
func (c *contents) bundle() []byte {
	var bundle []byte
	for _, authority := range c.authorities {
		bundle = append(bundle, authority.CertPEM...)
	}
	return bundle
}

// writeTo puts the contents into a Secret and leaves alone what others added there. It says whether that changed it.
func (c *contents) writeTo(secret *corev1.Secret) bool {
	before := secret.DeepCopy()
	if secret.Labels == nil {
		secret.Labels = map[string]string{}
	}
	maps.Copy(secret.Labels, labels)
	c.noteInjection(secret)
	if secret.Data == nil {
		secret.Data = map[string][]byte{}
	}
	secret.Data[authoritiesKey] = c.bundle()
	secret.Data[authorityKeysKey] = nil
	for _, authority := range c.authorities {
		secret.Data[authorityKeysKey] = append(secret.Data[authorityKeysKey], authority.KeyPEM...)
	}
	if c.serving != nil {
		secret.Data[servingCertificateKey], secret.Data[servingPrivateKeyKey] = c.serving.certificatePEM, c.serving.keyPEM
	}
	return !maps.Equal(before.Labels, secret.Labels) || !maps.Equal(before.Annotations, secret.Annotations) ||
		!maps.EqualFunc(before.Data, secret.Data, bytes.Equal)
}

func (c *contents) noteInjection(secret *corev1.Secret) {
	if c.injectedAt.IsZero() {
		delete(secret.Annotations, injectedAtAnnotation)
		return
	}
	if secret.Annotations == nil {
		secret.Annotations = map[string]string{}
	}
	secret.Annotations[injectedAtAnnotation] = c.injectedAt.UTC().Format(time.RFC3339Nano)
}
