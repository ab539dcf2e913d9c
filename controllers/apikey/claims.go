package apikey

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/controllers/apiobject"
	"github.com/apikey-operator/apikey-operator/controllers/apispec"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

// HashIndex finds the ApiKeys whose status lists a hash.
const HashIndex = "credentialHash"

// HashesOf are the hashes that the status of an ApiKey lists, which need not decode: the values of HashIndex.
func HashesOf(object client.Object) []string {
	content, ok := object.(*unstructured.Unstructured)
	if !ok {
		return nil
	}
	credentials, _, _ := unstructured.NestedFieldNoCopy(content.Object, "status", "credentials")
	list, _ := credentials.([]any)
	hashes := make([]string, 0, len(list))
	for _, item := range list {
		credential, _ := item.(map[string]any)
		if hash, ok := credential["hash"].(string); ok && !slices.Contains(hashes, hash) {
			hashes = append(hashes, hash)
		}
	}
	return hashes
}

// claim is what ranks the ApiKeys that have the same key. The first is answered for: a generated key before a
// referenced one before an imported hash, then the claim that was recorded first. The time at which an ApiKey
// was made does not count, or an old one could be turned into a claim on the key of another.
type claim struct {
	kind     lifecycle.SourceKind
	issuedAt int64 // seconds since the epoch
	uid      types.UID
}

func claimOn(key *v1alpha1.ApiKey, hash string) claim {
	c := claim{kind: apispec.SourceOf(key).Kind, issuedAt: math.MaxInt64, uid: key.UID}
	for _, credential := range key.Status.Credentials {
		if credential.Hash == hash {
			c.issuedAt = min(c.issuedAt, credential.IssuedAt.Unix())
		}
	}
	return c
}

// claimOrder ranks the kinds of sources.
var claimOrder = map[lifecycle.SourceKind]int{lifecycle.Generated: 0, lifecycle.FromSecret: 1, lifecycle.FromHash: 2}

func (c claim) before(other claim) bool {
	return cmp.Or(
		cmp.Compare(claimOrder[c.kind], claimOrder[other.kind]),
		cmp.Compare(c.issuedAt, other.issuedAt),
		strings.Compare(string(c.uid), string(other.uid)),
	) < 0
}

// isDuplicate says whether another ApiKey's claim on a key comes before this one's. Caches are enough: where they
// are stale, the event that mends them brings another look.
func (r *Reconciler) isDuplicate(ctx context.Context, key *v1alpha1.ApiKey, hash string) (bool, error) {
	others, err := r.claimants(ctx, hash)
	if err != nil {
		return false, err
	}
	first := firstClaimant(others, hash, key.UID)
	return first != nil && claimOn(first, hash).before(claimOn(key, hash)), nil
}

func (r *Reconciler) claimants(ctx context.Context, hash string) ([]unstructured.Unstructured, error) {
	list := apiobject.NewList()
	err := r.Cached.List(ctx, list, client.MatchingFields{HashIndex: hash}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil, fmt.Errorf("look for other ApiKeys with the same key: %w", err)
	}
	return list.Items, nil
}

// claimedHashes are the keys for which an ApiKey wants to be answered for: that of the view's Secret, of the spec,
// or those on record.
func claimedHashes(v view) []string {
	switch source := apispec.SourceOf(v.key); {
	case source.Kind == lifecycle.FromHash:
		return []string{source.Hash}
	case source.Kind == lifecycle.FromSecret && v.seen.Hash != "":
		return []string{v.seen.Hash}
	}
	var hashes []string
	for _, c := range v.key.Status.Credentials {
		if c.State == v1alpha1.CredentialCurrent {
			hashes = append(hashes, c.Hash)
		}
	}
	return hashes
}

// rivals wakes the ApiKeys that have a key in common with one that has changed or gone.
func (r *Reconciler) rivals() handler.Funcs {
	type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) { r.wakeRivals(ctx, q, e.Object) },
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) {
			before, after := HashesOf(e.ObjectOld), HashesOf(e.ObjectNew)
			if !slices.Equal(before, after) || !e.ObjectNew.GetDeletionTimestamp().Equal(e.ObjectOld.GetDeletionTimestamp()) {
				r.wakeRivals(ctx, q, e.ObjectOld, e.ObjectNew)
			}
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) { r.wakeRivals(ctx, q, e.Object) },
	}
}

// wakeRivals wakes the first of the other claimants alone: nobody else's claim can come to be, or cease to be, the
// first by this change.
func (r *Reconciler) wakeRivals(ctx context.Context, q workqueue.TypedRateLimitingInterface[reconcile.Request], changed ...client.Object) {
	for _, object := range changed {
		for _, hash := range HashesOf(object) {
			others, err := r.claimants(ctx, hash)
			if err != nil {
				ctrl.LoggerFrom(ctx).Error(err, "wake the ApiKeys with the same key")
				return
			}
			if first := firstClaimant(others, hash, object.GetUID()); first != nil {
				q.Add(requestFor(first))
			}
		}
	}
}

// firstClaimant is the ApiKey whose claim on a hash comes first, one of them left aside; nil for none. What is being
// deleted or does not decode is served to nobody.
func firstClaimant(claimants []unstructured.Unstructured, hash string, without types.UID) *v1alpha1.ApiKey {
	var first *v1alpha1.ApiKey
	for i := range claimants {
		if claimants[i].GetUID() == without {
			continue
		}
		key, err := apiobject.Decode(&claimants[i])
		if err == nil && key.DeletionTimestamp.IsZero() && (first == nil || claimOn(key, hash).before(claimOn(first, hash))) {
			first = key
		}
	}
	return first
}

func requestFor(object client.Object) reconcile.Request {
	return reconcile.Request{NamespacedName: client.ObjectKeyFromObject(object)}
}

// clockOffset is by how much the API server's clock is ahead of ours, zero where that may be chance.
func (r *Reconciler) clockOffset() time.Duration {
	offset := r.ClockOffset()
	if offset.Abs() <= lifecycle.ClockTolerance {
		return 0
	}
	return offset
}
