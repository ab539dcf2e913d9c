package gitops

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/test/stack"
)

// The namespaces of TestEveryStateIsJudgedRightly.
const (
	inStates  = "states"         // everything is granted
	inOwn     = "states-own"     // no policy selects it
	inWarned  = "states-warned"  // as the first, and a policy that warns
	inRefused = "states-refused" // as the first, and no Secret may be made
)

// besides are the objects around the ApiKeys.
const besides = `
apiVersion: v1
kind: Secret
metadata: {name: conflict, namespace: states}
---
apiVersion: v1
kind: Secret
metadata: {name: weak, namespace: states, labels: {apikey-operator.dev/key-source: "true"}}
stringData: {token: aaaaaaaaaaaaaaaaaaaaaaaa}
---
apiVersion: v1
kind: Secret
metadata: {name: private, namespace: states}
stringData: {token: not-for-everyone-0123456789}
---
apiVersion: apikey-operator.dev/v1alpha1
kind: ApiKeyPolicy
metadata: {name: warned}
spec:
  enforcement: Warn
  namespaceSelector: {matchLabels: {warned: "yes"}}
  permissions: [write]
---
apiVersion: apikey-operator.dev/v1alpha1
kind: ApiKeyPolicy
metadata: {name: contradictory}
spec:
  namespaceSelector: {matchExpressions: [{key: own-policies, operator: Exists}, {key: own-policies, operator: DoesNotExist}]}
  permissions: [write]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: no-secrets}
spec:
  matchConstraints: {resourceRules: [{apiGroups: [""], apiVersions: [v1], resources: [secrets], operations: [CREATE]}]}
  validations: [{expression: "false", message: Secrets are not allowed here}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: no-secrets}
spec:
  policyName: no-secrets
  validationActions: [Deny]
  matchResources: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: states-refused}}}
`

// theHash is one that two ApiKeys ask for.
const theHash = "89abcdef0123456789abcdef0123456789abcdef0123456789abcdef01234567"

// stateCase is an ApiKey, what is done to it, and how it is then judged.
type stateCase struct {
	spec      string
	namespace string // inStates where empty
	finalizer bool

	// then is done once Ready has the reason settles.
	settles string
	then    func(t *testing.T, namespace, name string)

	wantReason  string // of Ready
	wantState   v1alpha1.ApiKeyState
	wantHealth  string
	wantSays    string // by Argo CD's message
	wantKstatus status.Status
}

// patch is what is done to most: a merge patch of the spec, in JSON.
func patch(spec string) func(*testing.T, string, string) {
	return func(t *testing.T, namespace, name string) {
		shared.kubectl(t, "", "patch", "apikey", name, "-n", namespace, "--type=merge", "-p", `{"spec":`+spec+`}`)
	}
}

// in is a time from now as YAML takes it.
func in(d time.Duration) string { return time.Now().Add(d).UTC().Format(`"` + time.RFC3339 + `"`) }

