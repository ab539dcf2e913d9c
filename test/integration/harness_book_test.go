package integration

import (
	"context"
	"fmt"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/controllers/apiobject"
	"github.com/apikey-operator/apikey-operator/controllers/policy"
	policyengine "github.com/apikey-operator/apikey-operator/internal/policy"
)

// caughtUp is a cache of policies and of one namespace that has heard of everything, for labs in which neither changes:
// their managers judge tens of thousands of times, while other tests come and go with policies of their own.
type caughtUp struct {
	client.Reader
	labels map[string]string // of the namespace
}

// everything are the policies of test/policies, which stand as long as the control plane does.
var everything struct {
	once     sync.Once
	policies []unstructured.Unstructured
	err      error
}

// List implements client.Reader for policies.
func (c caughtUp) List(ctx context.Context, list client.ObjectList, _ ...client.ListOption) error {
	policies, ok := list.(*unstructured.UnstructuredList)
	if !ok || policies.GetKind() != apiobject.NewPolicyList().GetKind() {
		return fmt.Errorf("a book listed %T", list)
	}
	everything.once.Do(func() {
		for _, name := range []string{"everything-for-a-tenant", "everything-without-a-tenant"} {
			p := apiobject.NewPolicy()
			if everything.err = c.Reader.Get(ctx, client.ObjectKey{Name: name}, p); everything.err != nil {
				return
			}
			everything.policies = append(everything.policies, *p)
		}
	})
	policies.Items = everything.policies
	return everything.err
}

// Get implements client.Reader for the labels of the namespace.
func (c caughtUp) Get(_ context.Context, _ client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	namespace, ok := into.(*metav1.PartialObjectMetadata)
	if !ok {
		return fmt.Errorf("a book read a %T", into)
	}
	namespace.Labels = c.labels
	return nil
}

// book judges by the policies of the cluster as they are, or in a lab without policies of its own by those that all
// such labs have.
func (l *lab) book() *policy.Book {
	if _, own := l.labels[ownPolicies]; own || l.byDefault != policyengine.DenyByDefault {
		return policy.NewBook(l.admin, l.byDefault)
	}
	return policy.NewBook(caughtUp{Reader: l.admin, labels: l.labels}, l.byDefault)
}
