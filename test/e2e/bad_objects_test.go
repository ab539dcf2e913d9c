package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

// ugly are ApiKeys that the API server accepts, each at the edge of what some field allows.
var ugly = map[string]string{
	"everything-at-its-longest": `{displayName: "` + strings.Repeat("ü", 128) + `", description: "` + strings.Repeat("\\n💥", 512) + `", owner: "` + strings.Repeat("o", 128) + `",
		tenant: ` + strings.Repeat("T", 63) + `, format: {prefix: ` + strings.Repeat("p", 24) + `, bytes: 64}, secret: {key: ` + strings.Repeat("k", 253) + `}}`,
	"sixty-four-permissions":                    `{permissions: [` + strings.Join(numbered("p%d:*", 64), ", ") + `]}`,
	"eight-scopes-of-sixteen":                   `{scopes: {` + strings.Join(numbered("d%d: ["+strings.Join(numbered("v%d", 16), ", ")+"]", 8), ", ") + `}}`,
	"a-name-of-253." + strings.Repeat("x", 239): `{secret: {name: shorter}}`,
	"expired-long-ago":                          `{expiresAt: "2000-01-01T00:00:00Z"}`,
	"ends-after-everyone":                       `{expiresAt: "2199-12-31T23:59:59.999999999Z"}`,
	"ends-in-another-zone":                      `{expiresAt: "2099-12-31T23:59:59.5-23:59"}`,
	"ends-on-a-leap-day":                        `{expiresAt: "2096-02-29T00:00:00+14:00"}`,
	"stopped-in-every-way":                      `{suspended: true, revoked: true, expiresAt: "2000-01-01T00:00:00Z"}`,
	"markup":                                    `{displayName: "<script>alert(1)</script>", description: "{{.Secret}} $(KEY) %s %n ${jndi:ldap://x}", owner: "'; DROP TABLE keys; --"}`,
	"a-secret-of-the-same-name":                 `{secret: {name: shorter}}`,
	"a-data-key-of-dots-and-lines":              `{secret: {key: "-.-_"}}`,
	"values-like-markup":                        `{permissions: ["-", "_", "*"], scopes: {"0": ["a:/@-._"]}}`,
}

func numbered(format string, n int) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(format, i))
	}
	return all
}

// undecodable are specs that no version of the API would accept, as they may stand in etcd from before a rule
// was added or through a definition that somebody edited. JSON, so that no YAML reader mends them.
var undecodable = map[string]string{
	"lower-case-time":        `{"expiresAt":"2027-01-10t23:59:59z"}`,
	"a-leap-second":          `{"expiresAt":"2016-12-31T23:59:60Z"}`,
	"a-time-that-is-words":   `{"expiresAt":"in 2 weeks"}`,
	"a-number-for-a-time":    `{"expiresAt":1799625599}`,
	"text-for-a-boolean":     `{"revoked":"yes"}`,
	"a-boolean-for-text":     `{"tenant":true}`,
	"text-for-a-list":        `{"permissions":"read"}`,
	"a-list-for-an-object":   `{"secret":[]}`,
	"text-for-an-object":     `{"scopes":"all"}`,
	"fractions-for-a-number": `{"format":{"bytes":32.5}}`,
	"a-spec-that-is-a-list":  `[]`,
}

// outOfBounds decode, but hold what must never get into a header.
var outOfBounds = map[string]string{
	"a-line-break-in-a-tenant": `{"tenant":"acme\r\nX-Apikey-Name: admin"}`,
	"a-comma-in-a-permission":  `{"permissions":["read,admin"]}`,
	"a-separator-in-a-scope":   `{"scopes":{"category":["a;b=c"]}}`,
	"permissions-without-end":  `{"permissions":["` + strings.Join(numbered("permission-number-%d", 1000), `","`) + `"]}`,
}

// unissuable can be read, but no key can be made for them.
var unissuable = map[string]string{
	"a-prefix-that-is-a-header": `{"format":{"prefix":"x\r\nX-Apikey-Name: admin"}}`,
	"a-negative-number":         `{"format":{"bytes":-1}}`,
	"a-secret-that-cannot-be":   `{"secret":{"name":"../../kube-system/x"}}`,
	"a-data-key-that-cannot-be": `{"secret":{"key":"a/b"}}`,
}

