package stack

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Tools are the programs that a stack runs, each by its path.
type Tools struct {
	LocalCluster string // what hack/build-localcluster.sh builds
	Kubectl      string
	Nginx        string // with the auth_request module
	Operator     string // the built apikey-operator

	// The other proxies, for those who ask for them with AddProxies.
	Envoy, Traefik, Caddy string
	HAProxy               string // empty where there is none

	Redis string // a redis-server, for those who ask for it with AddRedis

	SourceController, KustomizeController, HelmController string // of Flux, for those who ask for them with AddFlux
	// Prometheus and its promtool, for those who ask for them with AddPrometheus.
	Prometheus, Promtool string
}

// ToolsFromEnv takes the paths from the variables that the Makefile sets, without those of proxies other than nginx.
// Its error names every variable that is missing or leads nowhere.
func ToolsFromEnv() (Tools, error) {
	var tools Tools
	err := pathsFromEnv(map[string]*string{
		"LOCALCLUSTER":    &tools.LocalCluster,
		"KUBECTL":         &tools.Kubectl,
		"NGINX":           &tools.Nginx,
		"APIKEY_OPERATOR": &tools.Operator,
	})
	if err != nil {
		return Tools{}, err
	}
	return tools, nil
}

// AddProxies takes the paths of the other proxies from the variables that the Makefile sets. HAPROXY may be empty.
func (t *Tools) AddProxies() error {
	paths := map[string]*string{"ENVOY": &t.Envoy, "TRAEFIK": &t.Traefik, "CADDY": &t.Caddy}
	if os.Getenv("HAPROXY") != "" {
		paths["HAPROXY"] = &t.HAProxy
	}
	return pathsFromEnv(paths)
}

// AddRedis takes the path of a redis-server from the variable that the Makefile sets.
func (t *Tools) AddRedis() error { return pathsFromEnv(map[string]*string{"REDIS_SERVER": &t.Redis}) }

// AddPrometheus takes the paths of Prometheus and promtool from the variables that the Makefile sets.
func (t *Tools) AddPrometheus() error {
	return pathsFromEnv(map[string]*string{"PROMETHEUS": &t.Prometheus, "PROMTOOL": &t.Promtool})
}

// pathsFromEnv fills in the paths that variables hold.
func pathsFromEnv(paths map[string]*string) error {
	var problems []string
	for variable, path := range paths {
		*path = os.Getenv(variable)
		if *path == "" {
			problems = append(problems, variable+" is not set")
		} else if _, err := os.Stat(*path); err != nil {
			problems = append(problems, fmt.Sprintf("%s: %v", variable, err))
		}
	}
	if len(problems) > 0 {
		slices.Sort(problems)
		return errors.New(strings.Join(problems, "; "))
	}
	return nil
}

// root is the directory of the project, found from the current one upwards.
func root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "config", "default", "kustomization.yaml")); err == nil {
			return dir, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("config/default was not found here or above: run this inside the project")
		}
		dir = parent
	}
}
