package tlsfiles

import (
	"context"
	"crypto/tls"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// ReloadInterval is how often the files are to be looked at. The kubelet itself takes a minute or so to bring what changed.
const ReloadInterval = 10 * time.Second

// Metrics is where a Source says how its files are.
type Metrics interface {
	// TLSReloadFailed is told each time the files were looked at and could not be used.
	TLSReloadFailed()
	// TLSCertificateExpires is told when the certificate in force ends.
	TLSCertificateExpires(at time.Time)
}

// Source is the files as they were when they last made sense.
type Source struct {
	settings Settings
	allowed  *allowList
	now      func() time.Time
	metrics  Metrics
	logger   *slog.Logger
	current  atomic.Pointer[material]

	reloading sync.Mutex // over what follows
	loaded    contents   // of current
	complaint string     // that was logged last; empty when all is well
}

// Load reads the files for the first time, and fails where they, or the settings, make no sense. By now the ends of
// certificates are told.
func Load(settings Settings, now func() time.Time, metrics Metrics, logger *slog.Logger) (*Source, error) {
	if err := settings.Validate(); err != nil {
		return nil, err
	}
	s := &Source{settings: settings, now: now, metrics: metrics, logger: logger}
	var err error
	if s.allowed, err = newAllowList(settings.ClientNames); err != nil {
		return nil, err
	}
	m, c, err := s.look(contents{})
	if err != nil {
		return nil, err
	}
	s.use(m, c)
	return s, nil
}

// Run looks at the files at each tick until ctx ends.
func (s *Source) Run(ctx context.Context, ticks <-chan time.Time) {
	for {
		select {
		case <-ticks:
			s.Reload()
		case <-ctx.Done():
			return
		}
	}
}

// Reload looks at the files. Connections from then on are served by them, if they make sense; those that are open
// already go on.
func (s *Source) Reload() {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	m, c, err := s.look(s.loaded)
	switch {
	case err != nil:
		s.metrics.TLSReloadFailed()
		if s.complaint != err.Error() {
			s.complaint = err.Error()
			s.logger.Error("the files for TLS cannot be used, so what was read before stays in force", "error", s.complaint)
		}
	case m != nil:
		s.use(m, c)
		s.complaint = ""
		s.logger.Info("the files for TLS were read anew", "certificate_expires", m.certificate.Leaf.NotAfter)
	case s.complaint != "":
		s.complaint = ""
		s.logger.Info("the files for TLS are again what they were before")
	}
}

// look reads the files, and returns nothing where they are as before. It tries twice, since they may be replaced
// between two of them.
func (s *Source) look(before contents) (m *material, c contents, err error) {
	for range 2 {
		if c, err = s.settings.read(); err != nil {
			continue
		}
		if c.equal(before) {
			return nil, c, nil
		}
		if m, err = s.settings.parse(c); err == nil {
			return m, c, nil
		}
	}
	return nil, c, err
}

func (s *Source) use(m *material, c contents) {
	s.current.Store(m)
	s.loaded = c
	s.metrics.TLSCertificateExpires(m.certificate.Leaf.NotAfter)
}

// Config is for a server that speaks the given protocols ("http/1.1", "h2"), by the files as they are at each
// handshake. A session is resumed only if a client would be let in anew: package tls holds what the client showed
// against the CAs in force.
func (s *Source) Config(protocols ...string) *tls.Config {
	base := &tls.Config{
		MinVersion:       tls.VersionTLS12,
		NextProtos:       protocols,
		Time:             s.now,
		VerifyConnection: s.allowed.verify,
	}
	config := base.Clone()
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		m := s.current.Load()
		c := base.Clone()
		c.Certificates = []tls.Certificate{m.certificate}
		if m.clientCAs != nil {
			c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, m.clientCAs
		}
		return c, nil
	}
	return config
}
