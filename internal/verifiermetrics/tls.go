package verifiermetrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// TLS is what is told of TLS towards proxies. Its methods may be called from any number of goroutines.
type TLS struct {
	reloadFailures    prometheus.Counter
	expiry            prometheus.Gauge
	handshakeFailures prometheus.Counter
}

// NewTLS registers the metrics of a verifier that serves TLS. Without TLS they would tell nothing.
func NewTLS(registerer prometheus.Registerer) *TLS {
	t := &TLS{
		reloadFailures: prometheus.NewCounter(prometheus.CounterOpts(
			options("tls_reload_failures_total", "Times that the files for TLS were looked at and could not be used; the log says why, once."))),
		expiry: prometheus.NewGauge(prometheus.GaugeOpts(
			options("tls_certificate_expiry_timestamp_seconds", "When the certificate that is served ends."))),
		handshakeFailures: prometheus.NewCounter(prometheus.CounterOpts(
			options("tls_handshake_failures_total", "Connections that ended before a request: no TLS, no certificate, none of the CA, or none of the names."))),
	}
	registerer.MustRegister(t.reloadFailures, t.expiry, t.handshakeFailures)
	return t
}

// TLSReloadFailed is told each time the files could not be used.
func (t *TLS) TLSReloadFailed() { t.reloadFailures.Inc() }

// TLSCertificateExpires is told when the certificate that is served ends.
func (t *TLS) TLSCertificateExpires(at time.Time) { t.expiry.Set(float64(at.Unix())) }

// HandshakeFailed is told of each connection that failed before a request.
func (t *TLS) HandshakeFailed() { t.handshakeFailures.Inc() }