func stateCases() map[string]stateCase {
	return map[string]stateCase{
		"works": {
			spec:       "{permissions: [read]}",
			wantReason: "Active", wantState: "Active", wantHealth: "Healthy", wantSays: "Secret works holds the current credential", wantKstatus: status.CurrentStatus,
		},
		"is about to expire": {
			spec:       "{permissions: [read], expiresAt: " + in(24*time.Hour) + "}",
			wantReason: "Active", wantState: "Expiring", wantHealth: "Healthy", wantSays: "set a later spec.expiresAt to keep it", wantKstatus: status.CurrentStatus,
		},
		"expired before it was looked at": {
			spec:       `{permissions: [read], expiresAt: "2020-01-01T00:00:00Z"}`,
			wantReason: "Expired", wantState: "Expired", wantHealth: "Healthy", wantSays: "set a later spec.expiresAt for a new credential", wantKstatus: status.CurrentStatus,
		},
		"expires": {
			spec:       "{permissions: [read], expiresAt: " + in(15*time.Second) + "}",
			wantReason: "Expired", wantState: "Expired", wantHealth: "Healthy", wantSays: "or remove the ApiKey from Git", wantKstatus: status.CurrentStatus,
		},
		"is suspended": {
			spec:    "{permissions: [read]}",
			settles: "Active", then: patch(`{"suspended":true}`),
			wantReason: "Suspended", wantState: "Suspended", wantHealth: "Healthy", wantSays: "unset spec.suspended to resume it", wantKstatus: status.CurrentStatus,
		},
		"is revoked": {
			spec:    "{permissions: [read]}",
			settles: "Active", then: patch(`{"revoked":true}`),
			wantReason: "Revoked", wantState: "Revoked", wantHealth: "Healthy", wantSays: "remove the ApiKey from Git", wantKstatus: status.CurrentStatus,
		},
		"was revoked before it was looked at": {
			spec:       "{permissions: [read], revoked: true}",
			wantReason: "Revoked", wantState: "Revoked", wantHealth: "Healthy", wantSays: "remove the ApiKey from Git", wantKstatus: status.CurrentStatus,
		},
		"is admitted by no policy": {
			spec: "{permissions: [read]}", namespace: inOwn,
			wantReason: "NoPolicy", wantState: "Denied", wantHealth: "Degraded", wantSays: "ask whoever administers the cluster", wantKstatus: status.FailedStatus,
		},
		"has a schedule that means nothing": {
			spec:    "{permissions: [read]}",
			settles: "Active", then: patch(`{"rotation":{"schedule":"61 * * * *"}}`),
			wantReason: "InvalidSchedule", wantState: "Active", wantHealth: "Degraded", wantSays: "minute", wantKstatus: status.FailedStatus,
		},
		"is warned about": {
			spec: "{permissions: [read]}", namespace: inWarned,
			wantReason: "Active", wantState: "Active", wantHealth: "Healthy", wantSays: `policy warned does not allow this: spec.permissions: "read" is not allowed`, wantKstatus: status.CurrentStatus,
		},
		"conflict": {
			spec:       "{permissions: [read]}",
			wantReason: "SecretConflict", wantState: "Pending", wantHealth: "Degraded", wantSays: "remove or rename that Secret", wantKstatus: status.FailedStatus,
		},
		"has a Secret that nobody may make": {
			spec: "{permissions: [read]}", namespace: inRefused,
			wantReason: "PublishFailed", wantState: "Pending", wantHealth: "Progressing", wantSays: "Secrets are not allowed here", wantKstatus: status.InProgressStatus,
		},
		"has an immutable Secret": {
			spec:    "{permissions: [read]}",
			settles: "Active", then: func(t *testing.T, namespace, name string) {
				shared.kubectl(t, "", "patch", "secret", name, "-n", namespace, "--type=merge", "-p", `{"immutable":true}`)
				patch(`{"revision":2}`)(t, namespace, name)
			},
			wantReason: "SecretImmutable", wantState: "Active", wantHealth: "Degraded", wantSays: "delete it, and it is made anew", wantKstatus: status.FailedStatus,
		},
		"waits for a Secret": {
			spec:       "{permissions: [read], source: {secretRef: {name: absent, key: token}}}",
			wantReason: "SecretNotFound", wantState: "Pending", wantHealth: "Progressing", wantSays: "it is taken over when it appears", wantKstatus: status.InProgressStatus,
		},
		"names a Secret that is not offered": {
			spec:       "{permissions: [read], source: {secretRef: {name: private, key: token}}}",
			wantReason: "SecretNotOffered", wantState: "Pending", wantHealth: "Degraded", wantSays: `must label it apikey-operator.dev/key-source: "true"`, wantKstatus: status.FailedStatus,
		},
		"names a weak key": {
			spec:       "{permissions: [read], source: {secretRef: {name: weak, key: token}}}",
			wantReason: "WeakKey", wantState: "Denied", wantHealth: "Degraded", wantSays: "best 32 random bytes", wantKstatus: status.FailedStatus,
		},
		"is imported": {
			spec:       "{permissions: [read], source: {hash: {sha256: " + theHash + ", hint: crm_01ab…}}}",
			wantReason: "Active", wantState: "Active", wantHealth: "Healthy", wantSays: "the imported key is in force", wantKstatus: status.CurrentStatus,
		},
		"is imported twice": {
			spec:    "{permissions: [read], source: {hash: {sha256: " + strings.Repeat("ab", 32) + ", hint: crm_02ab…}}}",
			settles: "Active", then: func(t *testing.T, namespace, name string) {
				shared.awaitReady(t, apiKeys, namespace, slug("is imported"), "Active")
				patch(`{"source":{"hash":{"sha256":"`+theHash+`"}}}`)(t, namespace, name)
			},
			wantReason: "DuplicateKey", wantState: "Denied", wantHealth: "Degraded", wantSays: "use another key here", wantKstatus: status.FailedStatus,
		},
		"is imported and stopped": {
			spec:    "{permissions: [read], source: {hash: {sha256: " + strings.Repeat("cd", 32) + ", hint: crm_03ab…}}}",
			settles: "Active", then: patch(`{"minRevision":5}`),
			wantReason: "BelowMinRevision", wantState: "Active", wantHealth: "Degraded", wantSays: "give another key", wantKstatus: status.FailedStatus,
		},
		"is renewed by hand": {
			spec:    "{permissions: [read]}",
			settles: "Active", then: patch(`{"revision":2}`),
			wantReason: "Active", wantState: "Active", wantHealth: "Healthy", wantSays: "holds the current credential", wantKstatus: status.CurrentStatus,
		},
		"rotates by the clock": {
			spec:    "{permissions: [read], rotation: {every: 2160h}}",
			settles: "Active", then: age,
			wantReason: "Active", wantState: "Active", wantHealth: "Healthy", wantSays: "holds the current credential", wantKstatus: status.CurrentStatus,
		},
		"is being deleted": {
			spec: "{permissions: [read]}", finalizer: true,
			settles: "Active", then: func(t *testing.T, namespace, name string) {
				shared.kubectl(t, "", "delete", "apikey", name, "-n", namespace, "--wait=false")
			},
			wantReason: "Active", wantState: "Active", wantHealth: "Progressing", wantSays: "Pending deletion", wantKstatus: status.TerminatingStatus,
		},
	}
}

