package guides

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	sigsyaml "sigs.k8s.io/yaml"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

// TestLeavingGuidesSecurityPoliciesProtectARoute runs what Envoy Gateway makes of the guide's HTTPRoute and of each of its
// SecurityPolicies.
func TestLeavingGuidesSecurityPoliciesProtectARoute(t *testing.T) {
	t.Parallel()
	l, g := exampleLab(t), readGuide(t, "guides/leaving-ingress-nginx.md")
	for _, name := range []string{"eg-http", "eg-grpc"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proxy := l.envoyGateway(t, "guide-"+name, g.block(t, "yaml", "eg-route"), g.block(t, "yaml", name), g.block(t, "yaml", "eg-grant"))
			awaitAnswer(t, proxy, http.StatusUnauthorized)
			printed := l.newConsole(t, proxy, nil).follow(t, g.block(t, "console", "eg-requests"))
			expectUpstream(t, g.block(t, "http", "eg-upstream"), printed[1])
		})
	}
}

func TestLeavingGuidesSecurityPoliciesLetNobodyInWithoutTheGrant(t *testing.T) {
	t.Parallel()
	l, g := exampleLab(t), readGuide(t, "guides/leaving-ingress-nginx.md")
	for _, name := range []string{"eg-http", "eg-grpc"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proxy := l.envoyGateway(t, "guide-ungranted-"+name, g.block(t, "yaml", "eg-route"), g.block(t, "yaml", name))
			awaitAnswer(t, proxy, http.StatusInternalServerError)
		})
	}
}

// gateway is the Gateway that the guide's reader has.
const gateway = `
{apiVersion: v1, kind: Namespace, metadata: {name: gateways}}
---
{apiVersion: gateway.networking.k8s.io/v1, kind: GatewayClass, metadata: {name: envoy}, spec: {
  controllerName: gateway.envoyproxy.io/gatewayclass-controller}}
---
{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: public, namespace: gateways}, spec: {
  gatewayClassName: envoy, listeners: [{name: http, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}]}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: ` + exampleNamespace + `}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: ` + stack.SystemNamespace + `}}
`

