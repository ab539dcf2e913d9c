package stack

import (
	"context"
	_ "embed"
	"net"
)

//go:embed Caddyfile.tmpl
var caddyTemplateText string

var caddyTemplate = parse("Caddyfile", caddyTemplateText)

// StartCaddy starts Caddy with forward_auth and returns when it answers.
func (s *Stack) StartCaddy(ctx context.Context, o ProxyOptions) (*Proxy, error) {
	dir, err := s.proxyDir(o.Name)
	if err != nil {
		return nil, err
	}
	p := &Proxy{}
	if err := freeAddresses(&p.Address); err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(p.Address)
	if err != nil {
		return nil, err
	}
	config, err := render(caddyTemplate, map[string]any{
		"Host": host, "Port": port, "Dir": dir, "Verifier": o.Verifier, "Upstream": o.Upstream, "Routes": o.Routes,
		"IdentityHeaders": IdentityHeaders,
	}, dir)
	if err != nil {
		return nil, err
	}
	if p.Process, err = s.start(o.Name, s.Tools.Caddy, "run", "--config", config, "--adapter", "caddyfile"); err != nil {
		return nil, err
	}
	return p, p.awaitRoutes(ctx, o.Routes)
}
