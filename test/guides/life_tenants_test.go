package guides

import (
	"net/http"
	"strings"
	"testing"
)

// tenantAdmin are the flags of kubectl by which an administrator of the tenant acme is impersonated.
var tenantAdmin = []string{"--as=alice", "--as-group=acme-admins", "--as-group=system:authenticated"}

// followTenants makes two tenants, and tries what an administrator of one may do, and what a key of the other is refused.
func followTenants(t *testing.T, l *lab) {
	g := readGuide(t, "guides/many-tenants.md")
	l.apply(t, g.block(t, "yaml", "tenants").text, g.block(t, "yaml", "rights").text)
	asAlice := func(manifest string) error {
		_, err := l.KubectlWithInput(t.Context(), manifest, append(tenantAdmin, "apply", "--server-side", "-f", "-")...)
		return err
	}
	manifest := dated(g.block(t, "yaml", "key").text)
	l.countQuota(t, "50")
	if err := asAlice(manifest); err != nil {
		t.Fatal(err)
	}
	acme := l.key(t, "tenant-acme", "order-export")
	l.expectRightsOfATenant(t)
	if by := l.kubectl(t, "get", "apikey", "order-export", "-n", "tenant-acme", "-o", `jsonpath={.metadata.annotations.apikey-operator\.dev/created-by}`); by != "alice" {
		t.Errorf("the ApiKey was created by %q, want alice", by)
	}

	l.countQuota(t, "1")
	another := strings.Replace(manifest, "order-export", "order-import", 1)
	if err := asAlice(another); err == nil || !strings.Contains(err.Error(), "exceeded quota: apikeys") {
		t.Errorf("an ApiKey beyond the quota is answered %v", err)
	}
	l.countQuota(t, "50")

	if err := asAlice(strings.Replace(manifest, "tenant: acme", "tenant: globex", 1)); err != nil {
		t.Fatal(err) // nothing refuses it here before the manager does: the webhook is not connected
	}
	l.waitFor(t, "tenant-acme", "apikey/order-export", "jsonpath={.status.state}=Denied")
	c := l.newConsole(t, "", nil)
	c.play(t, l.Root(), g.block(t, "console", "denied"))
	expectAnswer(t, l.verifier, acme, "the key of a denied ApiKey", answer{http.StatusForbidden, "not_granted"})
	if err := asAlice(manifest); err != nil {
		t.Fatal(err)
	}
	expectAnswer(t, l.verifier, acme, "the same key, granted again", allowed)

	l.apply(t, strings.NewReplacer("tenant-acme", "tenant-globex", "acme", "globex").Replace(manifest))
	globex := l.key(t, "tenant-globex", "order-export")
	proxy := l.nginx(t, "tenants", ingressRoute(t, g.block(t, "yaml", "route").objects(t)[0]))
	l.newConsole(t, proxy, map[string]string{"ACME_KEY": acme, "GLOBEX_KEY": globex}).play(t, l.Root(), g.block(t, "console", "try"))
	got, err := ask(t.Context(), l.verifier, "tenant=acme", globex)
	if err != nil || got != (answer{http.StatusForbidden, "tenant_mismatch"}) {
		t.Errorf("a key of another tenant is answered %v, %v", got, err)
	}
	l.followTheWarning(t, g, acme)
}

// followTheWarning has a stricter policy warn before it is in force.
func (l *lab) followTheWarning(t *testing.T, g *guide, acme string) {
	t.Helper()
	l.apply(t, g.block(t, "yaml", "internal").text, g.block(t, "yaml", "next").text)
	l.waitFor(t, "", "apikeypolicy/tenants-next", "jsonpath={.status.refused}=2")
	l.waitFor(t, "tenant-acme", "apikey/order-export", "condition=PolicyWarning")
	l.newConsole(t, "", nil).play(t, l.Root(), g.block(t, "console", "warned"))
	expectAnswer(t, l.verifier, acme, "a key that a policy only warns of", allowed)
}

// expectRightsOfATenant asks the API server what the guide's table says.
func (l *lab) expectRightsOfATenant(t *testing.T) {
	t.Helper()
	cases := map[string]struct {
		want string
		ask  []string
	}{
		"delete its ApiKeys":           {"yes", []string{"delete", "apikeys", "-n", "tenant-acme"}},
		"read its Secrets":             {"no", []string{"get", "secrets", "-n", "tenant-acme"}},
		"write the status of its keys": {"no", []string{"update", "apikeys", "--subresource=status", "-n", "tenant-acme"}},
		"read another's ApiKeys":       {"no", []string{"list", "apikeys", "-n", "tenant-globex"}},
		"label its namespace":          {"no", []string{"patch", "namespace/tenant-acme"}},
		"read policies":                {"no", []string{"list", "apikeypolicies"}},
		"write policies":               {"no", []string{"create", "apikeypolicies"}},
	}
	for what, c := range cases {
		answer, _ := l.Kubectl(t.Context(), append(append(tenantAdmin[:len(tenantAdmin):len(tenantAdmin)], "auth", "can-i"), c.ask...)...)
		if got, _, _ := strings.Cut(strings.TrimSpace(answer), " "); got != c.want {
			t.Errorf("may an administrator of a tenant %s? %q, want %s", what, answer, c.want)
		}
	}
}

// countQuota sets the quota of tenant-acme and writes into its status what is used, as Kubernetes' controller of quotas
// does, which the local control plane does not run.
func (l *lab) countQuota(t *testing.T, limit string) {
	t.Helper()
	const resource = "count/apikeys.apikey-operator.dev"
	used := strings.Count(l.kubectl(t, "get", "apikeys", "-n", "tenant-acme", "-o", "name"), "apikey.")
	l.kubectl(t, "patch", "resourcequota", "apikeys", "-n", "tenant-acme", "--type=merge", "-p", `{"spec":{"hard":{"`+resource+`":"`+limit+`"}}}`)
	status := `{"status":{"hard":{"` + resource + `":"` + limit + `"},"used":{"` + resource + `":"` + string(rune('0'+used)) + `"}}}`
	l.kubectl(t, "patch", "resourcequota", "apikeys", "-n", "tenant-acme", "--subresource=status", "--type=merge", "-p", status)
}
