package guides

import (
	"net/http"
	"testing"

	sigsyaml "sigs.k8s.io/yaml"
)

// TestLeavingGuidesSecurityPoliciesProtectARoute runs what Envoy Gateway makes of the guide's HTTPRoute and of each of its
// SecurityPolicies, on the listener of the guide for Envoy, which is set up for paths and underscores as Envoy Gateway does it.
func TestLeavingGuidesSecurityPoliciesProtectARoute(t *testing.T) {
	t.Parallel()
	l, g, envoy := exampleLab(t), readGuide(t, "guides/leaving-ingress-nginx.md"), readGuide(t, "guides/envoy-istio.md")
	for _, name := range []string{"eg-http", "eg-grpc"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := envoyConfig(parsed[tree](t, envoy.block(t, "yml", "envoy")))
			route := tree(g.block(t, "yaml", "eg-route").objects(t)[0])
			config.route()["request_headers_to_remove"] = at[[]any](route, "spec", "rules", 0, "filters", 0, "requestHeaderModifier", "remove")
			policy := securityPolicy(t, g.block(t, "yaml", name))
			config.replaceFilter(tree{"name": "envoy.filters.http.ext_authz", "typed_config": policy.filter(t)})
			delete(config.route(), "typed_per_filter_config")
			if extensions := policy.extensions(); extensions != nil {
				config.route()["typed_per_filter_config"] = tree{"envoy.filters.http.ext_authz": tree{
					"@type": extAuthzType + "PerRoute", "check_settings": tree{"context_extensions": extensions},
				}}
			}
			proxy := l.envoy(t, "guide-"+name, config)
			awaitAnswer(t, proxy, http.StatusUnauthorized)
			printed := l.newConsole(t, proxy, nil).follow(t, g.block(t, "console", "eg-requests"))
			expectUpstream(t, g.block(t, "http", "eg-upstream"), printed[1])
		})
	}
}

// extAuth is the part of a SecurityPolicy that the guide uses.
type extAuth struct {
	FailOpen         bool     `json:"failOpen"`
	Timeout          string   `json:"timeout"`
	HeadersToExtAuth []string `json:"headersToExtAuth"`
	HTTP             *struct {
		Path             string       `json:"path"`
		BackendRefs      []backendRef `json:"backendRefs"`
		HeadersToBackend []string     `json:"headersToBackend"`
	} `json:"http"`
	GRPC *struct {
		BackendRefs []backendRef `json:"backendRefs"`
	} `json:"grpc"`
	ContextExtensions []struct{ Name, Type, Value string } `json:"contextExtensions"`
}

type backendRef struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
	Port      int    `json:"port"`
}

func securityPolicy(t *testing.T, b block) extAuth {
	t.Helper()
	text, err := sigsyaml.Marshal(at[tree](tree(b.objects(t)[0]), "spec", "extAuth"))
	if err != nil {
		t.Fatal(err)
	}
	b.text = string(text)
	return parsed[extAuth](t, b)
}

// filter is what Envoy Gateway makes of it, after internal/xds/translator/extauth.go of 1.9.
func (e extAuth) filter(t *testing.T) tree {
	t.Helper()
	filter := tree{"@type": extAuthzType, "transport_api_version": "V3", "failure_mode_allow": e.FailOpen}
	if len(e.HeadersToExtAuth) > 0 {
		filter["allowed_headers"] = exactly(e.HeadersToExtAuth)
	}
	verifier := backendRef{Name: "apikey-operator-verifier", Namespace: "apikey-operator-system", Port: 9091}
	var asked backendRef
	if e.GRPC != nil {
		asked = e.GRPC.BackendRefs[0]
		filter["grpc_service"] = tree{"envoy_grpc": tree{"cluster_name": "verifier"}, "timeout": e.Timeout}
	} else {
		verifier.Port, asked = 9090, e.HTTP.BackendRefs[0]
		filter["http_service"] = tree{
			"path_prefix":            e.HTTP.Path,
			"server_uri":             tree{"uri": "http://verifier" + e.HTTP.Path, "cluster": "verifier-http", "timeout": e.Timeout},
			"authorization_response": tree{"allowed_upstream_headers": exactly(e.HTTP.HeadersToBackend)},
		}
	}
	if asked != verifier {
		t.Errorf("%v is asked, not %v", asked, verifier)
	}
	return filter
}

// extensions are the context extensions of the policy's routes; nil if there are none.
func (e extAuth) extensions() tree {
	var extensions tree
	for _, extension := range e.ContextExtensions {
		if extensions == nil {
			extensions = tree{}
		}
		extensions[extension.Name] = extension.Value
	}
	return extensions
}
