package integration

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/admission"
)

// rulebook is a namespace with its labels, the policies that select it, and ApiKeys with what is to be said of each.
type rulebook struct {
	labels   map[string]string
	policies map[string]string // name to the JSON of a spec without the selector
	asked    map[string]asked
}

// asked is what an ApiKey asks for. In 5h stands for the time in five hours, HASH for one that nobody else imports, NS
// for the namespace, and the names of policies are preceded by it.
type asked struct {
	spec        string
	wantPolicy  string // that admits it, empty for none
	wantRefusal string // reason and message
}

// rulebooks are, by names that namespaces can have, every rule of policies with what it admits and refuses.
var rulebooks = map[string]rulebook{
	"nothing": {asked: map[string]asked{
		"a key without any permission": {spec: `{}`, wantRefusal: "NoPolicy: no ApiKeyPolicy selects namespace NS, so nothing is granted there: ask whoever administers the cluster for one"},
	}},
	"permissions": {
		policies: map[string]string{"p": `{"permissions":["payments:*","read"]}`},
		asked: map[string]asked{
			"none":                             {spec: `{}`, wantPolicy: "p"},
			"one that is listed":               {spec: `{"permissions":["read"]}`, wantPolicy: "p"},
			"one below a wildcard":             {spec: `{"permissions":["payments:refund"]}`, wantPolicy: "p"},
			"the wildcard itself":              {spec: `{"permissions":["payments:*"]}`, wantPolicy: "p"},
			"a narrower wildcard":              {spec: `{"permissions":["payments:refund:*"]}`, wantPolicy: "p"},
			"everything":                       {spec: `{"permissions":["*"]}`, wantRefusal: `PermissionNotAllowed: policy NSp does not allow this: spec.permissions: "*" is not allowed, only payments:*, read`},
			"what stands before the wildcard":  {spec: `{"permissions":["payments"]}`, wantRefusal: `PermissionNotAllowed: policy NSp does not allow this: spec.permissions: "payments" is not allowed, only payments:*, read`},
			"the other separator":              {spec: `{"permissions":["payments.refund"]}`, wantRefusal: `PermissionNotAllowed: policy NSp does not allow this: spec.permissions: "payments.refund" is not allowed, only payments:*, read`},
			"a wildcard below a plain one":     {spec: `{"permissions":["read:*"]}`, wantRefusal: `PermissionNotAllowed: policy NSp does not allow this: spec.permissions: "read:*" is not allowed, only payments:*, read`},
			"one that is listed and another":   {spec: `{"permissions":["read","write"]}`, wantRefusal: `PermissionNotAllowed: policy NSp does not allow this: spec.permissions: "write" is not allowed, only payments:*, read`},
			"a tenant, where none is listed":   {spec: `{"tenant":"acme"}`, wantRefusal: `TenantNotAllowed: policy NSp does not allow this: spec.tenant: "acme" is not allowed, nor is any other`},
			"a scope, where none is listed":    {spec: `{"scopes":{"category":["general"]}}`, wantRefusal: `ScopeNotAllowed: policy NSp does not allow this: spec.scopes: "category" is not allowed, nor is any other`},
			"an import, where none is allowed": {spec: `{"source":{"hash":{"sha256":"HASH"}}}`, wantRefusal: "ImportNotAllowed: policy NSp does not allow this: spec.source: keys that come from elsewhere are not allowed: leave source out"},
		},
	},
	"tenants": {
		policies: map[string]string{"t": `{"tenants":["acme","globex"]}`},
		asked: map[string]asked{
			"one of them":      {spec: `{"tenant":"globex"}`, wantPolicy: "t"},
			"another":          {spec: `{"tenant":"initech"}`, wantRefusal: `TenantNotAllowed: policy NSt does not allow this: spec.tenant: "initech" is not allowed, only acme, globex`},
			"in another case":  {spec: `{"tenant":"Acme"}`, wantRefusal: `TenantNotAllowed: policy NSt does not allow this: spec.tenant: "Acme" is not allowed, only acme, globex`},
			"none":             {spec: `{}`, wantRefusal: "TenantRequired: policy NSt does not allow this: spec.tenant: is required: give one of acme, globex"},
			"none, and beyond": {spec: `{"permissions":["x"]}`, wantRefusal: `PermissionNotAllowed: policy NSt does not allow this: spec.permissions: "x" is not allowed, nor is any other; spec.tenant: is required: give one of acme, globex`},
		},
	},
	"label": {
		labels:   map[string]string{"example.com/tenant": "acme"},
		policies: map[string]string{"l": `{"tenantFromNamespaceLabel":"example.com/tenant"}`},
		asked: map[string]asked{
			"the namespace's tenant": {spec: `{"tenant":"acme"}`, wantPolicy: "l"},
			"another's":              {spec: `{"tenant":"globex"}`, wantRefusal: `TenantNotAllowed: policy NSl does not allow this: spec.tenant: "globex" is not allowed, only acme`},
			"none":                   {spec: `{}`, wantRefusal: "TenantRequired: policy NSl does not allow this: spec.tenant: is required: give one of acme"},
		},
	},
	"no-label": {
		policies: map[string]string{"l": `{"tenantFromNamespaceLabel":"example.com/tenant"}`},
		asked: map[string]asked{
			"any tenant": {spec: `{"tenant":"acme"}`, wantRefusal: "TenantNotAllowed: policy NSl does not allow this: spec.tenant: namespace NS has no label example.com/tenant, which names the tenant that its keys speak for: ask whoever administers the cluster for it"},
			"none":       {spec: `{}`, wantRefusal: "TenantNotAllowed: policy NSl does not allow this: spec.tenant: namespace NS has no label example.com/tenant, which names the tenant that its keys speak for: ask whoever administers the cluster for it"},
		},
	},
	"scopes": {
		policies: map[string]string{"s": `{"scopes":{"category":["general","archive"],"region":["*"]}}`},
		asked: map[string]asked{
			"what is listed":        {spec: `{"scopes":{"category":["general"],"region":["eu","us"]}}`, wantPolicy: "s"},
			"a value that is not":   {spec: `{"scopes":{"category":["general","secret"],"region":["eu"]}}`, wantRefusal: `ScopeNotAllowed: policy NSs does not allow this: spec.scopes.category: "secret" is not allowed, only general, archive`},
			"a scope that is not":   {spec: `{"scopes":{"category":["general"],"region":["eu"],"team":["a"]}}`, wantRefusal: `ScopeNotAllowed: policy NSs does not allow this: spec.scopes: "team" is not allowed, only category, region`},
			"one of the two":        {spec: `{"scopes":{"category":["general"]}}`, wantRefusal: "ScopeRequired: policy NSs does not allow this: spec.scopes.region: is required: give any"},
			"none":                  {spec: `{}`, wantRefusal: "ScopeRequired: policy NSs does not allow this: spec.scopes.category: is required: give some of general, archive; spec.scopes.region: is required: give any"},
			"the wildcard, as such": {spec: `{"scopes":{"category":["general"],"region":["eu"]},"permissions":["*"]}`, wantRefusal: `PermissionNotAllowed: policy NSs does not allow this: spec.permissions: "*" is not allowed, nor is any other`},
		},
	},
	"limits": {
		policies: map[string]string{"m": `{"maxLifetime":"24h","maxRateLimit":{"requests":10,"period":"1s","burst":20}}`},
		asked: map[string]asked{
			"within both":         {spec: `{"expiresAt":"in 23h","rateLimit":{"requests":600,"period":"1m","burst":20}}`, wantPolicy: "m"},
			"too long a life":     {spec: `{"expiresAt":"in 25h","rateLimit":{"requests":10,"period":"1s"}}`, wantRefusal: `LifetimeTooLong: policy NSm does not allow this: spec.expiresAt: in 25h is not allowed, only a time at most 24h ahead`},
			"a life without end":  {spec: `{"rateLimit":{"requests":10,"period":"1s"}}`, wantRefusal: "ExpiryRequired: policy NSm does not allow this: spec.expiresAt: is required: give a time at most 24h ahead"},
			"no limit":            {spec: `{"expiresAt":"in 23h"}`, wantRefusal: "RateLimitRequired: policy NSm does not allow this: spec.rateLimit: is required: give at most 10 requests in 1s, 20 at once"},
			"too high a rate":     {spec: `{"expiresAt":"in 23h","rateLimit":{"requests":601,"period":"1m","burst":20}}`, wantRefusal: "RateLimitTooHigh: policy NSm does not allow this: spec.rateLimit: 601 requests in 1m, 20 at once is not allowed, only at most 10 requests in 1s, 20 at once"},
			"too large a burst":   {spec: `{"expiresAt":"in 23h","rateLimit":{"requests":1,"period":"1s","burst":21}}`, wantRefusal: "RateLimitTooHigh: policy NSm does not allow this: spec.rateLimit: 1 requests in 1s, 21 at once is not allowed, only at most 10 requests in 1s, 20 at once"},
			"a burst by default":  {spec: `{"expiresAt":"in 23h","rateLimit":{"requests":600,"period":"1m"}}`, wantRefusal: "RateLimitTooHigh: policy NSm does not allow this: spec.rateLimit: 600 requests in 1m, 600 at once is not allowed, only at most 10 requests in 1s, 20 at once"},
			"nothing of the sort": {spec: `{}`, wantRefusal: "ExpiryRequired: policy NSm does not allow this: spec.expiresAt: is required: give a time at most 24h ahead; spec.rateLimit: is required: give at most 10 requests in 1s, 20 at once"},
		},
	},
	"rotation": {
		policies: map[string]string{"r": `{"requireRotation":{"maxEvery":"720h","maxGracePeriod":"24h"},"allowImport":true}`},
		asked: map[string]asked{
			"by age":                   {spec: `{"rotation":{"every":"720h"}}`, wantPolicy: "r"},
			"by a schedule":            {spec: `{"rotation":{"schedule":"@weekly"}}`, wantPolicy: "r"},
			"by a rarer schedule":      {spec: `{"rotation":{"schedule":"@monthly"}}`, wantRefusal: "RotationTooRare: policy NSr does not allow this: spec.rotation: 744h between two rotations is not allowed, only at most 720h"},
			"by a schedule with a gap": {spec: `{"rotation":{"schedule":"0 * 1-15 1 *"}}`, wantRefusal: "RotationTooRare: policy NSr does not allow this: spec.rotation: 8425h between two rotations is not allowed, only at most 720h"},
			"by a higher age":          {spec: `{"rotation":{"every":"721h"}}`, wantRefusal: "RotationTooRare: policy NSr does not allow this: spec.rotation: 721h between two rotations is not allowed, only at most 720h"},
			"with a longer grace":      {spec: `{"rotation":{"every":"720h","gracePeriod":"25h"}}`, wantRefusal: "GracePeriodTooLong: policy NSr does not allow this: spec.rotation.gracePeriod: 25h is not allowed, only at most 24h"},
			"only a grace period":      {spec: `{"rotation":{"gracePeriod":"1h"}}`, wantRefusal: "RotationRequired: policy NSr does not allow this: spec.rotation: is required: give every or schedule, at most 720h apart"},
			"none":                     {spec: `{}`, wantRefusal: "RotationRequired: policy NSr does not allow this: spec.rotation: is required: give every or schedule, at most 720h apart"},
			"an import":                {spec: `{"source":{"hash":{"sha256":"HASH"}}}`, wantRefusal: "RotationRequired: policy NSr does not allow this: spec.source: a key that comes from elsewhere cannot be seen to rotate, which is required: leave source out"},
		},
	},
	"format": {
		policies: map[string]string{"f": `{"format":{"prefix":"sk_","minBytes":40}}`},
		asked: map[string]asked{
			"none":           {spec: `{}`, wantPolicy: "f"},
			"the prefix":     {spec: `{"format":{"prefix":"sk_"}}`, wantPolicy: "f"},
			"more bytes":     {spec: `{"format":{"bytes":41}}`, wantPolicy: "f"},
			"another prefix": {spec: `{"format":{"prefix":"ak_"}}`, wantRefusal: `FormatNotAllowed: policy NSf does not allow this: spec.format.prefix: "ak_" is not allowed, only sk_`},
			"fewer bytes":    {spec: `{"format":{"bytes":32}}`, wantRefusal: "FormatNotAllowed: policy NSf does not allow this: spec.format.bytes: 32 is not allowed, only 40 and more"},
		},
	},
	"several": {
		policies: map[string]string{
			"a": `{"permissions":["a"],"tenants":["acme"]}`,
			"b": `{"permissions":["a","b"],"tenants":["globex"]}`,
			"w": `{"permissions":["*"],"tenants":["*"],"enforcement":"Warn"}`,
		},
		asked: map[string]asked{
			"the first alone":             {spec: `{"permissions":["a"],"tenant":"acme"}`, wantPolicy: "a"},
			"the second alone":            {spec: `{"permissions":["a","b"],"tenant":"globex"}`, wantPolicy: "b"},
			"half of each":                {spec: `{"permissions":["b"],"tenant":"acme"}`, wantRefusal: `PermissionNotAllowed: policy NSa does not allow this: spec.permissions: "b" is not allowed, only a`},
			"what is closer to the other": {spec: `{"permissions":["a","b"]}`, wantRefusal: "TenantRequired: policy NSb does not allow this: spec.tenant: is required: give one of globex"},
			"what only a warning allows":  {spec: `{"permissions":["c"],"tenant":"initech"}`, wantRefusal: `PermissionNotAllowed: policy NSa does not allow this: spec.permissions: "c" is not allowed, only a; spec.tenant: "initech" is not allowed, only acme`},
		},
	},
	"warning": {
		policies: map[string]string{"w": `{"permissions":["*"],"enforcement":"Warn"}`},
		asked: map[string]asked{
			"what it would admit": {spec: `{"permissions":["read"]}`, wantRefusal: "NoPolicy: no ApiKeyPolicy selects namespace NS, so nothing is granted there: ask whoever administers the cluster for one"},
		},
	},
	"imports": {
		policies: map[string]string{"i": `{"allowImport":true}`},
		asked: map[string]asked{
			"an import": {spec: `{"source":{"hash":{"sha256":"HASH"}}}`, wantPolicy: "i"},
		},
	},
}

