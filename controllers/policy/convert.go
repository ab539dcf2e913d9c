package policy

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/controllers/apiobject"
	"github.com/apikey-operator/apikey-operator/controllers/apispec"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

// selector selects as label selectors do everywhere in Kubernetes.
type selector struct{ labels.Selector }

// Selects implements policy.Selector.
func (s selector) Selects(of map[string]string) bool { return s.Matches(labels.Set(of)) }

// selectorOf fails on what the schema should have refused.
func selectorOf(spec v1alpha1.NamespaceSelector) (selector, error) {
	converted := metav1.LabelSelector{}
	if len(spec.MatchLabels) > 0 {
		converted.MatchLabels = map[string]string{}
	}
	for name, value := range spec.MatchLabels {
		converted.MatchLabels[name] = string(value)
	}
	for _, e := range spec.MatchExpressions {
		converted.MatchExpressions = append(converted.MatchExpressions, metav1.LabelSelectorRequirement{
			Key: e.Key, Operator: e.Operator, Values: apispec.Strings(e.Values),
		})
	}
	made, err := metav1.LabelSelectorAsSelector(&converted)
	if err != nil {
		return selector{}, fmt.Errorf("spec.namespaceSelector: %w", err)
	}
	return selector{made}, nil
}

// read is a policy as it is judged by; one that does not decode is one that cannot be read.
func read(object *unstructured.Unstructured) policy.Policy {
	decoded, err := apiobject.DecodePolicy(object)
	if err != nil {
		return policy.Policy{Name: object.GetName(), Unreadable: err.Error()}
	}
	return policyOf(decoded)
}

func policyOf(p *v1alpha1.ApiKeyPolicy) policy.Policy {
	selects, err := selectorOf(p.Spec.NamespaceSelector)
	if err != nil {
		return policy.Policy{Name: p.Name, Unreadable: err.Error()}
	}
	converted := policy.Policy{
		Name:         p.Name,
		Selector:     selects,
		WarnOnly:     p.Spec.Enforcement == v1alpha1.EnforcementWarn,
		Permissions:  apispec.Strings(p.Spec.Permissions),
		Tenants:      apispec.Strings(p.Spec.Tenants),
		TenantLabel:  p.Spec.TenantFromNamespaceLabel,
		Scopes:       map[string][]string{},
		AllowImport:  p.Spec.AllowImport,
		MaxLifetime:  apispec.DurationOf(p.Spec.MaxLifetime),
		MaxRateLimit: apispec.RateLimitOf(p.Spec.MaxRateLimit),
		Format:       policy.Format{Prefix: p.Spec.Format.Prefix, Bytes: int(p.Spec.Format.MinBytes)},
	}
	for name, values := range p.Spec.Scopes {
		converted.Scopes[name] = apispec.Strings(values)
	}
	if required := p.Spec.RequireRotation; required != nil {
		converted.RequireRotation = &policy.RequiredRotation{}
		if required.MaxEvery != nil {
			converted.RequireRotation.MaxEvery = &required.MaxEvery.Duration
		}
		if required.MaxGracePeriod != nil {
			converted.RequireRotation.MaxGrace = &required.MaxGracePeriod.Duration
		}
	}
	return converted
}