// envoyGateway starts an Envoy with what Envoy Gateway makes of manifests and of the lab's Services, and returns where it
// listens. Its translator is asked, egctl, since its controller can be run in a pod only. What Envoy would be told
// by that, and then in parts, stands in one file.
func (l *lab) envoyGateway(t *testing.T, name string, manifests ...block) string {
	t.Helper()
	upstream, verifier := []string{exampleNamespace, "api"}, []string{stack.SystemNamespace, "apikey-operator-verifier"}
	resources := []string{gateway, l.serviceOf(t, upstream...), l.serviceOf(t, verifier...)}
	for _, b := range manifests {
		resources = append(resources, b.text)
	}
	xds := translated(t, resources)
	servers := map[string]string{
		l.clusterAddress(t, 80, upstream...):   l.upstream.Address,
		l.clusterAddress(t, 9090, verifier...): l.verifier.Address,
		l.clusterAddress(t, 9091, verifier...): l.verifier.GRPC,
	}
	proxy := freeAddress(t)
	text, err := sigsyaml.Marshal(tree{"static_resources": tree{
		"listeners": []any{xds.listener(t, proxy)}, "clusters": xds.clusters(t, servers),
	}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "envoy.yaml")
	writeFile(t, path, patient(text))
	l.runEnvoy(t, name, path)
	return proxy
}

// serviceOf is a Service as the API server has it.
func (l *lab) serviceOf(t *testing.T, name ...string) string {
	t.Helper()
	return l.kubectl(t, "get", "service", "--namespace", name[0], name[1], "--output=yaml")
}

// clusterAddress is where a port of a Service is to be reached within a cluster.
func (l *lab) clusterAddress(t *testing.T, port int, name ...string) string {
	t.Helper()
	return net.JoinHostPort(l.kubectl(t, "get", "service", "--namespace", name[0], name[1], "--output=jsonpath={.spec.clusterIP}"), strconv.Itoa(port))
}

// xdsDump holds the messages for one Envoy by their kind, such as Routes.
type xdsDump map[string]tree

// translated is what Envoy Gateway tells the Envoy of the Gateway. A policy that it does not accept is in there as what it
// does about it.
func translated(t *testing.T, resources []string) xdsDump {
	t.Helper()
	egctl := os.Getenv("EGCTL")
	if egctl == "" {
		t.Fatal("EGCTL is not set: run make test-guides, which builds it")
	}
	path := filepath.Join(t.TempDir(), "resources.yaml")
	writeFile(t, path, []byte(strings.Join(resources, "\n---\n")))
	output, err := exec.CommandContext(t.Context(), egctl, "experimental", "translate", "--from=gateway-api", "--to=xds", "--file="+path).Output()
	if err != nil {
		t.Fatalf("translate the guide's manifests: %v\n%s", err, output)
	}
	var result struct {
		XDS map[string]struct {
			Configs []tree `json:"configs"`
		} `json:"xds"`
	}
	if err := sigsyaml.Unmarshal(output, &result); err != nil {
		t.Fatal(err)
	}
	dump := xdsDump{}
	for _, config := range result.XDS["gateways/public"].Configs {
		kind := strings.TrimSuffix(strings.TrimPrefix(at[string](config, "@type"), "type.googleapis.com/envoy.admin.v3."), "ConfigDump")
		dump[kind] = config
	}
	return dump
}

// listener is the Gateway's, with its routes in it, at an address of the lab.
func (d xdsDump) listener(t *testing.T, address string) tree {
	t.Helper()
	for i := range at[[]any](d["Listeners"], "dynamicListeners") {
		listener := at[tree](d["Listeners"], "dynamicListeners", i, "activeState", "listener")
		if listener["name"] != "gateways/public/http" {
			continue
		}
		routes := at[tree](d["Routes"], "dynamicRouteConfigs", 0, "routeConfig")
		delete(routes, "@type")
		manager := at[tree](listener, "defaultFilterChain", "filters", 0, "typedConfig")
		delete(manager, "rds")
		manager["routeConfig"] = routes
		delete(listener, "@type")
		listener["address"] = socketAddress(t, address)
		return listener
	}
	t.Fatal("there is no listener for the Gateway")
	return nil
}

// clusters are those of the routes and of the policies, each with the server of the lab that stands for its Service.
func (d xdsDump) clusters(t *testing.T, servers map[string]string) []any {
	t.Helper()
	endpoints := map[string]string{}
	for i := range at[[]any](d["Endpoints"], "dynamicEndpointConfigs") {
		assignment := at[tree](d["Endpoints"], "dynamicEndpointConfigs", i, "endpointConfig")
		socket := at[tree](assignment, "endpoints", 0, "lbEndpoints", 0, "endpoint", "address", "socketAddress")
		endpoints[at[string](assignment, "clusterName")] = fmt.Sprintf("%v:%v", socket["address"], socket["portValue"])
	}
	var clusters []any
	for i := range at[[]any](d["Clusters"], "dynamicActiveClusters") {
		cluster := at[tree](d["Clusters"], "dynamicActiveClusters", i, "cluster")
		name := at[string](cluster, "name")
		server, known := servers[endpoints[name]]
		if !known {
			t.Fatalf("the cluster %s leads to %q, which is none of %v", name, endpoints[name], servers)
		}
		delete(cluster, "@type")
		delete(cluster, "edsClusterConfig")
		cluster["type"] = "STATIC"
		cluster["loadAssignment"] = tree{"clusterName": name, "endpoints": []any{tree{"lbEndpoints": []any{tree{"endpoint": tree{"address": socketAddress(t, server)}}}}}}
		clusters = append(clusters, cluster)
	}
	return clusters
}

func socketAddress(t *testing.T, address string) tree {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return tree{"socketAddress": tree{"address": host, "portValue": number}}
}
