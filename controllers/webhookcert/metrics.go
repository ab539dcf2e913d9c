package webhookcert

import (
	"crypto/tls"

	"github.com/prometheus/client_golang/prometheus"
)

// ExpiryCollector tells when the certificate that a replica serves ends. While there is none it tells nothing: the end of
// the epoch's first second would be taken for an end.
type ExpiryCollector struct {
	served func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	desc   *prometheus.Desc
}

// NewExpiryCollector makes a collector for what a tls.Config's GetCertificate gives; whether the manager makes it or a directory
// holds it.
func NewExpiryCollector(served func(*tls.ClientHelloInfo) (*tls.Certificate, error)) *ExpiryCollector {
	return &ExpiryCollector{served: served, desc: prometheus.NewDesc(
		"apikey_operator_webhook_certificate_expiry_timestamp_seconds",
		"When the certificate ends that this replica serves the admission webhook with; the manager renews its own 30 days before.", nil, nil)}
}

// Describe implements prometheus.Collector.
func (c *ExpiryCollector) Describe(descriptions chan<- *prometheus.Desc) { descriptions <- c.desc }

// Collect implements prometheus.Collector.
func (c *ExpiryCollector) Collect(metrics chan<- prometheus.Metric) {
	certificate, err := c.served(nil)
	if err != nil || certificate == nil || certificate.Leaf == nil {
		return
	}
	metrics <- prometheus.MustNewConstMetric(c.desc, prometheus.GaugeValue, float64(certificate.Leaf.NotAfter.Unix()))
}
