package policy

import (
	"fmt"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

// mostScopes is how many scopes an ApiKey can have.
const mostScopes = 8

// contradiction is why a policy can never admit anything, whatever is asked and wherever; empty where it can. All
// other bounds leave room: the schema sees to it that each for itself does, and no two speak of the same thing.
func contradiction(p *v1alpha1.ApiKeyPolicy) string {
	demanded := len(p.Spec.Scopes)
	if _, further := p.Spec.Scopes[policy.Any]; further {
		demanded--
	}
	if demanded > mostScopes {
		return fmt.Sprintf("spec.scopes names %d that an ApiKey has to give, and it can give %d: move some to another policy", demanded, mostScopes)
	}
	return selectsNothing(p)
}

// selectsNothing is why no namespace can satisfy a policy's selector and what it asks of labels besides.
func selectsNothing(p *v1alpha1.ApiKeyPolicy) string {
	selects, err := selectorOf(p.Spec.NamespaceSelector)
	if err != nil {
		return err.Error()
	}
	byLabel := map[string]*wanted{}
	requirements, _ := selects.Requirements()
	for i := range requirements {
		byLabel[requirements[i].Key()] = byLabel[requirements[i].Key()].and(&requirements[i])
	}
	for _, label := range sets.List(sets.KeySet(byLabel)) {
		if byLabel[label].impossible() {
			return fmt.Sprintf("spec.namespaceSelector can select no namespace, since what it says of the label %s contradicts itself", label)
		}
	}
	tenant := p.Spec.TenantFromNamespaceLabel
	if w := byLabel[tenant]; tenant != "" && w != nil && !w.tenantPossible() {
		return fmt.Sprintf("spec.namespaceSelector selects no namespace whose label %s holds a tenant, and spec.tenantFromNamespaceLabel asks for one", tenant)
	}
	return ""
}

// wanted is what requirements say of one label.
type wanted struct {
	present, absent bool
	among           sets.Set[string] // nil: any value
	not             sets.Set[string]
}

func (w *wanted) and(r *labels.Requirement) *wanted {
	if w == nil {
		w = &wanted{not: sets.New[string]()}
	}
	values := sets.New(r.ValuesUnsorted()...)
	switch r.Operator() {
	case selection.Exists:
		w.present = true
	case selection.DoesNotExist:
		w.absent = true
	case selection.NotIn, selection.NotEquals:
		w.not = w.not.Union(values)
	case selection.In, selection.Equals, selection.DoubleEquals:
		w.present = true
		if w.among != nil {
			values = values.Intersection(w.among)
		}
		w.among = values
	case selection.GreaterThan, selection.LessThan: // no label selector of an object has them
	}
	return w
}

// impossible says whether no label, and no absence of it, will do.
func (w *wanted) impossible() bool {
	if !w.present {
		return false // an absent label satisfies NotIn as well
	}
	return w.absent || w.among != nil && w.among.Difference(w.not).Len() == 0
}

// tenantPossible says whether the label can hold what is not empty.
func (w *wanted) tenantPossible() bool {
	return !w.absent && (w.among == nil || w.among.Difference(w.not).Delete("").Len() > 0)
}
