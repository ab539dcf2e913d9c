package apikey

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/controllers/apiobject"
	"github.com/apikey-operator/apikey-operator/controllers/apispec"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

// view is one look at an ApiKey and its Secret, cached or live.
type view struct {
	key    *v1alpha1.ApiKey
	secret *corev1.Secret // only in a live view; nil where there is none
	seen   lifecycle.Secret

	verdict   policy.Verdict      // what policy makes of it
	duplicate bool                // another ApiKey's claim on the key comes first
	adoptable lifecycle.Adoptable // only in a live view, in restore mode
	invalid   error               // what is wrong about the spec in a way that its schema cannot tell

	lookedAt time.Time // when the reads for a write of the Secret began
}

// fetch reads an ApiKey: from the caches, or live.
func fetch(ctx context.Context, reader client.Reader, name types.NamespacedName) (*v1alpha1.ApiKey, error) {
	object := apiobject.New()
	if err := reader.Get(ctx, name, object); err != nil {
		return nil, err
	}
	return apiobject.Decode(object)
}

// cachedView believes the caches only that nothing has changed: where the Secret is not the one that the
// status recorded, or the spec is newer than the status, it says that a live look is needed.
func (r *Reconciler) cachedView(ctx context.Context, key *v1alpha1.ApiKey) (view, error) {
	v, err := r.judge(ctx, key)
	if err != nil {
		return v, err
	}
	v.seen.State = lifecycle.SecretUnread
	name, recorded := secretOf(key), key.Status.SecretRef
	if name != "" && key.Status.ObservedGeneration == key.Generation {
		secret := &metav1.PartialObjectMetadata{}
		secret.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
		err := r.Cached.Get(ctx, types.NamespacedName{Namespace: key.Namespace, Name: name}, secret)
		switch {
		case client.IgnoreNotFound(err) != nil:
			return v, fmt.Errorf("look for Secret %s in the cache: %w", name, err)
		case err != nil && recorded == nil:
			v.seen.State = lifecycle.SecretGoneAsRecorded
		case err == nil && recorded != nil && isRecorded(secret, recorded) && int(recorded.MinLength) >= v.minLength():
			v.seen.State = lifecycle.SecretAsRecorded
		}
	}
	return r.compared(ctx, v)
}

// judge begins a view with what policy makes of the ApiKey.
func (r *Reconciler) judge(ctx context.Context, key *v1alpha1.ApiKey) (view, error) {
	verdict, err := r.Judge.Judge(ctx, key, r.Clock.Now())
	if err != nil {
		return view{}, fmt.Errorf("judge the ApiKey by policy: %w", err)
	}
	return view{key: key, verdict: verdict}, nil
}

// minLength is how many characters a referenced key must have by policy, and zero for a generated one.
func (v view) minLength() int {
	if apispec.SourceOf(v.key).Kind != lifecycle.FromSecret {
		return 0
	}
	return v.verdict.Format.Bytes
}

// isRecorded says whether a Secret is in the very state that the status recorded.
func isRecorded(secret *metav1.PartialObjectMetadata, recorded *v1alpha1.SecretReference) bool {
	return secret.Name == recorded.Name && string(secret.UID) == recorded.UID && secret.ResourceVersion == recorded.ResourceVersion
}

// compared adds what other ApiKeys have to do with a view.
func (r *Reconciler) compared(ctx context.Context, v view) (view, error) {
	for _, hash := range claimedHashes(v) {
		duplicate, err := r.isDuplicate(ctx, v.key, hash)
		if err != nil {
			return v, err
		}
		v.duplicate = v.duplicate || duplicate
	}
	return v, nil
}

// viewToRecord reads what a status write is decided on: the ApiKey first, since the write carries its
// resource version, and so fails if any status was written after this look at it.
func (r *Reconciler) viewToRecord(ctx context.Context, name types.NamespacedName) (view, error) {
	key, err := fetch(ctx, r.Live, name)
	if err != nil {
		return view{}, err
	}
	secret, err := r.liveSecret(ctx, key)
	if err != nil {
		return view{}, err
	}
	return r.liveView(ctx, key, secret)
}