// court is one way in which all rulebooks come to be judged, each in a namespace of its own.
type court struct {
	t     *testing.T
	way   string
	began time.Time
}

func TestAllRulebooksAskEnough(t *testing.T) {
	n := 0
	for _, r := range rulebooks {
		n += len(r.asked)
	}
	if n < 40 {
		t.Errorf("the rulebooks ask %d times, want at least 40", n)
	}
}

func TestAdmissionAndTheManagerGiveTheSameVerdictInEveryOrder(t *testing.T) {
	t.Parallel()
	withWebhook := court{t, "up", time.Now()}
	without := court{t, "down", time.Now()}
	policiesLater := court{t, "later", time.Now()}
	var namespaces []string
	for _, c := range []court{withWebhook, without, policiesLater} {
		namespaces = append(namespaces, c.makeNamespaces()...)
	}
	options := runManagerIn(t, namespaces...)
	serveWebhook(t, admission.Handlers(options)).register(t, withWebhook.label(), "Fail")

	policiesLater.ask("")
	policiesLater.expectNoPolicy()
	for _, c := range []court{withWebhook, without, policiesLater} {
		c.makePolicies()
	}
	without.ask("")
	withWebhook.awaitWebhook()
	withWebhook.ask("denied the request: ")
	for _, c := range []court{without, policiesLater, withWebhook} {
		t.Run(c.way, func(t *testing.T) { c.expectVerdicts(t) })
	}
}

