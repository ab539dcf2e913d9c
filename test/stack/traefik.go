package stack

import (
	"context"
	_ "embed"
	"fmt"
	"net"
	"path/filepath"
	"strings"
)

var (
	//go:embed traefik.yaml.tmpl
	traefikTemplateText string
	//go:embed traefik-routes.yaml.tmpl
	traefikRoutesTemplateText string
	//go:embed traefik-objects.yaml.tmpl
	traefikObjectsTemplateText string

	traefikTemplate        = parse("traefik.yaml", traefikTemplateText)
	traefikRoutesTemplate  = parse("routes.yaml", traefikRoutesTemplateText)
	traefikObjectsTemplate = parse("objects.yaml", traefikObjectsTemplateText)
)

// Traefik is one running Traefik that asks a verifier in two ways, each on an address of its own.
type Traefik struct {
	// Forward has routes with ForwardAuth from a file.
	Forward *Proxy
	// Ingress has them from Ingresses with ingress-nginx's annotations, which it reads from the API server with a token
	// of a ServiceAccount of its own.
	Ingress *Proxy
	// Namespace holds the Ingresses. It is named as the process.
	Namespace string
}

// StartTraefik makes the namespace, the ServiceAccount with its rights, and the Ingresses; starts Traefik; and returns
// when it answers in both ways.
func (s *Stack) StartTraefik(ctx context.Context, o ProxyOptions) (*Traefik, error) {
	dir, err := s.proxyDir(o.Name)
	if err != nil {
		return nil, err
	}
	t := &Traefik{Forward: &Proxy{}, Ingress: &Proxy{}, Namespace: o.Name}
	if err := freeAddresses(&t.Forward.Address, &t.Ingress.Address); err != nil {
		return nil, err
	}
	routes, err := render(traefikRoutesTemplate, t.settings(o), dir)
	if err != nil {
		return nil, err
	}
	settings, err := s.applyIngresses(ctx, t, o, dir)
	if err != nil {
		return nil, err
	}
	settings["Forward"], settings["Ingress"], settings["Routes"] = t.Forward.Address, t.Ingress.Address, routes
	config, err := render(traefikTemplate, settings, dir)
	if err != nil {
		return nil, err
	}
	process, err := s.start(o.Name, s.Tools.Traefik, "--configFile="+config)
	if err != nil {
		return nil, err
	}
	for _, p := range []*Proxy{t.Forward, t.Ingress} {
		p.Process = process
		if err := p.awaitRoutes(ctx, o.Routes); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func (t *Traefik) settings(o ProxyOptions) map[string]any {
	return map[string]any{
		"Namespace": t.Namespace, "Verifier": o.Verifier, "Upstream": o.Upstream, "Routes": o.Routes, "IdentityHeaders": IdentityHeaders,
	}
}

// applyIngresses applies what the provider reads, and returns what it needs to read it.
func (s *Stack) applyIngresses(ctx context.Context, t *Traefik, o ProxyOptions, dir string) (map[string]any, error) {
	settings := t.settings(o)
	_, port, err := net.SplitHostPort(o.Upstream)
	if err != nil {
		return nil, err
	}
	settings["UpstreamPort"] = port
	objects, err := render(traefikObjectsTemplate, settings, dir)
	if err != nil {
		return nil, err
	}
	if _, err := s.Kubectl(ctx, "apply", "-f", objects); err != nil {
		return nil, fmt.Errorf("apply Traefik's objects: %w", err)
	}
	token, err := s.Kubectl(ctx, "create", "token", "traefik", "--namespace", t.Namespace, "--duration=24h")
	if err != nil {
		return nil, fmt.Errorf("get a token for Traefik: %w", err)
	}
	config, err := s.AdminConfig()
	if err != nil {
		return nil, err
	}
	tokenPath, authority := filepath.Join(dir, "token"), filepath.Join(dir, "ca.crt")
	return map[string]any{
			"Namespace": t.Namespace, "Endpoint": config.Host, "Token": tokenPath, "Authority": authority,
		}, writeFiles(map[string][]byte{
			tokenPath: []byte(strings.TrimSpace(token)), authority: config.CAData,
		})
}
