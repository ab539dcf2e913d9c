package stack

import (
	"context"
	_ "embed"
	"path/filepath"
	"syscall"
)

//go:embed haproxy.cfg.tmpl
var haproxyTemplateText string

var haproxyTemplate = parse("haproxy.cfg", haproxyTemplateText)

// StartHAProxy starts HAProxy with the Lua action of docs/examples/haproxy, and returns when it answers.
func (s *Stack) StartHAProxy(ctx context.Context, o ProxyOptions) (*Proxy, error) {
	dir, err := s.proxyDir(o.Name)
	if err != nil {
		return nil, err
	}
	p := &Proxy{}
	if err := freeAddresses(&p.Address); err != nil {
		return nil, err
	}
	config, err := render(haproxyTemplate, map[string]any{
		"Listen": p.Address, "Lua": filepath.Join(s.root, "docs", "examples", "haproxy", "apikey.lua"),
		"Verifier": o.Verifier, "Upstream": o.Upstream, "Routes": o.Routes,
	}, dir)
	if err != nil {
		return nil, err
	}
	if p.Process, err = s.start(o.Name, s.Tools.HAProxy, "-db", "-f", config); err != nil {
		return nil, err
	}
	// On SIGTERM it would cut requests off, and die of it.
	p.stopSignal = syscall.SIGUSR1
	return p, p.awaitRoutes(ctx, o.Routes)
}