// age makes the credential as old as 90 days, in the manager's name, since no clock here goes that fast, and waits for the next.
func age(t *testing.T, namespace, name string) {
	old := in(-91 * 24 * time.Hour)
	shared.kubectl(t, "", "patch", "apikey", name, "-n", namespace, "--subresource=status", "--type=json",
		"--as=system:serviceaccount:"+stack.SystemNamespace+":"+stack.ManagerAccount, "--as-group=system:masters", "-p",
		`[{"op":"replace","path":"/status/credentials/0/issuedAt","value":`+old+`},{"op":"replace","path":"/status/credentials/0/publishedAt","value":`+old+`}]`)
	shared.await(t, name+" to be rotated", apiKeys, namespace, name, func(object *unstructured.Unstructured) error {
		if revision := currentRevision(object); revision != 2 {
			return fmt.Errorf("the current credential has revision %d", revision)
		}
		return nil
	})
}

// currentRevision is the revision of the current credential, 0 without one.
func currentRevision(object *unstructured.Unstructured) int64 {
	credentials, _, _ := unstructured.NestedSlice(object.Object, "status", "credentials")
	for _, entry := range credentials {
		if credential, ok := entry.(map[string]any); ok && credential["state"] == "Current" {
			revision, _ := credential["revision"].(int64)
			return revision
		}
	}
	return 0
}

// slug is an object's name for a sentence.
func slug(sentence string) string { return strings.ToLower(strings.ReplaceAll(sentence, " ", "-")) }

func (c stateCase) home() string {
	if c.namespace == "" {
		return inStates
	}
	return c.namespace
}

func (c stateCase) manifest(name string) string {
	finalizers := ""
	if c.finalizer {
		finalizers = ", finalizers: [example.com/hold]"
	}
	return fmt.Sprintf("apiVersion: apikey-operator.dev/v1alpha1\nkind: ApiKey\nmetadata: {name: %s, namespace: %s%s}\nspec: %s\n---\n", name, c.home(), finalizers, c.spec)
}

// judged are the cases of TestEveryStateIsJudgedRightly, by sentences that name the ApiKeys, too.
var judged = stateCases()

// layOut makes what TestEveryStateIsJudgedRightly judges, before there is a manager.
func layOut(ctx context.Context, w *world) error {
	spaces := map[string]map[string]string{inStates: nil, inOwn: {"own-policies": ""}, inWarned: {"warned": "yes"}, inRefused: nil}
	for name, labels := range spaces {
		if err := w.makeNamespace(ctx, name, labels); err != nil {
			return err
		}
	}
	manifests := &strings.Builder{}
	for sentence, c := range judged {
		manifests.WriteString(c.manifest(slug(sentence)))
	}
	_, err := w.KubectlWithInput(ctx, manifests.String()+besides, "apply", "-f", "-")
	return err
}

// TestEveryStateIsJudgedRightly brings ApiKeys and policies into every state with the real manager, and asks kstatus and
// Argo CD's health scripts about each version that the API server told of meanwhile.
func TestEveryStateIsJudgedRightly(t *testing.T) {
	t.Parallel()
	t.Run("ApiKeys", func(t *testing.T) {
		for sentence, c := range judged {
			t.Run(sentence, func(t *testing.T) {
				t.Parallel()
				c.check(t, slug(sentence))
			})
		}
	})
	t.Run("ApiKeyPolicies", testPolicyStates)
	t.Run("every version on the way", testHistory)
}

