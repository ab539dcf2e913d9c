package scale

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

// request is one that arrived at the API server.
type request struct {
	at                   time.Time
	verb, resource, name string
	code                 int
}

func (r request) writes() bool {
	return r.verb != "get" && r.verb != "list" && r.verb != "watch"
}

// proxy stands between the manager and the API server and writes requests down.
type proxy struct {
	url string

	mu       sync.Mutex
	requests []request
}

// arrivedAt is under which a request's context holds the time of its arrival.
type arrivedAt struct{}

// startProxy starts a proxy that ends with the test. It has the API server's own certificate, and passes on the
// token of whoever asks.
func startProxy(t *testing.T, s *stack.Stack) *proxy {
	t.Helper()
	admin, err := s.AdminConfig()
	if err != nil {
		t.Fatal(err)
	}
	target, err := url.Parse(admin.Host)
	if err != nil {
		t.Fatal(err)
	}
	transport, err := rest.TransportFor(&rest.Config{Host: admin.Host, TLSClientConfig: rest.TLSClientConfig{
		CAData: admin.CAData, CAFile: admin.CAFile,
	}})
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := s.ServingCertificate()
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{url: "https://" + listener.Addr().String()}
	server := &http.Server{
		Handler:           p.handler(target, transport),
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{certificate}},
		ReadHeaderTimeout: 10 * time.Second,
	}
	go func() { _ = server.ServeTLS(listener, "", "") }()
	t.Cleanup(func() { _ = server.Close() })
	return p
}

func (p *proxy) handler(target *url.URL, transport http.RoundTripper) http.Handler {
	pass := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:     transport,
		FlushInterval: -1, // watches
		ModifyResponse: func(r *http.Response) error {
			p.note(r.Request, r.StatusCode)
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, _ error) {
			p.note(r, http.StatusBadGateway)
			w.WriteHeader(http.StatusBadGateway)
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		pass.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), arrivedAt{}, time.Now())))
	})
}

func (p *proxy) note(r *http.Request, code int) {
	noted := parse(r.Method, r.URL)
	noted.at, _ = r.Context().Value(arrivedAt{}).(time.Time)
	noted.code = code
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests = append(p.requests, noted)
}

// take returns the requests since the last time, in the order of their arrival.
func (p *proxy) take() []request {
	p.mu.Lock()
	defer p.mu.Unlock()
	taken := p.requests
	p.requests = nil
	slices.SortStableFunc(taken, func(a, b request) int { return a.at.Compare(b.at) })
	return taken
}

// count is how many of the requests since then are of a kind.
func (p *proxy) count(kind func(request) bool) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.requests {
		if kind(r) {
			n++
		}
	}
	return n
}

var writeVerbs = map[string]string{
	http.MethodPost: "create", http.MethodPut: "update", http.MethodPatch: "patch", http.MethodDelete: "delete",
}

// parse tells verb, resource and object from /api/v1/namespaces/default/secrets/x and the like. What is no
// resource, such as /readyz, is its own.
func parse(method string, u *url.URL) request {
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	switch {
	case parts[0] == "api" && len(parts) > 2:
		parts = parts[2:]
	case parts[0] == "apis" && len(parts) > 3:
		parts = parts[3:]
	default:
		return request{verb: "get", resource: u.Path}
	}
	if parts[0] == "namespaces" && len(parts) > 2 {
		parts = parts[2:]
	}
	r := request{verb: writeVerbs[method], resource: parts[0]}
	if len(parts) > 1 {
		r.name = parts[1]
	}
	if len(parts) > 2 {
		r.resource += "/" + parts[2]
	}
	switch {
	case r.verb != "":
	case r.name != "":
		r.verb = "get"
	case u.Query().Get("watch") == "true" || u.Query().Get("watch") == "1":
		r.verb = "watch"
	default:
		r.verb = "list"
	}
	return r
}

func TestARequestIsToldByItsVerbResourceAndObject(t *testing.T) {
	for name, c := range map[string]struct {
		method, url string
		want        request
	}{
		"a Secret":          {"GET", "/api/v1/namespaces/default/secrets/a", request{verb: "get", resource: "secrets", name: "a"}},
		"all Secrets":       {"GET", "/api/v1/secrets?limit=500", request{verb: "list", resource: "secrets"}},
		"a watch":           {"GET", "/apis/apikey-operator.dev/v1alpha1/apikeys?watch=true", request{verb: "watch", resource: "apikeys"}},
		"a status":          {"PUT", "/apis/apikey-operator.dev/v1alpha1/namespaces/x/apikeys/a/status", request{verb: "update", resource: "apikeys/status", name: "a"}},
		"an event":          {"POST", "/apis/events.k8s.io/v1/namespaces/x/events", request{verb: "create", resource: "events"}},
		"a Secret's end":    {"DELETE", "/api/v1/namespaces/x/secrets/a", request{verb: "delete", resource: "secrets", name: "a"}},
		"a namespace":       {"GET", "/api/v1/namespaces/x", request{verb: "get", resource: "namespaces", name: "x"}},
		"a kind's own list": {"GET", "/apis/apikey-operator.dev/v1alpha1", request{verb: "get", resource: "/apis/apikey-operator.dev/v1alpha1"}},
	} {
		t.Run(name, func(t *testing.T) {
			u, err := url.Parse(c.url)
			if err != nil {
				t.Fatal(err)
			}
			if got := parse(c.method, u); got != c.want {
				t.Errorf("it is %+v, want %+v", got, c.want)
			}
		})
	}
}
