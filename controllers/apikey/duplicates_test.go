package apikey

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// shelf is a reader of some ApiKeys that can be searched by the indexes.
type shelf struct {
	objects []unstructured.Unstructured
	err     error
}

func (s shelf) List(_ context.Context, into client.ObjectList, options ...client.ListOption) error {
	asked := (&client.ListOptions{}).ApplyOptions(options)
	list, ok := into.(*unstructured.UnstructuredList)
	if !ok || asked.FieldSelector == nil {
		return fmt.Errorf("%T are listed by %v", into, asked.FieldSelector)
	}
	for _, requirement := range asked.FieldSelector.Requirements() {
		for _, object := range s.objects {
			if slices.Contains(Indexes[requirement.Field](&object), requirement.Value) {
				list.Items = append(list.Items, object)
			}
		}
	}
	return s.err
}

func (s shelf) Get(_ context.Context, name client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	for _, object := range s.objects {
		if client.ObjectKeyFromObject(&object) == name {
			object.DeepCopyInto(into.(*unstructured.Unstructured))
			return s.err
		}
	}
	if s.err != nil {
		return s.err
	}
	return apierrors.NewNotFound(schema.GroupResource{Resource: "apikeys"}, name.Name)
}

const someDigits = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

// another is an ApiKey by its name, with more of what it holds as fields.
func another(name string, fields map[string]any) unstructured.Unstructured {
	object := unstructured.Unstructured{Object: map[string]any{}}
	object.SetNamespace("elsewhere")
	object.SetName(name)
	object.SetUID(types.UID("uid-of-" + name))
	for path, value := range fields {
		if err := unstructured.SetNestedField(object.Object, value, strings.Split(path, ".")...); err != nil {
			panic(err)
		}
	}
	return object
}

func granted(digits string) map[string]any {
	return map[string]any{"status.credentials": []any{map[string]any{"hash": "sha256:" + digits}}}
}

func wished(digits string, more ...string) map[string]any {
	fields := map[string]any{"spec.source.hash.sha256": digits}
	for i := 0; i < len(more); i += 2 {
		fields[more[i]] = more[i+1]
	}
	return fields
}

func TestAnImportIsADuplicateOfWhoeverHasOrAsksForTheHash(t *testing.T) {
	cases := map[string]struct {
		others []unstructured.Unstructured
		want   bool
	}{
		"nobody":                     {nil, false},
		"another hash":               {[]unstructured.Unstructured{another("a", granted(strings.Repeat("0", 64)))}, false},
		"one that was granted it":    {[]unstructured.Unstructured{another("a", granted(someDigits))}, true},
		"one that asks for it":       {[]unstructured.Unstructured{another("a", wished(someDigits))}, true},
		"one that was denied it":     {[]unstructured.Unstructured{another("a", wished(someDigits, "status.state", "Denied"))}, false},
		"one that is being deleted":  {[]unstructured.Unstructured{another("a", wished(someDigits, "metadata.deletionTimestamp", "2027-01-10T12:00:00Z"))}, false},
		"itself":                     {[]unstructured.Unstructured{another("key", wished(someDigits))}, false},
		"its predecessor":            {[]unstructured.Unstructured{another("same-name", wished(someDigits, "metadata.namespace", "phoenix", "metadata.name", "key"))}, false},
		"one of its name elsewhere":  {[]unstructured.Unstructured{another("b", wished(someDigits, "metadata.name", "key"))}, true},
		"one of several":             {[]unstructured.Unstructured{another("key", wished(someDigits)), another("b", granted(someDigits))}, true},
		"a generated key's hash too": {[]unstructured.Unstructured{another("a", map[string]any{"status.credentials": []any{map[string]any{"hash": "v1:" + someDigits}}})}, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			for _, d := range []Duplicates{{Cached: shelf{objects: c.others}}, {Cached: shelf{objects: c.others}, Live: shelf{objects: c.others}}} {
				message, err := d.Duplicate(t.Context(), importing(someDigits))
				if err != nil || (message != "") != c.want {
					t.Errorf("the message is %q, %v, want one: %t", message, err, c.want)
				}
				for _, told := range []string{"elsewhere", someDigits} {
					if strings.Contains(message, told) {
						t.Errorf("the message names the other: %s", message)
					}
				}
			}
		})
	}
}

func importing(digits string) *v1alpha1.ApiKey {
	return &v1alpha1.ApiKey{
		ObjectMeta: metav1.ObjectMeta{Namespace: "phoenix", Name: "key", UID: "uid-of-key"},
		Spec:       v1alpha1.ApiKeySpec{Source: &v1alpha1.KeySource{Hash: &v1alpha1.HashSource{SHA256: digits}}},
	}
}

func TestALiveLookFindsThatADuplicateIsGone(t *testing.T) {
	cached := shelf{objects: []unstructured.Unstructured{another("a", granted(someDigits)), another("b", wished(someDigits))}}
	live := shelf{objects: []unstructured.Unstructured{another("b", wished(strings.Repeat("0", 64)))}}
	if message, err := (Duplicates{Cached: cached, Live: live}).Duplicate(t.Context(), importing(someDigits)); message != "" || err != nil {
		t.Errorf("the message is %q, %v, want none", message, err)
	}
}

func TestThatDuplicatesCannotBeLookedForIsSaidWithoutTheHash(t *testing.T) {
	down := errors.New("down")
	known := shelf{objects: []unstructured.Unstructured{another("a", granted(someDigits))}}
	for name, d := range map[string]Duplicates{
		"in the caches": {Cached: shelf{err: down}},
		"live":          {Cached: known, Live: shelf{err: down}},
	} {
		_, err := d.Duplicate(t.Context(), importing(someDigits))
		if !errors.Is(err, down) || strings.Contains(err.Error(), someDigits) {
			t.Errorf("%s the error is %v", name, err)
		}
	}
}

func TestOnlyImportsAreSearchedFor(t *testing.T) {
	generated := &v1alpha1.ApiKey{}
	if message, err := (Duplicates{Cached: shelf{err: errors.New("no")}}).Duplicate(t.Context(), generated); message != "" || err != nil {
		t.Errorf("the message is %q, %v, want none", message, err)
	}
}
