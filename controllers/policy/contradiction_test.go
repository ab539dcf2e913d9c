package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"pgregory.net/rapid"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

var (
	labelNames  = []string{"a", "b", "c"}
	labelValues = []v1alpha1.SelectorValue{"", "x", "y"} // of selectors; namespaces may have another one
)

// drawSelector draws one that the schema accepts.
func drawSelector(t *rapid.T) v1alpha1.NamespaceSelector {
	s := v1alpha1.NamespaceSelector{MatchLabels: rapid.MapOfN(rapid.SampledFrom(labelNames), rapid.SampledFrom(labelValues), 0, 2).Draw(t, "matchLabels")}
	for range rapid.IntRange(0, 4).Draw(t, "expressions") {
		e := v1alpha1.SelectorRequirement{
			Key:      rapid.SampledFrom(labelNames).Draw(t, "key"),
			Operator: rapid.SampledFrom([]metav1.LabelSelectorOperator{"In", "NotIn", "Exists", "DoesNotExist"}).Draw(t, "operator"),
		}
		if e.Operator == "In" || e.Operator == "NotIn" {
			e.Values = rapid.SliceOfN(rapid.SampledFrom(labelValues), 1, 3).Draw(t, "values")
		}
		s.MatchExpressions = append(s.MatchExpressions, e)
	}
	return s
}

// labelSets are all that a namespace can have of the names, as far as the selectors can tell them apart.
func labelSets() []map[string]string {
	sets := []map[string]string{{}}
	for _, name := range labelNames {
		for _, set := range sets {
			for _, value := range []string{"", "x", "y", "another"} {
				further := map[string]string{name: value}
				for n, v := range set {
					further[n] = v
				}
				sets = append(sets, further)
			}
		}
	}
	return sets
}

// matches is what the documentation of Kubernetes says of label selectors.
func matches(s v1alpha1.NamespaceSelector, of map[string]string) bool {
	for name, want := range s.MatchLabels {
		if got, ok := of[name]; !ok || got != string(want) {
			return false
		}
	}
	for _, e := range s.MatchExpressions {
		got, has := of[e.Key]
		among := slices.Contains(e.Values, v1alpha1.SelectorValue(got))
		ok := map[metav1.LabelSelectorOperator]bool{"In": has && among, "NotIn": !has || !among, "Exists": has, "DoesNotExist": !has}[e.Operator]
		if !ok {
			return false
		}
	}
	return true
}

func TestASelectorSelectsAsLabelSelectorsDo(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawSelector(t)
		made, err := selectorOf(s)
		if err != nil {
			t.Fatal(err)
		}
		kubernetes := metav1.LabelSelector{MatchLabels: map[string]string{}}
		for name, value := range s.MatchLabels {
			kubernetes.MatchLabels[name] = string(value)
		}
		for _, e := range s.MatchExpressions {
			values := []string{}
			for _, v := range e.Values {
				values = append(values, string(v))
			}
			kubernetes.MatchExpressions = append(kubernetes.MatchExpressions, metav1.LabelSelectorRequirement{Key: e.Key, Operator: e.Operator, Values: values})
		}
		theirs, err := metav1.LabelSelectorAsSelector(&kubernetes)
		if err != nil {
			t.Fatal(err)
		}
		for _, set := range labelSets() {
			got, want, wantToo := made.Selects(set), matches(s, set), theirs.Matches(labels.Set(set))
			if got != want || got != wantToo {
				t.Fatalf("%v is selected: %t, want %t; by Kubernetes: %t", set, got, want, wantToo)
			}
		}
	})
}

