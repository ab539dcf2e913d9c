package integration

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// forged is a status that lets in a key whose hash somebody chose.
const forged = `{"state":"Active","grant":{"permissions":["*"]},"credentials":[{"revision":1,"state":"Current","hash":"v1:ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff","hint":"ak_ffff…","issuedAt":"2026-11-01T00:00:00Z"}]}`

// What the refusal says: who may write the status, and what to do instead.
var statusProtected = []string{
	"is written only by the manager (system:serviceaccount:apikey-operator-system:apikey-operator-manager), not by ",
	"change spec instead (suspended or revoked to stop the key), or delete the Secret to have another key issued",
}

// statusWrites are all the ways to write a status, each on an ApiKey that has one.
func statusWrites(t *testing.T, namespace, name string) map[string]request {
	t.Helper()
	stored := admin(t).send(t, get(namespace, name))
	return map[string]request{
		"replaced":                 updateStatus(namespace, name, withStatus(t, stored, forged)),
		"replaced by null":         updateStatus(namespace, name, withStatus(t, stored, `null`)),
		"replaced by nothing":      updateStatus(namespace, name, withStatus(t, stored, `{}`)),
		"replaced by the same":     updateStatus(namespace, name, asJSON(stored.Object)),
		"merged":                   patchStatus(namespace, name, mergePatch, `{"status":`+forged+`}`),
		"merged null":              patchStatus(namespace, name, mergePatch, `{"status":null}`),
		"merged one field":         patchStatus(namespace, name, mergePatch, `{"status":{"hint":"x"}}`),
		"merged a null in a field": patchStatus(namespace, name, mergePatch, `{"status":{"credentials":null}}`),
		"JSON patch adds":          patchStatus(namespace, name, jsonPatch, `[{"op":"add","path":"/status/hint","value":"x"}]`),
		"JSON patch removes":       patchStatus(namespace, name, jsonPatch, `[{"op":"remove","path":"/status"}]`),
		"JSON patch copies spec":   patchStatus(namespace, name, jsonPatch, `[{"op":"copy","from":"/spec/tenant","path":"/status/hint"}]`),
		"applied":                  applyStatus(namespace, name, "somebody", statusOnly(name, forged)),
		"applied as manager":       applyStatus(namespace, name, "apikey-operator", statusOnly(name, forged)),
	}
}

// statusOnly is the JSON of an ApiKey with a status and no spec, for server-side apply.
func statusOnly(name, status string) string {
	return strings.Replace(apiKey(name, status), `"spec":`, `"status":`, 1)
}

// withIssuedStatus makes an ApiKey whose status the manager wrote.
func withIssuedStatus(t *testing.T, namespace, name string) {
	t.Helper()
	stored := admin(t).send(t, create(namespace, apiKey(name, `{"tenant":"acme"}`)))
	manager(t).send(t, updateStatus(namespace, name, withStatus(t, stored, issued)))
}

func TestStatusIsWrittenByTheManagerOnly(t *testing.T) {
	t.Parallel()
	namespace := freshNamespace(t)
	const name = "protected"
	withIssuedStatus(t, namespace, name)
	before := admin(t).send(t, get(namespace, name))

	cases := map[string]struct {
		who  identity
		want []string
	}{
		"an administrator in system:masters":           {admin(t), statusProtected},
		"somebody with every right on the namespace":   {namespaceEditor(t, namespace), statusProtected},
		"the manager's namesake in another namespace":  {namesake(t, namespace), statusProtected},
		"the verifier, which RBAC stops before policy": {verifier(t), []string{"cannot", "apikeys/status"}},
	}
	for who, c := range cases {
		for how, r := range statusWrites(t, namespace, name) {
			t.Run(how+" by "+who, func(t *testing.T) { c.who.sendRefused(t, r, c.want...) })
		}
	}

	after := admin(t).send(t, get(namespace, name))
	if before.GetResourceVersion() != after.GetResourceVersion() {
		t.Errorf("the ApiKey changed to %s", asJSON(after.Object))
	}
}

// namesake acts as a ServiceAccount that is called like the manager's and lives elsewhere.
func namesake(t *testing.T, namespace string) identity {
	t.Helper()
	const name = "apikey-operator-manager"
	i := newServiceAccount(t, namespace, name)
	grantEverything(t, i, namespace, rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: name})
	return i
}

func TestTheManagerWritesTheStatus(t *testing.T) {
	t.Parallel()
	admin, manager, namespace := admin(t), manager(t), freshNamespace(t)
	const name = "written"
	stored := admin.send(t, create(namespace, apiKey(name, `{"tenant":"acme"}`)))

	stored = manager.send(t, updateStatus(namespace, name, with(t, stored, "status", issued, "spec", `{"tenant":"other"}`)))
	checkStatus(t, stored.Object["status"], issued)
	if got := asJSON(stored.Object["spec"]); got != `{"tenant":"acme"}` {
		t.Errorf("a write to the status changed the spec to %s", got)
	}
}

func TestAStaleWriterOfTheStatusLoses(t *testing.T) {
	t.Parallel()
	admin, manager, namespace := admin(t), manager(t), freshNamespace(t)
	const name = "contended"
	stored := admin.send(t, create(namespace, apiKey(name, `{}`)))
	admin.send(t, patch(namespace, name, mergePatch, `{"spec":{"suspended":true}}`))

	manager.sendRefused(t, updateStatus(namespace, name, withStatus(t, stored, issued)), "the object has been modified")
}