func (c stateCase) check(t *testing.T, name string) {
	if c.then != nil {
		shared.awaitReady(t, apiKeys, c.home(), name, c.settles)
		c.then(t, c.home(), name)
	}
	object := shared.await(t, name+" to have the reason "+c.wantReason, apiKeys, c.home(), name, func(object *unstructured.Unstructured) error {
		if object.GetDeletionTimestamp() != nil { // nobody looks at it any more
			return nil
		}
		return readyWith(object, c.wantReason)
	})
	if state, _, _ := unstructured.NestedString(object.Object, "status", "state"); state != string(c.wantState) {
		t.Errorf("the state is %s, want %s", state, c.wantState)
	}
	expectJudgement(t, object, c.wantKstatus, c.wantHealth, c.wantSays)
}

func testPolicyStates(t *testing.T) {
	for name, c := range map[string]struct {
		wantReason, wantHealth, wantSays string
		wantKstatus                      status.Status
	}{
		"everything-for-a-tenant": {"InForce", "Healthy", "may have what the policy lists", status.CurrentStatus},
		"warned":                  {"WarnOnly", "Healthy", "neither admits nor refuses anything", status.CurrentStatus},
		"contradictory":           {"SelfContradictory", "Degraded", "can never admit anything", status.FailedStatus},
	} {
		expectJudgement(t, shared.awaitReady(t, policies, "", name, c.wantReason), c.wantKstatus, c.wantHealth, c.wantSays)
	}
}

func expectJudgement(t *testing.T, object *unstructured.Unstructured, wantKstatus status.Status, wantHealth, wantSays string) {
	t.Helper()
	name := object.GetKind() + " " + object.GetName()
	result, err := status.Compute(object)
	if err != nil {
		t.Fatalf("%s: kstatus: %v", name, err)
	}
	if result.Status != wantKstatus {
		t.Errorf("%s: kstatus says %s (%s), want %s; %s", name, result.Status, result.Message, wantKstatus, summary(object))
	}
	judged, err := argoHealth(object)
	if err != nil {
		t.Fatalf("%s: Argo CD: %v", name, err)
	}
	if judged.Status != wantHealth || !strings.Contains(judged.Message, wantSays) {
		t.Errorf("%s: Argo CD says %s: %q, want %s with %q; %s", name, judged.Status, judged.Message, wantHealth, wantSays, summary(object))
	}
}

// testHistory holds both judges to the conditions of every version, and that the passing ones were seen at all.
func testHistory(t *testing.T) {
	var seen []string
	known := map[string]bool{}
	versions := slices.Concat(shared.history.of(inStates), shared.history.of(inOwn), shared.history.of(inWarned), shared.history.of(inRefused), shared.history.of(""))
	for _, object := range versions {
		what, wantKstatus, wantHealth := meaning(object)
		if first := !known[identity(object)]; first && what != "not looked at" {
			t.Errorf("%s is at first %s", identity(object), what)
		}
		known[identity(object)] = true
		seen = append(seen, what)
		expectJudgement(t, object, wantKstatus, wantHealth, "")
		if judged, err := argoHealth(object); err != nil || judged.Message == "" {
			t.Errorf("%s: Argo CD has no message (%v)", summary(object), err)
		}
		usable, ready := conditions(object)["Usable"], conditions(object)["Ready"]
		if wantKstatus == status.CurrentStatus && object.GetKind() == "ApiKey" && usable["status"] != "True" &&
			!slices.Contains([]any{"Suspended", "Revoked", "Expired"}, ready["reason"]) {
			t.Errorf("%s counts as current, and does not work", summary(object))
		}
	}
	for _, what := range []string{"being deleted", "not looked at", "looked at an earlier spec", "stalled", "under way", "works while it is replaced", "in force"} {
		if !slices.Contains(seen, what) {
			t.Errorf("of %d versions none was %s", len(versions), what)
		}
	}
}

// meaning tells from the conditions, as docs/lifecycle.md explains them, what a version is.
func meaning(object *unstructured.Unstructured) (what string, kstatus status.Status, health string) {
	byType := conditions(object)
	is := func(kind string) bool { return byType[kind]["status"] == "True" }
	switch {
	case object.GetDeletionTimestamp() != nil:
		return "being deleted", status.TerminatingStatus, "Progressing"
	case observed(object) == -1:
		return "not looked at", status.InProgressStatus, "Progressing"
	case observed(object) != object.GetGeneration():
		return "looked at an earlier spec", status.InProgressStatus, "Progressing"
	case is("Stalled"):
		return "stalled", status.FailedStatus, "Degraded"
	case !is("Ready"):
		return "under way", status.InProgressStatus, "Progressing"
	case is("Reconciling"):
		return "works while it is replaced", status.InProgressStatus, "Healthy"
	}
	return "in force", status.CurrentStatus, "Healthy"
}
