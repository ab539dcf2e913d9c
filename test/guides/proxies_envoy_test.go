package guides

import (
	"bytes"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	sigsyaml "sigs.k8s.io/yaml"
)

// tree is a part of a configuration.
type tree = map[string]any

// TestEnvoyGuideProtectsARoute runs the guide's configuration as it is, and with other filters in the place of the one that
// asks: over HTTP, and those that Istio makes of its providers.
func TestEnvoyGuideProtectsARoute(t *testing.T) {
	t.Parallel()
	l, g := exampleLab(t), readGuide(t, "guides/envoy-istio.md")
	for name, change := range map[string]func(t *testing.T, config envoyConfig){
		"gRPC": func(*testing.T, envoyConfig) {},
		"HTTP": func(t *testing.T, config envoyConfig) {
			config.replaceFilter(parsed[tree](t, g.block(t, "yml", "envoy-http")))
			delete(config.route(), "typed_per_filter_config")
		},
		"Istio over HTTP": func(t *testing.T, config envoyConfig) {
			mesh := parsed[meshConfig](t, g.block(t, "yml", "mesh"))
			config.replaceFilter(mesh.ExtensionProviders[0].HTTP.filter(t))
			delete(config.route(), "typed_per_filter_config")
		},
		"Istio over gRPC": func(t *testing.T, config envoyConfig) {
			mesh := parsed[meshConfig](t, g.block(t, "yml", "mesh-grpc"))
			config.replaceFilter(mesh.ExtensionProviders[0].GRPC.filter(t))
			delete(config.route(), "typed_per_filter_config")
			maps.Copy(config.route(), merged(t, g.block(t, "yaml", "istio-extensions")))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := envoyConfig(parsed[tree](t, g.block(t, "yml", "envoy")))
			change(t, config)
			proxy := l.envoy(t, "guide-envoy-"+name, config)
			awaitAnswer(t, proxy, http.StatusUnauthorized)
			printed := l.newConsole(t, proxy, nil).follow(t, g.block(t, "console", "requests"))
			for _, allowed := range printed[1:3] {
				expectUpstream(t, g.block(t, "http", "upstream"), allowed)
			}
		})
	}
}

// parsed is a block as a value, all of which must be known to it.
func parsed[T any](t *testing.T, b block) T {
	t.Helper()
	var value T
	if err := sigsyaml.UnmarshalStrict([]byte(b.text), &value); err != nil {
		t.Fatalf("%s:%d: %v", b.guide, b.line, err)
	}
	return value
}

// envoyConfig is the guide's configuration with its one route.
type envoyConfig tree

func (c envoyConfig) manager() tree {
	return at[tree](tree(c), "static_resources", "listeners", 0, "filter_chains", 0, "filters", 0, "typed_config")
}

func (c envoyConfig) route() tree {
	return at[tree](c.manager(), "route_config", "virtual_hosts", 0, "routes", 0)
}

func (c envoyConfig) replaceFilter(filter tree) { at[[]any](c.manager(), "http_filters")[0] = filter }

// at is what stands at the end of a path of names and indexes. It panics where the path leads nowhere.
func at[T any](from any, path ...any) T {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			from = from.(tree)[step]
		case int:
			from = from.([]any)[step]
		}
	}
	return from.(T)
}

// merged is what an EnvoyFilter merges into a route.
func merged(t *testing.T, b block) tree {
	t.Helper()
	return at[tree](tree(b.objects(t)[0]), "spec", "configPatches", 0, "patch", "value")
}

// envoy starts an Envoy with a guide's configuration, whose addresses become those of the lab, and returns where it listens.
func (l *lab) envoy(t *testing.T, name string, config envoyConfig) string {
	t.Helper()
	proxy := freeAddress(t)
	readdress(t, tree(config), map[string]string{
		"0.0.0.0:8080":                     proxy,
		"api.phoenix.svc.cluster.local:80": l.upstream.Address,
		verifierHTTP:                       l.verifier.Address,
		verifierHost + ":9091":             l.verifier.GRPC,
	})
	text, err := sigsyaml.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "envoy.yaml")
	writeFile(t, path, patient(text))
	l.runEnvoy(t, name, path)
	return proxy
}

// patient has Envoy wait longer for the verifier than guides advise, since this machine may be busy with other tests.
func patient(config []byte) []byte {
	return bytes.ReplaceAll(config, []byte("timeout: 1s\n"), []byte("timeout: 30s\n"))
}

// runEnvoy starts an Envoy that ends with the test. Without hot restart several run side by side.
func (l *lab) runEnvoy(t *testing.T, name, path string) {
	t.Helper()
	l.run(t, name, tools.Envoy, "--config-path", path, "--disable-hot-restart", "--concurrency", "1", "--log-level", "warn",
		"--service-cluster", name, "--service-node", name)
}

// readdress puts other addresses in the place of those that it knows, wherever there is a socket_address.
func readdress(t *testing.T, from any, addresses map[string]string) {
	t.Helper()
	switch from := from.(type) {
	case []any:
		for _, element := range from {
			readdress(t, element, addresses)
		}
	case tree:
		if socket, ok := from["socket_address"].(tree); ok {
			written := net.JoinHostPort(socket["address"].(string), strconv.Itoa(int(socket["port_value"].(float64))))
			host, port, err := net.SplitHostPort(addresses[written])
			if err != nil {
				t.Fatalf("the guide has an address that the test does not know: %s", written)
			}
			number, err := strconv.Atoi(port)
			if err != nil {
				t.Fatal(err)
			}
			socket["address"], socket["port_value"] = host, number
			return
		}
		for _, key := range slices.Sorted(maps.Keys(from)) {
			readdress(t, from[key], addresses)
		}
	}
}