// badObjects is a stack for objects that nobody else should meet, with one of each process.
type badObjects struct {
	*environment

	namespace   string
	round       int
	undecodable int // ApiKeys that stand
}

func TestABadApiKeyHarmsNoOther(t *testing.T) {
	t.Parallel()
	b := &badObjects{environment: ownEnvironment(t, func(ctx context.Context, e *environment) error {
		config, err := e.AdminConfig()
		if err != nil {
			return err
		}
		if err := e.connect(ctx, config); err != nil {
			return err
		}
		return errors.Join(
			e.addManager(ctx, aloneAs("manager-0")),
			e.addVerifier(ctx, stack.Options{Name: "verifier-0"}))
	})}
	b.namespace = b.environment.namespace(t)

	// Each of these leaves its objects to the next.
	t.Run("with the ugliest values that the API server accepts", func(t *testing.T) {
		b.harmless(t, func() {
			b.applyAll(t, b.namespace, ugly)
		})
	})
	t.Run("with values that do not decode, stored through a loosened definition", func(t *testing.T) {
		b.harmless(t, func() {
			b.loosenDefinition(t)
			b.store(t, undecodable)
		})
		b.expectNamedOnce(t, undecodable)
	})
	t.Run("with values out of bounds that do decode", func(t *testing.T) {
		b.harmless(t, func() { b.store(t, outOfBounds) })
		b.expectNamedOnce(t, outOfBounds)
	})
	t.Run("with objects that no key can be issued for", func(t *testing.T) {
		b.harmless(t, func() { b.store(t, unissuable) })
		secrets := b.kubectl(t, "get", "secrets", "--namespace", b.namespace, "--output=jsonpath={.items[*].metadata.ownerReferences[*].name}")
		for name := range unissuable {
			if slices.Contains(strings.Fields(secrets), name) {
				t.Errorf("a Secret was made for %s", name)
			}
		}
	})
	t.Run("with a good key that becomes undecodable and is mended", func(t *testing.T) {
		b.harmless(t, func() { b.breakAndMend(t) })
	})
}

// aloneAs are the options of a manager that need not wait for the lease of the one before it to run out.
func aloneAs(name string) stack.Options {
	return stack.Options{Name: name, Args: []string{"--leader-elect=false"}}
}

// harmless stores bad objects and expects that keys of others can be revoked in the running verifier and in
// one that starts afterwards, and that a manager that starts afterwards issues.
func (b *badObjects) harmless(t *testing.T, storeBad func()) {
	b.round++
	name := func(what string) string { return fmt.Sprintf("%s-%d", what, b.round) }
	good := b.issueAll(t, b.namespace, map[string]string{name("staying"): `{}`, name("first"): `{}`, name("second"): `{}`})
	staying, first, second := good[name("staying")], good[name("first")], good[name("second")]
	storeBad()

	running := b.verifiers[0]
	b.patch(t, b.namespace, name("first"), `{"revoked":true}`)
	b.awaitAnswer(t, running, first, "revoked")

	err := errors.Join(
		b.addVerifier(t.Context(), stack.Options{Name: name("verifier")}),
		b.managers[len(b.managers)-1].Stop(patience),
		b.addManager(t.Context(), aloneAs(name("manager"))))
	if err != nil {
		t.Fatal(err)
	}
	fresh := b.verifiers[len(b.verifiers)-1]
	b.expectAnswer(t, fresh, staying, "")
	b.expectAnswer(t, fresh, first, "revoked")
	b.patch(t, b.namespace, name("second"), `{"revoked":true}`)
	issued := b.issue(t, b.namespace, name("issued"), `{}`)
	for _, v := range []*stack.Verifier{running, fresh} {
		b.awaitAnswer(t, v, second, "revoked")
		b.expectAnswer(t, v, staying, "")
		b.expectAnswer(t, v, issued, "")
	}
}

// expectAnswer asks a verifier; no reason stands for 200.
func (b *badObjects) expectAnswer(t *testing.T, v *stack.Verifier, key, wantReason string) {
	t.Helper()
	if err := b.checkAnswer(t, v, key, wantReason); err != nil {
		t.Errorf("%s: %v", v.Name, err)
	}
}

func (b *badObjects) awaitAnswer(t *testing.T, v *stack.Verifier, key, wantReason string) {
	t.Helper()
	await(t, v.Name+" to answer: "+wantReason, func(context.Context) error { return b.checkAnswer(t, v, key, wantReason) })
}

