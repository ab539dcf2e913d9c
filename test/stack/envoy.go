package stack

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

//go:embed envoy.yaml.tmpl
var envoyTemplateText string

var envoyTemplate = parse("envoy.yaml", envoyTemplateText)

// EnvoyOptions say how Envoy is set up.
type EnvoyOptions struct {
	ProxyOptions

	// VerifierGRPC is the host:port where the verifier speaks gRPC.
	VerifierGRPC string
}

// Envoy is one running Envoy that asks a verifier in several ways, each on an address of its own.
type Envoy struct {
	// HTTP asks over HTTP with the requirement in a path prefix, as Envoy Gateway sets it up.
	HTTP *Proxy
	// RawPaths does so too, and leaves the client's path as it was sent, which is Envoy's default.
	RawPaths *Proxy
	// GRPC asks over gRPC with the requirement in the route's context extensions.
	GRPC *Proxy
	// RawHeaders does so too, and tells headers as they were sent, where else those that are repeated are joined.
	RawHeaders *Proxy
}

// StartEnvoy starts Envoy and returns when it answers.
func (s *Stack) StartEnvoy(ctx context.Context, o EnvoyOptions) (*Envoy, error) {
	dir, err := s.proxyDir(o.Name)
	if err != nil {
		return nil, err
	}
	e := &Envoy{HTTP: &Proxy{}, RawPaths: &Proxy{}, GRPC: &Proxy{}, RawHeaders: &Proxy{}}
	if err := freeAddresses(&e.HTTP.Address, &e.RawPaths.Address, &e.GRPC.Address, &e.RawHeaders.Address); err != nil {
		return nil, err
	}
	settings, err := e.settings(o)
	if err != nil {
		return nil, err
	}
	config, err := render(envoyTemplate, settings, dir)
	if err != nil {
		return nil, err
	}
	// Without hot restart several run side by side; one worker is enough here.
	process, err := s.start(o.Name, s.Tools.Envoy, "--config-path", config, "--disable-hot-restart", "--concurrency", "1", "--log-level", "warn")
	if err != nil {
		return nil, err
	}
	for _, p := range []*Proxy{e.HTTP, e.RawPaths, e.GRPC, e.RawHeaders} {
		p.Process = process
		if err := p.awaitRoutes(ctx, o.Routes); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// envoySettings are what the template is filled with.
type envoySettings struct {
	Listeners []envoyListener
	Clusters  []envoyCluster
}

type envoyListener struct {
	Name          string
	Listen        envoyAddress
	GRPC          bool
	RawHeaders    bool
	NormalizePath bool
	Routes        []envoyRoute
}

type envoyRoute struct {
	Route

	Index int
	// Segment is the requirement as one path segment.
	Segment string
	// Extensions are the requirement as context extensions.
	Extensions map[string]string
}

type envoyCluster struct {
	Name    string
	Address envoyAddress
	HTTP2   bool
}

type envoyAddress struct{ Host, Port string }

func (e *Envoy) settings(o EnvoyOptions) (envoySettings, error) {
	var problems []error
	address := func(hostPort string) envoyAddress {
		host, port, err := net.SplitHostPort(hostPort)
		problems = append(problems, err)
		return envoyAddress{host, port}
	}
	var routes []envoyRoute
	for i, route := range o.Routes {
		extensions, err := contextExtensions(route.Requirement)
		problems = append(problems, err)
		segment := route.Requirement
		if segment == "" {
			segment = "-"
		}
		routes = append(routes, envoyRoute{Route: route, Index: i, Segment: segment, Extensions: extensions})
	}
	settings := envoySettings{
		Listeners: []envoyListener{
			{Name: "http", Listen: address(e.HTTP.Address), NormalizePath: true, Routes: routes},
			{Name: "raw-paths", Listen: address(e.RawPaths.Address), Routes: routes},
			{Name: "grpc", Listen: address(e.GRPC.Address), GRPC: true, NormalizePath: true, Routes: routes},
			{Name: "grpc-raw-headers", Listen: address(e.RawHeaders.Address), GRPC: true, RawHeaders: true, NormalizePath: true, Routes: routes},
		},
		Clusters: []envoyCluster{
			{Name: "upstream", Address: address(o.Upstream)},
			{Name: "verifier", Address: address(o.Verifier)},
			{Name: "verifier-grpc", Address: address(o.VerifierGRPC), HTTP2: true},
		},
	}
	return settings, errors.Join(problems...)
}

// contextExtensions are a requirement as a route's context extensions: a name each, or where a name is repeated, which a
// map cannot do, the whole of it.
func contextExtensions(requirement string) (map[string]string, error) {
	extensions := map[string]string{}
	for pair := range strings.SplitSeq(requirement, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		if _, repeated := extensions[name]; repeated {
			return map[string]string{"requirement": requirement}, nil
		}
		var err error
		if extensions[name], err = url.QueryUnescape(value); err != nil {
			return nil, fmt.Errorf("requirement %q: %w", requirement, err)
		}
	}
	return extensions, nil
}
