package webhookcert

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"github.com/open-policy-agent/cert-controller/pkg/rotator"
)

// issuer makes certificates.
type issuer struct {
	dnsName   string
	durations Durations
}

// bringUpToDate takes the steps that are due, and says which and when the next one falls due.
func (i issuer) bringUpToDate(c *contents, now time.Time) (taken []StepKind, wake time.Time, err error) {
	for {
		step := Next(c.state(), i.durations, now)
		if step.Kind == Wait {
			return taken, step.Wake, nil
		}
		if err := i.take(c, step, now); err != nil {
			return nil, time.Time{}, err
		}
		taken = append(taken, step.Kind)
	}
}

func (i issuer) take(c *contents, step Step, now time.Time) error {
	switch step.Kind {
	case AddAuthority:
		authority, err := i.rotator().CreateCACert(now.Add(-i.durations.Backdate), now.Add(i.durations.Authority))
		if err != nil {
			return fmt.Errorf("make a CA: %w", err)
		}
		c.authorities, c.injectedAt = append(c.authorities, authority), time.Time{}
	case DropAuthority:
		c.authorities = slices.Delete(c.authorities, step.Authority, step.Authority+1)
	case ForgetKey:
		authority := c.authorities[step.Authority]
		authority.Key, authority.KeyPEM = nil, nil
	case Sign:
		return i.sign(c, c.authorities[step.Authority], now)
	case Wait:
	}
	return nil
}

// sign makes a serving certificate, which never outlives its CA.
func (i issuer) sign(c *contents, authority *rotator.KeyPairArtifacts, now time.Time) error {
	begin, end := now.Add(-i.durations.Backdate), now.Add(i.durations.Serving)
	if begin.Before(authority.Cert.NotBefore) {
		begin = authority.Cert.NotBefore
	}
	if end.After(authority.Cert.NotAfter) {
		end = authority.Cert.NotAfter
	}
	certificatePEM, keyPEM, err := i.rotator().CreateCertPEM(authority, begin, end)
	if err != nil {
		return fmt.Errorf("make a serving certificate: %w", err)
	}
	pair, err := tls.X509KeyPair(certificatePEM, keyPEM)
	if err != nil {
		return fmt.Errorf("read the serving certificate that was made: %w", err)
	}
	c.serving = &servingPair{certificatePEM: certificatePEM, keyPEM: keyPEM, pair: pair}
	return nil
}

// rotator is used for its making of certificates alone. Its own rotation replaces the one CA that API servers trust
// together with what is served, and so loses the requests in between.
func (i issuer) rotator() *rotator.CertRotator {
	return &rotator.CertRotator{
		CAName: authorityName, CAOrganization: "apikey-operator", DNSName: i.dnsName,
		ExtKeyUsages: &[]x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
}
