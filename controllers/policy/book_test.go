package policy

import (
	"fmt"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/controllers/apiobject"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

func (c *cluster) decoded(namespace, name, spec string) *v1alpha1.ApiKey {
	c.t.Helper()
	o := c.object("ApiKey", namespace, name, spec)
	key, err := apiobject.Decode(&o)
	if err != nil {
		c.t.Fatal(err)
	}
	return key
}

func TestABookJudgesByThePoliciesAndTheLabelsOfTheNamespace(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.namespaces["phoenix"] = map[string]string{"team": "payments", "tenant": "acme"}
	c.policy("payments", `{namespaceSelector: {matchLabels: {team: payments}}, tenantFromNamespaceLabel: tenant, permissions: ["payments:*"],
		scopes: {category: [general]}, maxLifetime: 24h, requireRotation: {maxEvery: 720h, maxGracePeriod: 24h},
		maxRateLimit: {requests: 10, period: 1s}, format: {prefix: sk_, minBytes: 40}, enforcement: Deny}`)
	c.policy("search", `{namespaceSelector: {matchLabels: {team: search}}, permissions: ["*"]}`)
	c.policy("trial", `{namespaceSelector: {}, enforcement: Warn, permissions: [read]}`)
	book := NewBook(c, policy.DenyByDefault)
	cases := map[string]struct{ change, want string }{
		"all as it shall be":                 {``, ""},
		"another tenant":                     {`tenant: globex`, policyReason(policy.TenantNotAllowed)},
		"another permission":                 {`permissions: [read]`, policyReason(policy.PermissionNotAllowed)},
		"another scope":                      {`scopes: {category: [secret]}`, policyReason(policy.ScopeNotAllowed)},
		"too long":                           {`expiresAt: "2027-01-11T12:00:01Z"`, policyReason(policy.LifetimeTooLong)},
		"to the second, with a fraction":     {`expiresAt: "2027-01-11T12:00:00.9Z"`, ""},
		"every month but for an hour":        {`rotation: {every: 721h, gracePeriod: 0s}`, policyReason(policy.RotationTooRare)},
		"by a schedule, every second month":  {`rotation: {schedule: "0 0 1 */2 *"}`, policyReason(policy.RotationTooRare)},
		"by a schedule, daily":               {`rotation: {schedule: "@daily"}`, ""},
		"by a schedule of nonsense":          {`rotation: {schedule: "now and then"}`, policyReason(policy.RotationRequired)},
		"with a long grace":                  {`rotation: {every: 720h, gracePeriod: 25h}`, policyReason(policy.GracePeriodTooLong)},
		"with the grace of a day by silence": {`rotation: {every: 720h}`, ""},
		"without rotation":                   {`rotation: {gracePeriod: 1h}`, policyReason(policy.RotationRequired)},
		"more at once than in a period":      {`rateLimit: {requests: 10, period: 1s, burst: 11}`, policyReason(policy.RateLimitTooHigh)},
		"another prefix":                     {`format: {prefix: ak_}`, policyReason(policy.FormatNotAllowed)},
		"fewer bytes":                        {`format: {bytes: 32}`, policyReason(policy.FormatNotAllowed)},
		"imported":                           {`source: {hash: {sha256: "00"}}`, policyReason(policy.RotationRequired)},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			spec := map[string]string{
				"tenant": `tenant: acme`, "permissions": `permissions: ["payments:refund"]`, "scopes": `scopes: {category: [general]}`,
				"expiresAt": `expiresAt: "2027-01-11T12:00:00Z"`, "rotation": `rotation: {every: 720h, gracePeriod: 1h}`,
				"rateLimit": `rateLimit: {requests: 10, period: 1s}`,
			}
			if field, _, given := strings.Cut(tc.change, ":"); given {
				spec[field] = tc.change
			}
			var fields []string
			for _, text := range spec {
				fields = append(fields, text)
			}
			v, err := book.Judge(t.Context(), c.decoded("phoenix", "probe", "{"+strings.Join(fields, ", ")+"}"), now)
			if err != nil {
				t.Fatal(err)
			}
			if got := policyReason(v.Refusal.Code()); got != tc.want || v.Admitted != (tc.want == "") {
				t.Errorf("admitted: %t, for the reason %q, want %q; in words: %s", v.Admitted, got, tc.want, v.Refusal)
			}
			if v.Admitted && (v.Policy != "payments" || v.Format != policy.Format{Prefix: "sk_", Bytes: 40}) {
				t.Errorf("admitted by %s with the format %+v", v.Policy, v.Format)
			}
			if len(v.Warnings) != 1 || v.Warnings[0].Policy != "trial" {
				t.Errorf("the warnings are %+v, want one of trial", v.Warnings)
			}
		})
	}
}

