package main

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"
	"golang.org/x/time/rate"

	"github.com/apikey-operator/apikey-operator/internal/tlsfiles"
	"github.com/apikey-operator/apikey-operator/internal/verifiermetrics"
)

func registerTLS(flags *pflag.FlagSet, s *tlsfiles.Settings) {
	flags.StringVar(&s.CertFile, "tls-cert-file", s.CertFile,
		"certificate for proxies, in PEM, with those up to its CA behind it; read anew as it changes. Empty for no TLS")
	flags.StringVar(&s.KeyFile, "tls-key-file", s.KeyFile, "key of --tls-cert-file, in PEM")
	flags.StringVar(&s.ClientCAFile, "tls-client-ca-file", s.ClientCAFile,
		"CAs, in PEM, of which proxies must show a certificate; read anew as it changes. Empty for no certificates of proxies")
	flags.StringSliceVar(&s.ClientNames, "tls-client-names", s.ClientNames,
		"DNS names and URIs, such as spiffe://example/ns/ingress/sa/nginx: a proxy's certificate must hold one of them exactly. Empty for all that --tls-client-ca-file lets through")
}

// complaintInterval is how often a handshake that failed is logged at most: whoever reaches the port can make them fail.
const complaintInterval = 10 * time.Second

// proxyTLS is TLS towards proxies. Nil is none.
type proxyTLS struct {
	source     *tlsfiles.Source
	metrics    *verifiermetrics.TLS
	logger     *slog.Logger
	complaints rate.Sometimes
}

// newProxyTLS reads the files, and returns nil where there are to be none.
func newProxyTLS(settings tlsfiles.Settings, registry prometheus.Registerer, logger *slog.Logger) (*proxyTLS, error) {
	if !settings.Enabled() {
		return nil, nil
	}
	p := &proxyTLS{
		metrics: verifiermetrics.NewTLS(registry), logger: logger, complaints: rate.Sometimes{Interval: complaintInterval},
	}
	var err error
	p.source, err = tlsfiles.Load(settings, time.Now, p.metrics, logger)
	return p, err
}

// config is for a server that speaks the given protocols; nil for one without TLS.
func (p *proxyTLS) config(protocols ...string) *tls.Config {
	if p == nil {
		return nil
	}
	return p.source.Config(protocols...)
}

// listen has what ln accepts served over TLS, to a server of HTTP/1.1 that knows nothing of it.
func (p *proxyTLS) listen(ln net.Listener) net.Listener {
	if p == nil {
		return ln
	}
	return tlsfiles.Listen(ln, p.config("http/1.1"), p.handshakeFailed)
}

func (p *proxyTLS) handshakeFailed(err error) {
	p.metrics.HandshakeFailed()
	p.complaints.Do(func() {
		p.logger.Warn("a connection was refused in the TLS handshake; the metric counts them all", "error", err.Error())
	})
}

// run looks at the files until ctx ends.
func (p *proxyTLS) run(ctx context.Context) {
	if p == nil {
		return
	}
	ticker := time.NewTicker(tlsfiles.ReloadInterval)
	defer ticker.Stop()
	p.source.Run(ctx, ticker.C)
}
