package stack

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
)

//go:embed nginx.conf.tmpl
var nginxTemplateText string

var nginxTemplate = template.Must(template.New("nginx.conf").Parse(nginxTemplateText))

// IdentityHeaders are what the verifier always answers with, and what a route always lists.
var IdentityHeaders = []string{
	"X-Apikey-Namespace", "X-Apikey-Name", "X-Apikey-Tenant", "X-Apikey-Permissions", "X-Apikey-Scopes", "X-Apikey-Revision",
}

// Route is one path that a proxy protects.
type Route struct {
	// Path is the prefix of the URIs, such as /reports/.
	Path string
	// Requirement is the query of the auth-url, such as permission=read; may be empty.
	Requirement string
	// Listed are headers beside ours in auth-response-headers: since the verifier never answers with
	// them, the client's do not reach the upstream.
	Listed []string
	// Body has the request's body sent to the verifier, where the proxy can do that.
	Body bool
	// AuthMethod is the method of the request to the verifier, where an Ingress says it. Default: GET.
	AuthMethod string
	// CacheKey is ingress-nginx's auth-cache-key, where answers of the verifier are to be kept.
	CacheKey string
}

// NginxOptions say how nginx is set up.
type NginxOptions struct {
	Name      string // tells several of one stack apart. Default: nginx
	Verifiers []string
	Upstream  string
	Routes    []Route
	// KeepAlive is how many idle connections to the verifiers are kept. With 0, the default, each
	// subrequest opens a connection, as ingress-nginx does by itself.
	KeepAlive int
	// TLS is how the verifiers are asked; nil for plain HTTP.
	TLS *NginxTLS
}

// NginxTLS are files in PEM, and the name that the verifiers' certificates must hold.
type NginxTLS struct{ Name, CA, Certificate, Key string }

// Nginx is a running nginx.
type Nginx struct {
	*Process

	Address   string // host:port
	AccessLog string // path of a file with a line of JSON for each request and each subrequest

	binary  string
	dir     string
	options NginxOptions
}

// URL of a path behind this nginx.
func (n *Nginx) URL(path string) string { return "http://" + n.Address + path }

// StartNginx starts nginx and returns when it answers.
func (s *Stack) StartNginx(ctx context.Context, o NginxOptions) (*Nginx, error) {
	if o.Name == "" {
		o.Name = "nginx"
	}
	n := &Nginx{
		binary:    s.Tools.Nginx,
		dir:       filepath.Join(s.Dir, o.Name),
		AccessLog: filepath.Join(s.LogDir(), o.Name+".access.log"),
		options:   o,
	}
	if err := os.Mkdir(n.dir, 0o700); err != nil {
		return nil, err
	}
	if err := freeAddresses(&n.Address); err != nil {
		return nil, err
	}
	if err := n.configure(ctx); err != nil {
		return nil, err
	}
	var err error
	if n.Process, err = s.start(o.Name, n.binary, n.args()...); err != nil {
		return nil, err
	}
	return n, n.await(ctx, n.Name+" to answer", startTimeout, func(ctx context.Context) error {
		return Healthy(ctx, n.URL("/healthz"))
	})
}

func (n *Nginx) args() []string {
	return []string{"-p", n.dir, "-c", filepath.Join(n.dir, "nginx.conf"), "-e", "stderr"}
}

// configure writes the configuration and has nginx check it.
func (n *Nginx) configure(ctx context.Context) error {
	var text bytes.Buffer
	if err := nginxTemplate.Execute(&text, n.settings()); err != nil {
		return fmt.Errorf("render nginx.conf: %w", err)
	}
	path := filepath.Join(n.dir, "nginx.conf")
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		return fmt.Errorf("write nginx.conf: %w", err)
	}
	check := exec.CommandContext(ctx, n.binary, append([]string{"-t"}, n.args()...)...)
	check.Env = childEnvironment()
	if output, err := check.CombinedOutput(); err != nil {
		return fmt.Errorf("nginx refuses %s: %w: %s", path, err, bytes.TrimSpace(output))
	}
	return nil
}

// nginxSettings are what the template is filled with.
type nginxSettings struct {
	NginxOptions

	Listen, Dir, AccessLog string
	AsRoot                 bool
	Caches                 bool // whether any location keeps answers
	Locations              []nginxLocation
}

type nginxLocation struct {
	Route

	// AuthLocation is the internal location of the subrequest.
	AuthLocation string
	Headers      []nginxHeader
}

// nginxHeader is a header of auth-response-headers, and the name of nginx's variable for it.
type nginxHeader struct{ Name, Variable string }

func (n *Nginx) settings() nginxSettings {
	settings := nginxSettings{
		NginxOptions: n.options, Listen: n.Address, Dir: n.dir, AccessLog: n.AccessLog, AsRoot: os.Geteuid() == 0,
	}
	for i, route := range n.options.Routes {
		settings.Caches = settings.Caches || route.CacheKey != ""
		location := nginxLocation{Route: route, AuthLocation: fmt.Sprintf("/_external-auth-%d-Prefix", i)}
		for _, header := range slices.Concat(IdentityHeaders, route.Listed) {
			variable := strings.ToLower(strings.ReplaceAll(header, "-", "_"))
			location.Headers = append(location.Headers, nginxHeader{Name: header, Variable: variable})
		}
		settings.Locations = append(settings.Locations, location)
	}
	return settings
}