func (c court) label() string { return "verdicts-" + c.way }

func (c court) namespace(book string) string { return "verdicts-" + c.way + "-" + book }

func (c court) must(err error) {
	c.t.Helper()
	must(c.t, err)
}

func (c court) makeNamespaces() (made []string) {
	for name, book := range rulebooks {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: c.namespace(name), Labels: map[string]string{"own-policies": ""}}}
		maps.Copy(namespace.Labels, book.labels)
		if c.way == "up" {
			namespace.Labels[webhookLabel] = c.label()
		}
		c.must(admin(c.t).client(c.t).Create(c.t.Context(), namespace))
		c.t.Cleanup(func() { removeApiKeys(c.t, namespace.Name) })
		made = append(made, namespace.Name)
	}
	return made
}

func (c court) makePolicies() {
	for name, book := range rulebooks {
		for suffix, spec := range book.policies {
			policy := c.namespace(name) + "-" + suffix
			selector := fmt.Sprintf(`{"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":%q}},`, c.namespace(name))
			body := fmt.Sprintf(`{"apiVersion":"apikey-operator.dev/v1alpha1","kind":"ApiKeyPolicy","metadata":{"name":%q},"spec":%s%s}`,
				policy, selector, strings.TrimPrefix(spec, "{"))
			admin(c.t).send(c.t, policyRequest(http.MethodPost, "", body))
			c.t.Cleanup(func() { _, _ = admin(c.t).do(context.Background(), policyRequest(http.MethodDelete, policy, "")) })
		}
	}
}