func TestASelectorThatTheSchemaShouldHaveRefusedDoesNotSelect(t *testing.T) {
	t.Parallel()
	cases := map[string]v1alpha1.NamespaceSelector{
		"an operator of nodes":      {MatchExpressions: []v1alpha1.SelectorRequirement{{Key: "a", Operator: "Gt", Values: []v1alpha1.SelectorValue{"1"}}}},
		"In without values":         {MatchExpressions: []v1alpha1.SelectorRequirement{{Key: "a", Operator: "In"}}},
		"Exists with a value":       {MatchExpressions: []v1alpha1.SelectorRequirement{{Key: "a", Operator: "Exists", Values: labelValues}}},
		"a name that no label has":  {MatchLabels: map[string]v1alpha1.SelectorValue{"a b": ""}},
		"a value that no label has": {MatchLabels: map[string]v1alpha1.SelectorValue{"a": "-"}},
	}
	for name, spec := range cases {
		t.Run(name, func(t *testing.T) {
			if _, err := selectorOf(spec); err == nil {
				t.Error("a selector was made of it")
			}
			p := policyOf(&v1alpha1.ApiKeyPolicy{ObjectMeta: metav1.ObjectMeta{Name: "odd"}, Spec: v1alpha1.ApiKeyPolicySpec{NamespaceSelector: spec}})
			if p.Name != "odd" || !strings.Contains(p.Unreadable, "spec.namespaceSelector") || !p.Selects(nil) {
				t.Errorf("the policy is %+v, want one that cannot be read and names the field", p)
			}
		})
	}
}

func TestContradictionIsFoundJustWhereNoNamespaceWillDo(t *testing.T) {
	t.Parallel()
	sets := labelSets()
	rapid.Check(t, func(t *rapid.T) {
		p := &v1alpha1.ApiKeyPolicy{}
		p.Spec.NamespaceSelector = drawSelector(t)
		tenant := rapid.SampledFrom(append([]string{""}, labelNames...)).Draw(t, "tenantFromNamespaceLabel")
		p.Spec.TenantFromNamespaceLabel = tenant
		possible := slices.ContainsFunc(sets, func(set map[string]string) bool {
			return matches(p.Spec.NamespaceSelector, set) && (tenant == "" || set[tenant] != "")
		})
		if why := contradiction(p); (why == "") != possible {
			t.Fatalf("there is a namespace that will do: %t, and the contradiction is %q", possible, why)
		}
	})
}

func TestContradictionsNameTheFieldAndTheLabel(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	manyScopes := func(n int, further string) string {
		var scopes []string
		for i := range n {
			scopes = append(scopes, fmt.Sprintf("s%d: [x]", i))
		}
		return fmt.Sprintf(`{namespaceSelector: {}, scopes: {%s%s}}`, strings.Join(scopes, ", "), further)
	}
	cases := map[string]struct {
		spec string
		want string // empty: there is none
	}{
		"none in what selects all":       {`{namespaceSelector: {}}`, ""},
		"none in what nobody has so far": {`{namespaceSelector: {matchLabels: {team: nobody}}, tenantFromNamespaceLabel: team}`, ""},
		"two values": {
			`{namespaceSelector: {matchLabels: {team: a}, matchExpressions: [{key: team, operator: In, values: [b]}]}}`,
			"spec.namespaceSelector can select no namespace, since what it says of the label team contradicts itself",
		},
		"the first by name of several": {
			`{namespaceSelector: {matchExpressions: [{key: b, operator: Exists}, {key: b, operator: DoesNotExist}, {key: a, operator: Exists}, {key: a, operator: DoesNotExist}]}}`,
			"spec.namespaceSelector can select no namespace, since what it says of the label a contradicts itself",
		},
		"a tenant's label that is absent": {
			`{namespaceSelector: {matchExpressions: [{key: tenant, operator: DoesNotExist}]}, tenantFromNamespaceLabel: tenant}`,
			"spec.namespaceSelector selects no namespace whose label tenant holds a tenant, and spec.tenantFromNamespaceLabel asks for one",
		},
		"a tenant's label that is empty": {
			`{namespaceSelector: {matchLabels: {tenant: ""}}, tenantFromNamespaceLabel: tenant}`,
			"spec.namespaceSelector selects no namespace whose label tenant holds a tenant, and spec.tenantFromNamespaceLabel asks for one",
		},
		"a selector that cannot be": {
			`{namespaceSelector: {matchExpressions: [{key: tenant, operator: In}]}}`, "spec.namespaceSelector: values: Invalid value",
		},
		"none in as many scopes as a key can have": {manyScopes(8, ""), ""},
		"none in the scope for all others":         {manyScopes(8, `, "*": [x]`), ""},
		"more scopes than a key can have": {
			manyScopes(9, ""), "spec.scopes names 9 that an ApiKey has to give, and it can give 8",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := contradiction(c.typed("probe", tc.spec)); (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
				t.Errorf("the contradiction is %q, want %q", got, tc.want)
			}
		})
	}
}
