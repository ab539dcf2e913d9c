package e2e

import (
	"fmt"
	"slices"
	"testing"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

// kind is a way in which a proxy asks a verifier.
type kind string

const (
	viaNginx     kind = "nginx, a connection for each request"
	viaNginxKept kind = "nginx, connections kept open"
	viaTraefik   kind = "Traefik, ForwardAuth"
	viaIngress   kind = "Traefik, ingress-nginx's annotations"
	viaEnvoy     kind = "Envoy, HTTP"
	viaEnvoyRaw  kind = "Envoy, HTTP, paths as sent"
	viaEnvoyGRPC kind = "Envoy, gRPC"
	viaEnvoyBare kind = "Envoy, gRPC, headers as sent"
	viaCaddy     kind = "Caddy"
	viaHAProxy   kind = "HAProxy"
)

// Kinds that behave alike.
var (
	nginxes  = []kind{viaNginx, viaNginxKept}
	traefiks = []kind{viaTraefik, viaIngress}
	envoys   = []kind{viaEnvoy, viaEnvoyRaw, viaEnvoyGRPC, viaEnvoyBare}
	// joining are those that tell the verifier of a repeated header as of one.
	joining = []kind{viaEnvoy, viaEnvoyRaw, viaEnvoyGRPC}
	// tidying are those that tidy paths up before they do anything else.
	tidying = []kind{viaEnvoy, viaEnvoyGRPC, viaEnvoyBare}
)

// front is where a client meets a proxy of a kind.
type front struct {
	kind    kind
	address string
	// accessLog is nginx's, which tells the reason that nginx keeps from its client.
	accessLog string
	// dropsEmpty says that an identity header without a value does not reach the upstream; else it arrives empty.
	dropsEmpty bool
	// dropsKeyHeader says that the upstream never sees the header that the key was found in, whatever the route.
	dropsKeyHeader bool
}

// speaksOwnStatus says whether a refusal comes in the reason's own status; nginx knows only 401 and 403.
func (f *front) speaksOwnStatus() bool { return !slices.Contains(nginxes, f.kind) }

// proxiedNamespace holds the keys of the table.
const proxiedNamespace = "proxied"

// proxiedRoutes are the same behind each proxy.
var proxiedRoutes = []stack.Route{
	{Path: "/any/"},
	{Path: "/read/", Requirement: "permission=read"},
	{Path: "/read-and-view/", Requirement: "permission=read&permission=customers:view"},
	{Path: "/admin/", Requirement: "permission=admin"},
	{Path: "/rules/", Requirement: "rule=GET,HEAD:read&rule=POST,PUT:customers:write&rule=DELETE:admin"},
	// ingress-nginx's auth-method is that of the request to the verifier, and must not be taken for the client's.
	{Path: "/asked-by-post/", Requirement: "rule=GET:read&rule=POST:admin", AuthMethod: "POST"},
	{Path: "/acme/", Requirement: "tenant=acme"},
	{Path: "/general/", Requirement: "scope.category=general"},
	{Path: "/encoded/", Requirement: "scope.category=gen%65ral"},
	{Path: "/region/", Requirement: "scope.region=eu"},
	{Path: "/of-namespace/", Requirement: "namespace=" + proxiedNamespace},
	{Path: "/of-another/", Requirement: "namespace=default"},
	{Path: "/everything/", Requirement: "permission=read&tenant=acme&scope.category=general&namespace=" + proxiedNamespace},
	{Path: "/mistake/", Requirement: "permision=read"},
	{Path: "/no-key-upstream/", Listed: []string{"X-API-Key", "Authorization"}},
	{Path: "/body/", Body: true},
}

// proxies are all of them in front of one verifier, or of what stands in its place.
type proxies struct {
	fronts     []*front
	http, grpc *relay // where the proxies expect the verifier
}

// startProxies starts every proxy that there is. Nobody answers them yet.
func startProxies(t *testing.T) *proxies {
	t.Helper()
	p := &proxies{http: newRelay(t), grpc: newRelay(t)}
	for name, keepAlive := range map[kind]int{viaNginx: 0, viaNginxKept: 8} {
		p.startNginx(t, name, keepAlive)
	}
	p.startTraefik(t)
	p.startEnvoy(t)
	p.startCaddy(t)
	if tools.HAProxy == "" {
		t.Log("HAProxy is left out: there is none here, and HAPROXY names none")
	} else {
		p.startHAProxy(t)
	}
	return p
}

func (p *proxies) options(name string) stack.ProxyOptions {
	return stack.ProxyOptions{Name: "proxied-" + name, Verifier: p.http.Address, Upstream: shared.upstream.Address, Routes: proxiedRoutes}
}

func (p *proxies) startNginx(t *testing.T, kind kind, keepAlive int) {
	t.Helper()
	nginx, err := shared.StartNginx(t.Context(), stack.NginxOptions{
		Name: fmt.Sprintf("proxied-nginx-%d", keepAlive), Verifiers: []string{p.http.Address}, Upstream: shared.upstream.Address,
		Routes: proxiedRoutes, KeepAlive: keepAlive,
	})
	if err != nil {
		t.Fatal(err)
	}
	p.fronts = append(p.fronts, &front{kind: kind, address: nginx.Address, accessLog: nginx.AccessLog, dropsEmpty: true})
}

func (p *proxies) startTraefik(t *testing.T) {
	t.Helper()
	traefik, err := shared.StartTraefik(t.Context(), p.options("traefik"))
	if err != nil {
		t.Fatal(err)
	}
	p.fronts = append(p.fronts,
		&front{kind: viaTraefik, address: traefik.Forward.Address}, &front{kind: viaIngress, address: traefik.Ingress.Address})
}

func (p *proxies) startEnvoy(t *testing.T) {
	t.Helper()
	envoy, err := shared.StartEnvoy(t.Context(), stack.EnvoyOptions{ProxyOptions: p.options("envoy"), VerifierGRPC: p.grpc.Address})
	if err != nil {
		t.Fatal(err)
	}
	p.fronts = append(p.fronts, &front{kind: viaEnvoy, address: envoy.HTTP.Address}, &front{kind: viaEnvoyRaw, address: envoy.RawPaths.Address},
		&front{kind: viaEnvoyGRPC, address: envoy.GRPC.Address, dropsKeyHeader: true},
		&front{kind: viaEnvoyBare, address: envoy.RawHeaders.Address, dropsKeyHeader: true})
}

func (p *proxies) startCaddy(t *testing.T) {
	t.Helper()
	caddy, err := shared.StartCaddy(t.Context(), p.options("caddy"))
	if err != nil {
		t.Fatal(err)
	}
	p.fronts = append(p.fronts, &front{kind: viaCaddy, address: caddy.Address, dropsEmpty: true})
}

func (p *proxies) startHAProxy(t *testing.T) {
	t.Helper()
	haproxy, err := shared.StartHAProxy(t.Context(), p.options("haproxy"))
	if err != nil {
		t.Fatal(err)
	}
	p.fronts = append(p.fronts, &front{kind: viaHAProxy, address: haproxy.Address})
}

// lead has new connections of the proxies passed on to verifiers, in turn.
func (p *proxies) lead(verifiers ...*stack.Verifier) {
	var http, grpc []string
	for _, v := range verifiers {
		http, grpc = append(http, v.Address), append(grpc, v.GRPC)
	}
	p.http.PointAt(http...)
	p.grpc.PointAt(grpc...)
}
