package e2e

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/test/stack"
)

// proxiedKeys are the keys of the table by the names of their ApiKeys.
type proxiedKeys struct {
	keys  map[string]string
	specs map[string]proxiedKey
}

// proxiedKey is what a key of the table is issued for.
type proxiedKey struct {
	spec string
	// later is a merge patch of the spec after the key was issued, and ends in the state.
	later string
	state v1alpha1.ApiKeyState
	// the identity that the upstream is to see, beside namespace, name and revision
	tenant, permissions, scopes string
}

// longPermissions are as many as fit into an ApiKey.
var longPermissions = func() (all []string) {
	for i := range 35 {
		all = append(all, strings.Repeat("p", 60)+string(rune('a'+i%26))+string(rune('a'+i/26)))
	}
	return all
}()

// keySpecs are the ApiKeys of the table. The tests' clients come from this machine.
func keySpecs(t *testing.T) map[string]proxiedKey {
	t.Helper()
	here := strings.Join(localNetworks(t), ", ")
	return map[string]proxiedKey{
		"reader": {
			spec:   `{tenant: acme, permissions: [read], scopes: {category: [general, special]}}`,
			tenant: "acme", permissions: "read", scopes: "category=general|special",
		},
		"writer":    {spec: `{tenant: globex, permissions: [read, "customers:*"]}`, tenant: "globex", permissions: "read,customers:*"},
		"all":       {spec: `{permissions: ["*"]}`, permissions: "*"},
		"bare":      {spec: `{}`},
		"verbose":   {spec: `{permissions: [` + strings.Join(longPermissions, ", ") + `]}`, permissions: strings.Join(longPermissions, ",")},
		"here":      {spec: `{allowedCIDRs: [` + here + `]}`},
		"elsewhere": {spec: `{allowedCIDRs: [203.0.113.0/24, "2001:db8::/32"], permissions: [read]}`, permissions: "read"},
		"roomy":     {spec: `{rateLimit: {requests: 100000, period: 1h}}`},
		"suspended": {spec: `{suspended: true}`},
		"revoked":   {spec: `{}`, later: `{"revoked":true}`, state: v1alpha1.StateRevoked},
		"expired":   {spec: `{}`, later: `{"minRevision":2}`, state: v1alpha1.StateActive},
	}
}

// localNetworks are those that hold this machine's addresses and no others: Envoy tells of a client on the loopback
// interface as one that comes from the machine's own address.
func localNetworks(t *testing.T) []string {
	t.Helper()
	networks := []string{"127.0.0.0/8"}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range addresses {
		if network, ok := address.(*net.IPNet); ok && network.IP.IsGlobalUnicast() && network.IP.To4() != nil {
			networks = append(networks, network.IP.String()+"/32")
		}
	}
	return networks
}

// issueProxiedKeys issues the keys of the table, with a limited one for each front.
func issueProxiedKeys(t *testing.T, fronts []*front) *proxiedKeys {
	t.Helper()
	shared.kubectl(t, "create", "namespace", proxiedNamespace)
	k := &proxiedKeys{specs: keySpecs(t)}
	for _, f := range fronts {
		k.specs[limitedOf(f)] = proxiedKey{spec: `{rateLimit: {requests: 2, period: 1h}}`}
	}
	specs := map[string]string{}
	for name, key := range k.specs {
		specs[name] = key.spec
	}
	k.keys = shared.issueAll(t, proxiedNamespace, specs)
	k.keys["unknown"] = "ak_unknown"
	for name, key := range k.specs {
		if key.later != "" {
			shared.patch(t, proxiedNamespace, name, key.later)
		}
	}
	k.deny(t)
	for name, key := range k.specs {
		if key.later != "" {
			shared.awaitState(t, proxiedNamespace, name, key.state)
		}
	}
	return k
}

// deny issues a key that policy takes away again.
func (k *proxiedKeys) deny(t *testing.T) {
	t.Helper()
	namespace := shared.ownNamespace(t, "e2e.example/proxied: ''")
	shared.applyPolicy(t, "e2e-proxied", `{namespaceSelector: {matchLabels: {e2e.example/proxied: ''}}, permissions: [read]}`)
	k.keys["denied"] = shared.issue(t, namespace, "denied", `{permissions: [read]}`)
	shared.patch(t, namespace, "denied", `{"permissions":["read","admin"]}`)
	shared.awaitState(t, namespace, "denied", v1alpha1.StateDenied)
}

// awaitIn waits until a verifier has heard of what became of the keys.
func (k *proxiedKeys) awaitIn(t *testing.T, v *stack.Verifier) {
	t.Helper()
	for name, want := range map[string]int{
		"reader": http.StatusOK, "revoked": http.StatusUnauthorized, "expired": http.StatusUnauthorized, "denied": http.StatusForbidden,
	} {
		awaitVerifier(t, v, "", k.keys[name], want)
	}
}

func limitedOf(f *front) string {
	return "limited-" + strings.ToLower(strings.Map(func(r rune) rune {
		if r == ' ' || r == ',' || r == '\'' {
			return '-'
		}
		return r
	}, string(f.kind)))
}

// nameOf is the ApiKey that a name of the table stands for behind a front.
func nameOf(f *front, name string) string {
	if name == "limited" {
		return limitedOf(f)
	}
	return name
}

// of is the key of a name of the table behind a front.
func (k *proxiedKeys) of(f *front, name string) string { return k.keys[nameOf(f, name)] }

// fill puts the keys into a request.
func (k *proxiedKeys) fill(f *front, request string) string {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(k.keys)) {
		pairs = append(pairs, "{"+name+"}", k.keys[name])
	}
	pairs = append(pairs, "{limited}", k.of(f, "limited"))
	request = strings.NewReplacer(pairs...).Replace(request)
	_, body, _ := strings.Cut(request, "\r\n\r\n")
	return strings.Replace(request, "{length}", fmt.Sprint(len(body)), 1)
}

// identity is what the upstream is told of an ApiKey.
func (k *proxiedKeys) identity(f *front, name string) map[string]string {
	key := k.specs[nameOf(f, name)]
	return map[string]string{
		"X-Apikey-Namespace": proxiedNamespace, "X-Apikey-Name": nameOf(f, name), "X-Apikey-Tenant": key.tenant,
		"X-Apikey-Permissions": key.permissions, "X-Apikey-Scopes": key.scopes, "X-Apikey-Revision": fmt.Sprint(1),
	}
}