func (b *badObjects) checkAnswer(t *testing.T, v *stack.Verifier, key, wantReason string) error {
	t.Helper()
	got := askVerifier(t, v, "", key)
	reason := got.Header.Get("X-Apikey-Reason")
	if reason != wantReason || (got.StatusCode == http.StatusOK) != (wantReason == "") {
		return fmt.Errorf("it answers %d, reason %q, want reason %q", got.StatusCode, reason, wantReason)
	}
	return nil
}

// loosenDefinition replaces the definition of ApiKeys by one that lets everything through.
func (b *badObjects) loosenDefinition(t *testing.T) {
	t.Helper()
	var definition unstructured.Unstructured
	if err := definition.UnmarshalJSON([]byte(b.kubectl(t, "get", "crd", "apikeys.apikey-operator.dev", "-o", "json"))); err != nil {
		t.Fatal(err)
	}
	versions, _, err := unstructured.NestedSlice(definition.Object, "spec", "versions")
	if err != nil {
		t.Fatal(err)
	}
	version, ok := versions[0].(map[string]any)
	if !ok {
		t.Fatalf("a version is a %T", versions[0])
	}
	anything := map[string]any{"x-kubernetes-preserve-unknown-fields": true}
	version["schema"] = map[string]any{"openAPIV3Schema": map[string]any{
		"type": "object", "properties": map[string]any{"spec": anything, "status": anything},
	}}
	delete(version, "selectableFields")
	if err := unstructured.SetNestedSlice(definition.Object, versions, "spec", "versions"); err != nil {
		t.Fatal(err)
	}
	loosened, err := json.Marshal(definition.Object)
	if err != nil {
		t.Fatal(err)
	}
	b.kubectlWithInput(t, string(loosened), "replace", "-f", "-")
	// The new definition is in force when it lets the worst through.
	await(t, "the loosened definition to be in force", func(ctx context.Context) error {
		_, err := b.KubectlWithInput(ctx, jsonManifest(b.namespace, "probe", `{"expiresAt":[]}`), "apply", "-f", "-")
		return err
	})
	b.undecodable++
}

func jsonManifest(namespace, name, spec string) string {
	return fmt.Sprintf(`{"apiVersion":"apikey-operator.dev/v1alpha1","kind":"ApiKey","metadata":{"name":%q,"namespace":%q},"spec":%s}`,
		name, namespace, spec)
}

func (b *badObjects) store(t *testing.T, specs map[string]string) {
	t.Helper()
	var manifests []string
	for name, spec := range specs {
		manifests = append(manifests, jsonManifest(b.namespace, name, spec))
	}
	b.kubectlWithInput(t, strings.Join(manifests, "\n"), "apply", "-f", "-")
}

// expectNamedOnce expects the verifier that has run from the start to have named each of these ApiKeys once
// in its log, and to count all that it has named.
func (b *badObjects) expectNamedOnce(t *testing.T, specs map[string]string) {
	t.Helper()
	b.undecodable += len(specs)
	running := b.verifiers[0]
	log, err := os.ReadFile(running.LogPath)
	if err != nil {
		t.Fatal(err)
	}
	for name := range specs {
		if n := strings.Count(string(log), fmt.Sprintf("%q:%q", "name", name)); n != 1 {
			t.Errorf("the log names %s %d times, want once", name, n)
		}
	}
	const metric = "apikey_operator_verifier_undecodable_apikeys"
	if got := scrape(t, running.Metrics)[metric]; got != float64(b.undecodable) {
		t.Errorf("%s is %g, want %d", metric, got, b.undecodable)
	}
}

// breakAndMend makes a key that works undecodable: it is refused rather than served by what was known of it
// before, and works again when it is mended.
func (b *badObjects) breakAndMend(t *testing.T) {
	key := b.issue(t, b.namespace, "broken", `{}`)
	running := b.verifiers[0]
	b.expectAnswer(t, running, key, "")
	b.patch(t, b.namespace, "broken", `{"expiresAt":"2099-01-10t23:59:59z"}`)
	b.awaitAnswer(t, running, key, "unknown_key")
	b.patch(t, b.namespace, "broken", `{"expiresAt":"2099-01-10T23:59:59Z"}`)
	b.awaitAnswer(t, running, key, "")
}
