package integration

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/controllers/apiobject"
)

func TestUglyValuesAreAcceptedOrRefusedAsKnown(t *testing.T) {
	t.Parallel()
	namespace := freshNamespace(t)
	for part, values := range uglyValues {
		for i, title := range slices.Sorted(maps.Keys(values)) {
			value := values[title]
			t.Run(part+": "+title, func(t *testing.T) {
				body, err := sendUgly(t, namespace, fmt.Sprintf("ugly-%s-%d", part, i), part, value.json)
				switch {
				case value.wantRefused == "" && err != nil:
					t.Errorf("refused with %q, want it accepted", err)
				case value.wantRefused != "" && err == nil:
					t.Errorf("accepted as %s, want it refused with %q", body, value.wantRefused)
				case value.wantRefused != "" && !strings.Contains(err.Error(), value.wantRefused):
					t.Errorf("refused with %q, want it to contain %q", err, value.wantRefused)
				}
				if err == nil {
					checkDecodes(t, body)
				}
			})
		}
	}
}

// What the manager reads it writes back with one thing changed, so no stored status may be one that the
// API server takes only in the form in which it came.
func TestUglyStatusesCanBeWrittenBack(t *testing.T) {
	t.Parallel()
	namespace := freshNamespace(t)
	asManager := manager(t).client(t)
	for title, object := range storeUglyApiKeys(t, namespace) {
		t.Run(title, func(t *testing.T) {
			key := &v1alpha1.ApiKey{}
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, key); err != nil {
				t.Fatal(err)
			}
			key.Status.State = v1alpha1.StateRevoked
			if err := asManager.Status().Update(t.Context(), key); err != nil {
				t.Errorf("write the status back: %v", err)
			}
		})
	}
}

// checkDecodes fails the test if an ApiKey that the API server sent does not decode in each way in which
// Go programs do that.
func checkDecodes(t *testing.T, body []byte) {
	t.Helper()
	if err := decodes(body); err != nil {
		t.Errorf("%s was accepted, but %v", body, err)
	}
}

func decodes(body []byte) error {
	var problems []error
	if err := json.Unmarshal(body, &v1alpha1.ApiKey{}); err != nil {
		problems = append(problems, fmt.Errorf("encoding/json says: %w", err))
	}
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(body); err != nil {
		return fmt.Errorf("it is no object: %w", err)
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &v1alpha1.ApiKey{}); err != nil {
		problems = append(problems, fmt.Errorf("the converter of unstructured objects says: %w", err))
	}
	return errors.Join(problems...)
}

// policyDecodes says why a policy that the API server sent is none that can be judged by.
func policyDecodes(body []byte) error {
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(body); err != nil {
		return fmt.Errorf("it is no object: %w", err)
	}
	if _, err := apiobject.DecodePolicy(object); err != nil {
		return err
	}
	selector := &metav1.LabelSelector{}
	content, _, err := unstructured.NestedMap(object.Object, "spec", "namespaceSelector")
	if err != nil {
		return err
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(content, selector); err != nil {
		return err
	}
	_, err = metav1.LabelSelectorAsSelector(selector)
	return err
}