func policyReason(c policy.Code) string { return string(c) }

func TestAPolicyThatDoesNotDecodeAdmitsNothing(t *testing.T) {
	t.Parallel()
	for name, spec := range map[string]string{
		"a number for a list":          `{namespaceSelector: {}, permissions: 1}`,
		"a lifetime in words":          `{namespaceSelector: {}, permissions: ["*"], maxLifetime: two weeks}`,
		"a selector that cannot be":    `{namespaceSelector: {matchExpressions: [{key: a, operator: Gt, values: ["1"]}]}, permissions: ["*"]}`,
		"a spec that is a list":        `[]`,
		"an enforcement that is a map": `{namespaceSelector: {}, permissions: ["*"], enforcement: {}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			c.namespaces["phoenix"] = nil
			c.policy("odd", spec)
			v, err := NewBook(c, policy.AllowByDefault).Judge(t.Context(), c.decoded("phoenix", "probe", `{permissions: [read]}`), now)
			if err != nil || v.Admitted || v.Refusal.Code() != policy.PolicyUnreadable || v.Refusal.Policy != "odd" {
				t.Errorf("the verdict is %+v and the error %v, want a refusal by odd, which cannot be read", v, err)
			}
		})
	}
}

func TestAStatusThatDoesNotDecodeTakesNothingFromAPolicy(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.namespaces["phoenix"] = nil
	c.policy("probe", `{namespaceSelector: {}, permissions: [read]}`).Object["status"] = map[string]any{"selected": "many"}
	v, err := NewBook(c, policy.DenyByDefault).Judge(t.Context(), c.decoded("phoenix", "probe", `{permissions: [read]}`), now)
	if err != nil || !v.Admitted {
		t.Errorf("the verdict is %+v and the error %v", v, err)
	}
}

func TestAMissingNamespaceIsNotTakenForAMissingApiKey(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	_, err := NewBook(c, policy.DenyByDefault).Judge(t.Context(), c.decoded("phoenix", "probe", `{}`), now)
	if err == nil || apierrors.IsNotFound(err) || !strings.Contains(err.Error(), "namespace phoenix") {
		t.Errorf("the error is %v, want one that names the namespace and is not told apart as a missing object", err)
	}
}

// Whether a policy was read anew is told by changing what it says without telling the resource version.
func TestAPolicyIsReadOnceForEachOfItsVersions(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.namespaces["phoenix"] = nil
	object := c.policy("probe", `{namespaceSelector: {}, permissions: [first]}`)
	book := NewBook(c, policy.DenyByDefault)
	knows := func(book *Book, want string) {
		t.Helper()
		policies, err := book.policies(t.Context())
		if err != nil || len(policies) != 1 || fmt.Sprint(policies[0].Permissions) != "["+want+"]" {
			t.Errorf("the policies are %+v and the error %v, want one with the permission %s", policies, err, want)
		}
	}
	says := func(permission string) {
		object.Object["spec"].(map[string]any)["permissions"] = []any{permission}
	}
	knows(book, "first")
	says("second")
	knows(book, "first")
	knows(book.Over(c), "first")
	object.SetResourceVersion("2")
	knows(book, "second")
	knows(book.Over(c), "second")
	says("third")
	object.SetUID(types.UID("of-one-that-was-made-anew"))
	knows(book, "third")
}

func TestWhatIsKeptOfPoliciesThatAreGoneIsBounded(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	book := NewBook(c, policy.DenyByDefault)
	object := c.policy("probe", `{namespaceSelector: {}}`)
	for i := range 3 * mostPages {
		object.SetUID(types.UID(fmt.Sprint("uid-", i)))
		if _, err := book.policies(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(book.shared.known); got > mostPages+1 {
		t.Errorf("%d policies are kept, want at most %d", got, mostPages+1)
	}
}
