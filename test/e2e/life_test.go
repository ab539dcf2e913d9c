package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

func TestAnAppliedApiKeyBecomesAKeyThatNginxLetsThrough(t *testing.T) {
	t.Parallel()
	namespace := shared.namespace(t)
	key := shared.issue(t, namespace, "monitor",
		`{displayName: Monitor, owner: sre@example.com, tenant: acme, permissions: [read, "customers:*"],
		  scopes: {region: [eu, us], category: [general]}, format: {prefix: sk_live_}}`)
	if !strings.HasPrefix(key, "sk_live_") {
		t.Error("the key does not begin with the prefix that was asked for")
	}

	a := shared.send(t, call{path: "/any/thing?page=2", key: key})
	if a.Status != http.StatusOK {
		t.Fatalf("with the key: %d", a.Status)
	}
	want := map[string]string{
		"X-Apikey-Namespace":   namespace,
		"X-Apikey-Name":        "monitor",
		"X-Apikey-Tenant":      "acme",
		"X-Apikey-Permissions": "read,customers:*",
		"X-Apikey-Scopes":      "category=general;region=eu|us",
		"X-Apikey-Revision":    "1",
	}
	if diff := cmp.Diff(want, a.identity()); diff != "" {
		t.Errorf("identity at the upstream (-want +got):\n%s", diff)
	}
	if a.Echo.URI != "/any/thing?page=2" || a.Echo.Method != http.MethodGet {
		t.Errorf("the upstream got %s %s", a.Echo.Method, a.Echo.URI)
	}

	shared.expect(t, call{path: "/any/thing"}, http.StatusUnauthorized, "missing_credential")
	shared.expect(t, call{path: "/any/thing", key: key + "x"}, http.StatusUnauthorized, "unknown_key")
	shared.expect(t, call{path: "/admin/thing", key: key}, http.StatusForbidden, "permission_denied")
}

func TestAKeyWithNothingInItsSpecWorksToo(t *testing.T) {
	t.Parallel()
	namespace := shared.namespace(t)
	key := shared.issue(t, namespace, "bare", `{}`)
	a := shared.send(t, call{path: "/any/", key: key, headers: http.Header{"X-Apikey-Tenant": {"forged"}, "X-Apikey-Scopes": {"a=b"}}})
	if a.Status != http.StatusOK {
		t.Fatalf("with the key: %d", a.Status)
	}
	// What is empty is dropped by nginx, and the client's copy with it.
	want := map[string]string{"X-Apikey-Namespace": namespace, "X-Apikey-Name": "bare", "X-Apikey-Revision": "1"}
	if diff := cmp.Diff(want, a.identity()); diff != "" {
		t.Errorf("identity at the upstream (-want +got):\n%s", diff)
	}
}

// TestAKeyIsAcceptedTheMomentItsSecretAppears is what the publish delay is for: no request with a key that
// was read from its Secret is refused, not even the first one.
func TestAKeyIsAcceptedTheMomentItsSecretAppears(t *testing.T) {
	t.Parallel()
	namespace := shared.namespace(t)
	for i := range 3 {
		t.Run(fmt.Sprintf("key %d", i), func(t *testing.T) {
			t.Parallel()
			name := fmt.Sprintf("early-%d", i)
			shared.apply(t, namespace, name, `{}`)
			key := shared.awaitKey(t, namespace, name, "")
			for range 10 {
				if a := shared.send(t, call{path: "/any/", key: key}); a.Status != http.StatusOK {
					t.Fatalf("a key out of its Secret was answered %d", a.Status)
				}
			}
		})
	}
}

func TestSuspendingResumingAndRevokingTakeEffectThroughNginx(t *testing.T) {
	t.Parallel()
	namespace := shared.namespace(t)
	key := shared.issue(t, namespace, "partner", `{}`)
	request := call{path: "/any/", key: key}
	shared.expect(t, request, http.StatusOK, "")

	for _, step := range []struct {
		what, patch string
		wantStatus  int
		wantReason  string
		wantState   v1alpha1.ApiKeyState
	}{
		{"suspended", `{"suspended":true}`, http.StatusUnauthorized, "suspended", v1alpha1.StateSuspended},
		{"resumed", `{"suspended":null}`, http.StatusOK, "", v1alpha1.StateActive},
		{"revoked", `{"revoked":true}`, http.StatusUnauthorized, "revoked", v1alpha1.StateRevoked},
	} {
		shared.patch(t, namespace, "partner", step.patch)
		took := shared.awaitStatus(t, request, step.wantStatus)
		t.Logf("%s: in force through nginx after %d ms", step.what, took.Milliseconds())
		shared.expect(t, request, step.wantStatus, step.wantReason)
		shared.awaitState(t, namespace, "partner", step.wantState)
		shared.expect(t, request, step.wantStatus, step.wantReason)
	}

	_, err := shared.KubectlWithInput(t.Context(), manifest(namespace, "partner", `{}`), "apply", "-f", "-")
	if err != nil {
		t.Errorf("applying the manifest without revoked, which kubectl does not own, was refused: %v", err)
	}
	shared.expect(t, request, http.StatusUnauthorized, "revoked")
}

