package apikey

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/controllers/apiobject"
	"github.com/apikey-operator/apikey-operator/controllers/apispec"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

// sourceHashIndex finds the ApiKeys that import a hash, also those that nobody has looked at yet.
const sourceHashIndex = "sourceHash"

// sourceHashes is the hash that an ApiKey imports, which need not decode.
func sourceHashes(object client.Object) []string {
	content, ok := object.(*unstructured.Unstructured)
	if !ok {
		return nil
	}
	digits, _, _ := unstructured.NestedString(content.Object, "spec", "source", "hash", "sha256")
	if digits == "" {
		return nil
	}
	return []string{keys.ImportedPrefix + digits}
}

// Duplicates tells whoever imports a key that another ApiKey has it, before it is stored. Only the manager's controller
// decides whose claim comes first; until then all of them are reported that may come before.
type Duplicates struct {
	Cached client.Reader
	// Live confirms what the caches say, which may not have heard that the other one is gone; nil to believe them.
	Live client.Reader
}

// claimsBy are the ways to have a hash: to have been granted it or to have asked for it.
var claimsBy = map[string]client.IndexerFunc{HashIndex: HashesOf, sourceHashIndex: sourceHashes}

// Duplicate is what the Accepted condition says of an ApiKey that imports the key of another; empty where it does not.
func (d Duplicates) Duplicate(ctx context.Context, key *v1alpha1.ApiKey) (string, error) {
	source := apispec.SourceOf(key)
	if source.Kind != lifecycle.FromHash {
		return "", nil
	}
	for _, index := range []string{HashIndex, sourceHashIndex} {
		list := apiobject.NewList()
		if err := d.Cached.List(ctx, list, client.MatchingFields{index: source.Hash}, client.UnsafeDisableDeepCopy); err != nil {
			return "", fmt.Errorf("look for other ApiKeys with the same key: %w", err)
		}
		for i := range list.Items {
			other, err := d.confirm(ctx, &list.Items[i])
			if err != nil {
				return "", err
			}
			if other != nil && claims(other, key, index, source.Hash) {
				return denials[lifecycle.DeniedDuplicate].message, nil
			}
		}
	}
	return "", nil
}

// confirm is an ApiKey as it is now; nil where it is gone.
func (d Duplicates) confirm(ctx context.Context, cached *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if d.Live == nil {
		return cached, nil
	}
	object := apiobject.New()
	if err := d.Live.Get(ctx, client.ObjectKeyFromObject(cached), object); err != nil {
		if client.IgnoreNotFound(err) == nil {
			return nil, nil
		}
		return nil, fmt.Errorf("read another ApiKey with the same key: %w", err)
	}
	return object, nil
}

// claims says whether an ApiKey lays claim to a hash that another, which is about to be stored, imports. One of the same
// name is the same or makes way for it. What is being deleted claims nothing, nor does a wish that was denied.
func claims(other *unstructured.Unstructured, key *v1alpha1.ApiKey, index, hash string) bool {
	if other.GetUID() == key.UID || other.GetNamespace() == key.Namespace && other.GetName() == key.Name || other.GetDeletionTimestamp() != nil {
		return false
	}
	state, _, _ := unstructured.NestedString(other.Object, "status", "state")
	denied := index == sourceHashIndex && state == string(v1alpha1.StateDenied)
	return !denied && slices.Contains(claimsBy[index](other), hash)
}
