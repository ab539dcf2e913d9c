package apikey

import (
	"context"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/controllers/apiobject"
)

// cacheOf is a reader of a fixed list.
type cacheOf struct {
	client.Reader
	items []unstructured.Unstructured
}

// List implements client.Reader.
func (c cacheOf) List(_ context.Context, into client.ObjectList, _ ...client.ListOption) error {
	into.(*unstructured.UnstructuredList).Items = c.items
	return nil
}

func inState(t *testing.T, state string) unstructured.Unstructured {
	t.Helper()
	object := apiobject.New()
	if err := unstructured.SetNestedField(object.Object, state, "status", "state"); err != nil {
		t.Fatal(err)
	}
	return *object
}

func TestApiKeysAreCountedByStateWhenAsked(t *testing.T) {
	collector := NewCollector(cacheOf{items: []unstructured.Unstructured{
		inState(t, "Active"), inState(t, "Active"), inState(t, "Revoked"), inState(t, ""), inState(t, "Nonsense"),
	}})
	const want = `
# HELP apikey_operator_apikeys ApiKeys by state; Unknown are those that the manager has not looked at.
# TYPE apikey_operator_apikeys gauge
apikey_operator_apikeys{state="Active"} 2
apikey_operator_apikeys{state="Denied"} 0
apikey_operator_apikeys{state="Expired"} 0
apikey_operator_apikeys{state="Expiring"} 0
apikey_operator_apikeys{state="Pending"} 0
apikey_operator_apikeys{state="Revoked"} 1
apikey_operator_apikeys{state="Suspended"} 0
apikey_operator_apikeys{state="Unknown"} 2
`
	if err := testutil.CollectAndCompare(collector, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
