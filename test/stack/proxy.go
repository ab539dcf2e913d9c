package stack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"text/template"
)

// ProxyOptions say how a proxy other than nginx is set up.
type ProxyOptions struct {
	Name     string // tells several of one stack apart
	Verifier string // host:port of the verifier that is asked
	Upstream string // host:port
	Routes   []Route
}

// Proxy is a running proxy that asks a verifier about every request to its routes.
type Proxy struct {
	*Process

	Address string // host:port
}

// URL of a path behind this proxy.
func (p *Proxy) URL(path string) string { return "http://" + p.Address + path }

// awaitRoutes waits until the proxy has heard of all routes: until none is answered with 404.
func (p *Proxy) awaitRoutes(ctx context.Context, routes []Route) error {
	return p.await(ctx, p.Name+" to know its routes", startTimeout, func(ctx context.Context) error {
		for _, route := range routes {
			status, err := statusOf(ctx, p.URL(route.Path))
			if err != nil {
				return err
			}
			if status == http.StatusNotFound {
				return fmt.Errorf("%s is not found", route.Path)
			}
		}
		return nil
	})
}

func statusOf(ctx context.Context, url string) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}

// proxyDir makes the directory of a proxy's configuration and data.
func (s *Stack) proxyDir(name string) (string, error) {
	dir := filepath.Join(s.Dir, name)
	return dir, os.Mkdir(dir, 0o700)
}

// render writes a file from a template, and returns its path.
func render(t *template.Template, data any, dir string) (string, error) {
	var text bytes.Buffer
	if err := t.Execute(&text, data); err != nil {
		return "", fmt.Errorf("render %s: %w", t.Name(), err)
	}
	path := filepath.Join(dir, t.Name())
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		return "", fmt.Errorf("write %s: %w", t.Name(), err)
	}
	return path, nil
}

// parse makes a template of a configuration that is compiled in, named as the file that it makes.
func parse(name, text string) *template.Template {
	return template.Must(template.New(name).Option("missingkey=error").Parse(text))
}

// writeFiles writes files that nobody else may read, by their paths.
func writeFiles(files map[string][]byte) error {
	var problems []error
	for path, content := range files {
		problems = append(problems, os.WriteFile(path, content, 0o600))
	}
	return errors.Join(problems...)
}