// awaitWebhook returns once the API server asks.
func (c court) awaitWebhook() {
	o := &office{t: c.t, namespace: c.namespace("nothing")}
	o.awaitWebhook()
}

// ask makes the ApiKeys; with words before the refusals, those that are to be refused are refused.
func (c court) ask(refusedWith string) {
	for name, book := range rulebooks {
		for title, a := range book.asked {
			hash := fmt.Sprintf("%x", sha256.Sum256([]byte(c.namespace(name)+title)))
			r := create(c.namespace(name), apiKey(nameFor(title), c.in(strings.ReplaceAll(a.spec, "HASH", hash))))
			if refusedWith != "" && a.wantRefusal != "" {
				admin(c.t).sendRefused(c.t, r, refusedWith+c.words(name, a.wantRefusal))
				continue
			}
			admin(c.t).send(c.t, r)
		}
	}
}

// nameFor is a title as a name.
func nameFor(title string) string {
	return strings.Trim(regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(title), "-"), "-")
}

var inHours = regexp.MustCompile(`in (\d+)h`)

// in puts times for what is so many hours ahead.
func (c court) in(text string) string {
	return inHours.ReplaceAllStringFunc(text, func(found string) string {
		ahead, err := time.ParseDuration(strings.TrimPrefix(found, "in "))
		c.must(err)
		return c.began.Add(ahead).UTC().Format(time.RFC3339)
	})
}