// viewToPublish reads what a write of the Secret is decided on, in the other order for the same reason.
// The name of the Secret cannot change between the two: the API server refuses that once a credential
// stands in the status, and only then is there something to publish.
func (r *Reconciler) viewToPublish(ctx context.Context, planned *v1alpha1.ApiKey) (view, error) {
	secret, err := r.liveSecret(ctx, planned)
	if err != nil {
		return view{}, err
	}
	key, err := fetch(ctx, r.Live, nameOf(planned))
	if err != nil {
		return view{}, err
	}
	if key.UID != planned.UID || key.SecretName() != planned.SecretName() {
		return view{}, errChanged
	}
	return r.liveView(ctx, key, secret)
}

func (r *Reconciler) liveView(ctx context.Context, key *v1alpha1.ApiKey, secret *corev1.Secret) (view, error) {
	r.held.settle(key, r.Clock.Now())
	v, err := r.judge(ctx, key)
	if err != nil {
		return v, err
	}
	v.secret, v.seen = secret, viewSecret(key, secret, v.minLength())
	if v.adoptable, err = r.adoptable(ctx, v); err != nil {
		return v, err
	}
	return r.compared(ctx, v)
}

// liveSecret is the Secret that an ApiKey has to do with as the API server has it now; nil where there is none.
func (r *Reconciler) liveSecret(ctx context.Context, key *v1alpha1.ApiKey) (*corev1.Secret, error) {
	name := secretOf(key)
	if name == "" {
		return nil, nil
	}
	secret := &corev1.Secret{}
	err := r.Live.Get(ctx, types.NamespacedName{Namespace: key.Namespace, Name: name}, secret)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read Secret %s: %w", name, err)
	}
	return secret, nil
}

// plan asks the pure planner about a view, and notes in it what is wrong about the spec.
func (r *Reconciler) plan(v *view) lifecycle.Plan {
	observed := lifecycle.Observed{
		Credentials:     credentialsOf(v.key),
		RecordedExpired: v.key.Status.State == v1alpha1.StateExpired,
		Secret:          v.seen,
		Adoptable:       v.adoptable,
		Refused:         !v.verdict.Admitted,
		Duplicate:       v.duplicate,
		Held:            r.held.recorded(v.key),
		ClockOffset:     r.clockOffset(),
	}
	if grant := v.key.Status.Grant; grant != nil {
		observed.GrantExpiresAt = timeOf(grant.ExpiresAt)
	}
	var desired lifecycle.Desired
	desired, v.invalid = r.desired(*v)
	plan := lifecycle.Next(desired, observed, r.Settings, r.Clock.Now())
	if later := v.verdict.Later; !later.IsZero() && (plan.Wake.IsZero() || later.Before(plan.Wake)) {
		plan.Wake = later
	}
	return plan
}

func credentialsOf(key *v1alpha1.ApiKey) []lifecycle.Credential {
	converted := make([]lifecycle.Credential, 0, len(key.Status.Credentials))
	for _, c := range key.Status.Credentials {
		converted = append(converted, fromAPI(c))
	}
	return converted
}

func fromAPI(c v1alpha1.Credential) lifecycle.Credential {
	return lifecycle.Credential{
		Revision:    c.Revision,
		State:       lifecycle.CredentialState(c.State),
		Hash:        c.Hash,
		Hint:        c.Hint,
		Cause:       lifecycle.Cause(c.Cause),
		IssuedAt:    c.IssuedAt.Time,
		PublishedAt: timeOf(c.PublishedAt),
		RetiredAt:   timeOf(c.RetiredAt),
		NotAfter:    timeOf(c.NotAfter),
	}
}
func toAPI(credentials []lifecycle.Credential) []v1alpha1.Credential {
	var converted []v1alpha1.Credential
	for _, c := range credentials {
		converted = append(converted, v1alpha1.Credential{
			Revision:    c.Revision,
			State:       v1alpha1.CredentialState(c.State),
			Hash:        c.Hash,
			Hint:        c.Hint,
			Cause:       v1alpha1.Cause(c.Cause),
			IssuedAt:    metav1.NewTime(c.IssuedAt),
			PublishedAt: toTime(c.PublishedAt),
			RetiredAt:   toTime(c.RetiredAt),
			NotAfter:    toTime(c.NotAfter),
		})
	}
	return converted
}

// timeOf reads a time at the precision that a status stores, so that a spec with fractions of a second
// equals the grant that was made from it.
func timeOf(t *metav1.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.Truncate(time.Second)
}

func toTime(t time.Time) *metav1.Time {
	if t.IsZero() {
		return nil
	}
	return &metav1.Time{Time: t}
}

func sortedNames(data map[string][]byte) []string {
	return slices.Sorted(maps.Keys(data))
}
