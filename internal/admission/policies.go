package admission

import (
	"context"
	"fmt"

	admissionv1 "k8s.io/api/admission/v1"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// apiKeyPolicies tells whoever changes an ApiKeyPolicy what that brings about. It refuses none that can be read: which
// policies there are is for whoever may write them to decide.
type apiKeyPolicies struct {
	Options

	// counting holds who counts losses: each looks at all ApiKeys of some namespaces, and whoever reaches the webhook
	// may ask for it.
	counting chan struct{}
}

func newApiKeyPolicies(o Options) *apiKeyPolicies {
	return &apiKeyPolicies{Options: o, counting: make(chan struct{}, 1)}
}

func (h *apiKeyPolicies) handle(ctx context.Context, request admission.Request) (admission.Response, error) {
	before, after, err := objectsOf(request)
	if err != nil {
		return admission.Response{}, err
	}
	isDeletion := request.Operation == admissionv1.Delete
	switch {
	case request.SubResource != "", !isWrite(request) && !isDeletion:
		return allow(), nil
	case request.Operation == admissionv1.Update && sameSpec(before, after):
		return allow(), nil
	}
	was, _ := h.read(before) // one that could not be read admitted nothing
	will, problem := h.read(after)
	if problem != "" {
		return refuse(finding{code: v1alpha1.ReasonPolicyUnreadable,
			text: "such a policy would admit nothing, in any namespace: correct it: " + problem}), nil
	}
	return allow(append(h.contents(will), h.losses(ctx, was, will)...)...), nil
}

// read is a policy, or why nobody can tell what it says; neither where there is none.
func (h *apiKeyPolicies) read(o object) (*v1alpha1.ApiKeyPolicy, string) {
	if o == nil {
		return nil, ""
	}
	p := &v1alpha1.ApiKeyPolicy{}
	if err := o.decode(p); err != nil {
		return nil, err.Error()
	}
	if problem := h.Policies.Unreadable(p); problem != "" {
		return nil, problem
	}
	return p, ""
}

// contents warns of a policy that does nothing, or more than its author may think.
func (h *apiKeyPolicies) contents(p *v1alpha1.ApiKeyPolicy) (warnings []string) {
	if p == nil {
		return nil
	}
	if why := h.Policies.Contradiction(p); why != "" {
		warnings = append(warnings, v1alpha1.ReasonSelfContradictory+": the policy can never admit anything: "+why)
	}
	if selector := p.Spec.NamespaceSelector; len(selector.MatchLabels)+len(selector.MatchExpressions) == 0 {
		warnings = append(warnings, "spec.namespaceSelector is empty and selects every namespace: give matchLabels or matchExpressions if that is not meant")
	}
	if p.Spec.Enforcement == v1alpha1.EnforcementWarn {
		warnings = append(warnings, v1alpha1.ReasonWarnOnly+
			": what the policy would refuse is reported; it neither admits nor refuses anything until spec.enforcement is Deny")
	}
	return warnings
}

// losses warns of grants that end. Where they cannot all be counted in time, what was counted is told.
func (h *apiKeyPolicies) losses(ctx context.Context, before, after *v1alpha1.ApiKeyPolicy) []string {
	lost, err := h.count(ctx, before, after)
	var count string
	switch {
	case err != nil && lost == 0:
		logf.FromContext(ctx).Error(err, "count the ApiKeys that lose their grants")
		return []string{"how many ApiKeys lose their grants by this could not be counted in time"}
	case err != nil:
		count = fmt.Sprintf("at least %d ApiKeys lose their grants", lost)
	case lost == 0:
		return nil
	case lost == 1:
		count = "1 ApiKey loses its grant"
	default:
		count = fmt.Sprintf("%d ApiKeys lose their grants", lost)
	}
	return []string{count + " by this, and those keys stop working: undo it to restore them; --dry-run=server tells beforehand"}
}

// count counts losses when nobody else does.
func (h *apiKeyPolicies) count(ctx context.Context, before, after *v1alpha1.ApiKeyPolicy) (int, error) {
	select {
	case h.counting <- struct{}{}:
		defer func() { <-h.counting }()
		return h.Policies.Losses(ctx, before, after, h.Clock.Now())
	case <-ctx.Done():
		return 0, fmt.Errorf("wait for another count to end: %w", ctx.Err())
	}
}