func TestNarrowingAKeyTakesEffectThroughNginx(t *testing.T) {
	t.Parallel()
	namespace := shared.namespace(t)
	key := shared.issue(t, namespace, "narrowed", `{permissions: [read, admin]}`)
	request := call{path: "/admin/", key: key}
	shared.expect(t, request, http.StatusOK, "")
	shared.patch(t, namespace, "narrowed", `{"permissions":["read"]}`)
	shared.awaitStatus(t, request, http.StatusForbidden)
	shared.expect(t, call{path: "/read/", key: key}, http.StatusOK, "")
	shared.patch(t, namespace, "narrowed", `{"permissions":["read","admin"]}`)
	shared.awaitStatus(t, request, http.StatusOK)
}

func TestDeletingAnApiKeyEndsItsKeyAndRemovesItsSecret(t *testing.T) {
	t.Parallel()
	namespace := shared.namespace(t)
	key := shared.issue(t, namespace, "gone", `{}`)
	request := call{path: "/any/", key: key}
	shared.expect(t, request, http.StatusOK, "")
	shared.kubectl(t, "delete", "apikey", "gone", "--namespace", namespace)
	shared.awaitStatus(t, request, http.StatusUnauthorized)
	shared.expect(t, request, http.StatusUnauthorized, "unknown_key")
	await(t, "the Secret to be removed", func(ctx context.Context) error {
		_, err := shared.kube.Resource(secretsResource).Namespace(namespace).Get(ctx, "gone", metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return errors.Join(err, errors.New("it is still there"))
	})

	next := shared.issue(t, namespace, "gone", `{}`)
	if next == key {
		t.Error("an ApiKey of the same name was given the old key")
	}
	shared.expect(t, request, http.StatusUnauthorized, "unknown_key")
	shared.expect(t, call{path: "/any/", key: next}, http.StatusOK, "")
}

func TestAKeyWorksUntilItExpiresAndNotAfter(t *testing.T) {
	t.Parallel()
	namespace := shared.namespace(t)
	// Issuing takes the publish delay of 2 s, and on a busy machine much more.
	const life = 40 * time.Second
	expiry := time.Now().Add(life).Truncate(time.Second)
	key := shared.issue(t, namespace, "brief", fmt.Sprintf(`{expiresAt: %q}`, expiry.UTC().Format(time.RFC3339)))
	request := call{path: "/any/", key: key}
	if time.Now().After(expiry) {
		t.Fatalf("this machine was too slow to issue the key within its life of %s", life)
	}
	for {
		sent := time.Now()
		a := shared.send(t, request)
		answered := time.Now()
		if a.Status == http.StatusOK && sent.After(expiry) {
			t.Fatalf("the key was accepted %s after its end", sent.Sub(expiry))
		}
		if a.Status != http.StatusOK {
			if answered.Before(expiry) {
				t.Fatalf("the key was refused %s before its end", expiry.Sub(answered))
			}
			break
		}
	}
	shared.expect(t, request, http.StatusUnauthorized, "expired")
	shared.awaitState(t, namespace, "brief", v1alpha1.StateExpired)
	shared.kubectl(t, "wait", "--for=condition=Ready", "apikey/brief", "--namespace", namespace, "--timeout=10s")
	shared.kubectl(t, "wait", "--for=condition=Usable=false", "apikey/brief", "--namespace", namespace, "--timeout=10s")
}

func TestALostSecretIsHealedWithANewKeyAndTheOldOneKeepsItsGrace(t *testing.T) {
	t.Parallel()
	namespace := shared.namespace(t)
	old := shared.issue(t, namespace, "careless", `{}`)
	shared.kubectl(t, "delete", "secret", "careless", "--namespace", namespace)
	fresh := shared.awaitKey(t, namespace, "careless", old)
	for what, c := range map[string]struct{ key, wantRevision string }{
		"the new key": {fresh, "2"},
		"the old key": {old, "1"},
	} {
		a := shared.send(t, call{path: "/any/", key: c.key})
		if a.Status != http.StatusOK {
			t.Errorf("%s was answered %d", what, a.Status)
			continue
		}
		if got := a.Echo.Headers.Get("X-Apikey-Revision"); got != c.wantRevision {
			t.Errorf("%s has revision %s, want %s", what, got, c.wantRevision)
		}
	}
	shared.waitReady(t, namespace, "careless")
	shared.patch(t, namespace, "careless", `{"revoked":true}`)
	for _, key := range []string{old, fresh} {
		shared.awaitStatus(t, call{path: "/any/", key: key}, http.StatusUnauthorized)
	}
}

func TestASecretOfSomebodyElseIsLeftAlone(t *testing.T) {
	t.Parallel()
	namespace := shared.namespace(t)
	shared.kubectl(t, "create", "secret", "generic", "taken", "--namespace", namespace, "--from-literal=password=theirs")
	shared.apply(t, namespace, "taken", `{}`)
	shared.kubectl(t, "wait", "--for=condition=Stalled", "apikey/taken", "--namespace", namespace, "--timeout="+patience.String())
	data := shared.kubectl(t, "get", "secret", "taken", "--namespace", namespace, "-o", "jsonpath={.data}")
	if want := `{"password":"dGhlaXJz"}`; data != want {
		t.Errorf("the Secret holds %s, want %s", data, want)
	}
	shared.kubectl(t, "delete", "secret", "taken", "--namespace", namespace)
	key := shared.awaitKey(t, namespace, "taken", "")
	shared.expect(t, call{path: "/any/", key: key}, http.StatusOK, "")
}
