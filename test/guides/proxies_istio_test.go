package guides

import (
	"net/http"
	"strconv"
	"testing"
)

// meshConfig is the part of Istio's mesh configuration that tells whom to ask
// (https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/).
type meshConfig struct {
	ExtensionProviders []struct {
		Name string            `json:"name"`
		HTTP *istioHTTPExtAuth `json:"envoyExtAuthzHttp"`
		GRPC *istioGRPCExtAuth `json:"envoyExtAuthzGrpc"`
	} `json:"extensionProviders"`
}

type istioExtAuth struct {
	Service  string `json:"service"`
	Port     int    `json:"port"`
	Timeout  string `json:"timeout"`
	FailOpen bool   `json:"failOpen"`
}

type istioGRPCExtAuth struct{ istioExtAuth }

type istioHTTPExtAuth struct {
	istioExtAuth

	StatusOnError                string   `json:"statusOnError"`
	PathPrefix                   string   `json:"pathPrefix"`
	IncludeRequestHeadersInCheck []string `json:"includeRequestHeadersInCheck"`
	HeadersToUpstreamOnAllow     []string `json:"headersToUpstreamOnAllow"`
	HeadersToDownstreamOnAllow   []string `json:"headersToDownstreamOnAllow"`
}

const extAuthzType = "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz"

// filter is what Istio's control plane makes of the provider, after pilot/pkg/security/authz/builder/extauthz.go, without
// the condition that the AuthorizationPolicy's rules become.
func (p *istioHTTPExtAuth) filter(t *testing.T) tree {
	t.Helper()
	if p.Service != verifierHost || p.Port != 9090 {
		t.Errorf("%s:%d is not where Istio is to ask over HTTP", p.Service, p.Port)
	}
	status, err := strconv.Atoi(p.StatusOnError)
	if err != nil || http.StatusText(status) == "" {
		t.Errorf("statusOnError is %q", p.StatusOnError)
	}
	return tree{"name": "envoy.filters.http.ext_authz", "typed_config": tree{
		"@type": extAuthzType, "transport_api_version": "V3", "failure_mode_allow": p.FailOpen,
		"status_on_error": tree{"code": status},
		"allowed_headers": exactly(p.IncludeRequestHeadersInCheck),
		"http_service": tree{
			"path_prefix": p.PathPrefix,
			"server_uri":  tree{"uri": "http://" + p.Service, "cluster": "verifier-http", "timeout": p.Timeout},
			"authorization_response": tree{
				"allowed_upstream_headers":          exactly(p.HeadersToUpstreamOnAllow),
				"allowed_client_headers_on_success": exactly(p.HeadersToDownstreamOnAllow),
			},
		},
	}}
}

// exactly matches headers by their names, as Istio does for those without an asterisk.
func exactly(names []string) tree {
	var patterns []any
	for _, name := range names {
		patterns = append(patterns, tree{"exact": name, "ignore_case": true})
	}
	return tree{"patterns": patterns}
}

// filter is the same over gRPC.
func (p *istioGRPCExtAuth) filter(t *testing.T) tree {
	t.Helper()
	if p.Service != verifierHost || p.Port != 9091 {
		t.Errorf("%s:%d is not where Istio is to ask over gRPC", p.Service, p.Port)
	}
	return tree{"name": "envoy.filters.http.ext_authz", "typed_config": tree{
		"@type": extAuthzType, "transport_api_version": "V3", "failure_mode_allow": p.FailOpen,
		"grpc_service": tree{"envoy_grpc": tree{"cluster_name": "verifier"}, "timeout": p.Timeout},
	}}
}
