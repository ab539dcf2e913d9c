package webhookcert

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestWhenTheServedCertificateEndsIsToldOnceThereIsOne(t *testing.T) {
	var certificate *tls.Certificate
	var failure error
	collector := NewExpiryCollector(func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return certificate, failure })
	failure = errors.New("none yet")
	if n := testutil.CollectAndCount(collector); n != 0 {
		t.Errorf("%d series before there is a certificate, want none", n)
	}
	certificate, failure = &tls.Certificate{Leaf: &x509.Certificate{NotAfter: time.Unix(1_800_000_000, 0)}}, nil
	const want = `
# HELP apikey_operator_webhook_certificate_expiry_timestamp_seconds When the certificate ends that this replica serves the admission webhook with; the manager renews its own 30 days before.
# TYPE apikey_operator_webhook_certificate_expiry_timestamp_seconds gauge
apikey_operator_webhook_certificate_expiry_timestamp_seconds 1.8e+09
`
	if err := testutil.CollectAndCompare(collector, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
