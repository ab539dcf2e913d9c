package verifiermetrics_test

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/apikey-operator/apikey-operator/internal/verifiermetrics"
)

func TestWhatIsToldOfTLSIsExposedUnderItsName(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	m := verifiermetrics.NewTLS(registry)
	m.TLSReloadFailed()
	m.TLSReloadFailed()
	m.HandshakeFailed()
	m.TLSCertificateExpires(time.Unix(1800000000, 0))
	const want = `
# HELP apikey_operator_verifier_tls_certificate_expiry_timestamp_seconds When the certificate that is served ends.
# TYPE apikey_operator_verifier_tls_certificate_expiry_timestamp_seconds gauge
apikey_operator_verifier_tls_certificate_expiry_timestamp_seconds 1.8e+09
# HELP apikey_operator_verifier_tls_handshake_failures_total Connections that ended before a request: no TLS, no certificate, none of the CA, or none of the names.
# TYPE apikey_operator_verifier_tls_handshake_failures_total counter
apikey_operator_verifier_tls_handshake_failures_total 1
# HELP apikey_operator_verifier_tls_reload_failures_total Times that the files for TLS were looked at and could not be used; the log says why, once.
# TYPE apikey_operator_verifier_tls_reload_failures_total counter
apikey_operator_verifier_tls_reload_failures_total 2
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