// words are a refusal with the names that it holds here.
func (c court) words(book, text string) string {
	for suffix := range rulebooks[book].policies {
		text = strings.ReplaceAll(text, "policy NS"+suffix+" ", "policy "+c.namespace(book)+"-"+suffix+" ")
	}
	return c.in(strings.ReplaceAll(text, "namespace NS", "namespace "+c.namespace(book)))
}

// expectNoPolicy waits until the manager has refused everything, since there are no policies yet.
func (c court) expectNoPolicy() {
	for name, book := range rulebooks {
		for title := range book.asked {
			c.await(c.t, name, title, "no policy to be found", func(key *v1alpha1.ApiKey) error {
				accepted := meta.FindStatusCondition(key.Status.Conditions, v1alpha1.ConditionAccepted)
				if accepted == nil || accepted.Reason != v1alpha1.ReasonNoPolicy {
					return fmt.Errorf("it is %+v", accepted)
				}
				return nothingGranted(key)
			})
		}
	}
}

func (c court) expectVerdicts(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(rulebooks)) {
		for title, a := range rulebooks[name].asked {
			if c.way == "up" && a.wantRefusal != "" {
				continue // it is not stored
			}
			t.Run(name+"/"+title, func(t *testing.T) {
				c.await(t, name, title, "the manager's verdict", func(key *v1alpha1.ApiKey) error { return c.check(name, a, key) })
			})
		}
	}
}

// check compares what the manager says with what it should.
func (c court) check(book string, want asked, key *v1alpha1.ApiKey) error {
	accepted := meta.FindStatusCondition(key.Status.Conditions, v1alpha1.ConditionAccepted)
	if accepted == nil {
		return fmt.Errorf("nothing is said yet")
	}
	if want.wantRefusal == "" {
		if grant := key.Status.Grant; accepted.Status != metav1.ConditionTrue || grant == nil || grant.Policy != c.namespace(book)+"-"+want.wantPolicy {
			return fmt.Errorf("it is %s with the grant %+v", accepted.Message, grant)
		}
		if !meta.IsStatusConditionTrue(key.Status.Conditions, v1alpha1.ConditionUsable) {
			return fmt.Errorf("it is %s", key.Status.State)
		}
		return nil
	}
	if got, words := accepted.Reason+": "+accepted.Message, c.words(book, want.wantRefusal); got != words || key.Status.State != v1alpha1.StateDenied {
		return fmt.Errorf("it is %s, %q, want %q", key.Status.State, got, words)
	}
	return nothingGranted(key)
}

// nothingGranted is nil for an ApiKey that verifiers let nobody in by.
func nothingGranted(key *v1alpha1.ApiKey) error {
	if s := key.Status; s.Grant != nil || len(s.Credentials) > 0 || s.SecretRef != nil || s.State != v1alpha1.StateDenied {
		return fmt.Errorf("it is %s and has the grant %+v and the credentials %+v", s.State, s.Grant, s.Credentials)
	}
	return nil
}

func (c court) await(t *testing.T, book, title, what string, check func(*v1alpha1.ApiKey) error) {
	t.Helper()
	key, as := &v1alpha1.ApiKey{}, admin(t).client(t)
	var last error
	ctx, cancel := context.WithTimeout(t.Context(), settleTimeout)
	defer cancel()
	err := poll(ctx, func() (bool, error) {
		if err := as.Get(ctx, types.NamespacedName{Namespace: c.namespace(book), Name: nameFor(title)}, key); err != nil {
			return false, err
		}
		last = check(key)
		return last == nil, nil
	})
	if err != nil {
		t.Errorf("%s/%s: wait for %s: %v: %v", book, title, what, err, last)
	}
}