// Every request to the resource itself leaves the status as it was, whatever it carries.
func TestStatusCannotBeSetThroughTheObject(t *testing.T) {
	t.Parallel()
	namespace := freshNamespace(t)
	for who, as := range map[string]identity{"admin": admin(t), "editor": namespaceEditor(t, namespace)} {
		withStatusInBody := func(name, spec string) string {
			return strings.Replace(apiKey(name, spec), `"spec":`, `"status":`+forged+`,"spec":`, 1)
		}
		changed := func(name string) string {
			return with(t, as.send(t, get(namespace, name)), "spec", `{"tenant":"other"}`, "status", forged)
		}
		fresh := map[string]func(name string) request{
			"created": func(name string) request { return create(namespace, withStatusInBody(name, `{}`)) },
			"created by applying": func(name string) request {
				return apply(namespace, name, "gitops", withStatusInBody(name, `{"tenant":"acme"}`))
			},
			"created by replacing": func(name string) request { return update(namespace, name, withStatusInBody(name, `{}`)) },
		}
		for how, request := range fresh {
			name := who + "-" + strings.ReplaceAll(how, " ", "-")
			t.Run(how+" by "+who, func(t *testing.T) {
				if how == "created by replacing" {
					as.sendRefused(t, request(name), "not found")
					return
				}
				checkStatus(t, as.send(t, request(name)).Object["status"], `{"observedGeneration":-1}`)
				checkStatus(t, as.send(t, get(namespace, name)).Object["status"], `{"observedGeneration":-1}`)
			})
		}
		existing := map[string]func(name string) request{
			"replaced": func(name string) request { return update(namespace, name, changed(name)) },
			"merged": func(name string) request {
				return patch(namespace, name, mergePatch, `{"spec":{"tenant":"other"},"status":`+forged+`}`)
			},
			"merged null": func(name string) request {
				return patch(namespace, name, mergePatch, `{"spec":{"tenant":"other"},"status":null}`)
			},
			"patched": func(name string) request {
				return patch(namespace, name, jsonPatch, `[{"op":"replace","path":"/spec/tenant","value":"other"},{"op":"replace","path":"/status","value":`+forged+`}]`)
			},
			"applied by force": func(name string) request {
				return apply(namespace, name, "gitops", withStatusInBody(name, `{"tenant":"other"}`))
			},
		}
		for how, request := range existing {
			name := who + "-" + strings.ReplaceAll(how, " ", "-")
			t.Run(how+" by "+who, func(t *testing.T) {
				withIssuedStatus(t, namespace, name)
				stored := as.send(t, request(name))
				if got := asJSON(stored.Object["spec"]); got != `{"tenant":"other"}` {
					t.Errorf("spec %s, want the change in force", got)
				}
				checkStatus(t, stored.Object["status"], issued)
				checkStatus(t, as.send(t, get(namespace, name)).Object["status"], issued)
			})
		}
	}
}

func checkStatus(t *testing.T, got any, want string) {
	t.Helper()
	var wanted any
	if err := json.Unmarshal([]byte(want), &wanted); err != nil {
		t.Fatal(err)
	}
	if got, want := asJSON(got), asJSON(wanted); got != want {
		t.Errorf("status %s, want %s", got, want)
	}
}

func TestStatusOfAnApiKeyThatIsNotThere(t *testing.T) {
	t.Parallel()
	namespace := freshNamespace(t)
	for who, as := range map[string]identity{"admin": admin(t), "manager": manager(t)} {
		t.Run(who, func(t *testing.T) {
			if _, err := as.do(t.Context(), applyStatus(namespace, "nowhere", "somebody", statusOnly("nowhere", forged))); err == nil {
				t.Error("applying a status made an ApiKey, want it refused")
			}
			as.sendRefused(t, get(namespace, "nowhere"), "not found")
		})
	}
}

func TestKubectlSaysWhatToDoInstead(t *testing.T) {
	t.Parallel()
	namespace := freshNamespace(t)
	withIssuedStatus(t, namespace, "edited")
	got := kubectlRefused(t, "", "patch", "ak", "edited", "-n", namespace, "--subresource=status", "--type=merge", "-p", `{"status":{"state":"Active"}}`)
	for _, words := range statusProtected {
		if !strings.Contains(got, words) {
			t.Errorf("kubectl says %q, want it to contain %q", got, words)
		}
	}
}

func TestStatusIsRestoredByTheIdentitiesThatAreListedForIt(t *testing.T) {
	t.Parallel()
	namespace := freshNamespace(t)
	const name = "restored"
	withIssuedStatus(t, namespace, name)
	backup := newServiceAccount(t, namespace, "backup")
	grantEverything(t, backup, namespace, rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: "backup"})
	restore := patchStatus(namespace, name, mergePatch, `{"status":{"hint":"restored"}}`)
	if _, err := backup.do(t.Context(), restore); !apierrors.IsForbidden(err) {
		t.Fatalf("an identity that is not listed was answered %v", err)
	}

	restoreIdentities(t, "validatingadmissionpolicy", "apikey-operator-status-protection", "['system:serviceaccount:"+namespace+":backup']")
	ctx, cancel := context.WithTimeout(t.Context(), settleTimeout)
	defer cancel()
	err := poll(ctx, func() (bool, error) {
		_, err := backup.do(ctx, restore)
		if apierrors.IsForbidden(err) {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		t.Fatalf("a listed identity may not write the status: %v", err)
	}
	if _, err := admin(t).do(t.Context(), patchStatus(namespace, name, mergePatch, `{"status":{"hint":"forged"}}`)); !apierrors.IsForbidden(err) {
		t.Errorf("beside the listed identity somebody else was answered %v", err)
	}
}
