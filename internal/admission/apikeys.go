package admission

import (
	"context"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

// codeUnreadable is for an ApiKey that this version cannot decode. The manager has no reason for it: it sets no condition
// on what it cannot read.
const codeUnreadable = "ApiKeyUnreadable"

// apiKeys judges ApiKeys that are about to be stored.
type apiKeys struct {
	Options
}

// handle refuses what would not be granted. An update that leaves alone what is judged always passes, so that suspending,
// revoking, labels and finalizers are never held up by a policy that was tightened meanwhile; and so does whatever is
// revoked or being deleted, since it is granted nothing.
func (h *apiKeys) handle(ctx context.Context, request admission.Request) (admission.Response, error) {
	before, after, err := objectsOf(request)
	if err != nil {
		return admission.Response{}, err
	}
	isUpdate := request.Operation == admissionv1.Update
	if !isWrite(request) || after.isBeingDeleted() || isUpdate && sameSpec(before, after) {
		return allow(), nil
	}
	changed := changeOf(request, before, after)
	key := &v1alpha1.ApiKey{}
	if err := after.decode(key); err != nil {
		return unreadable(changed, err), nil
	}
	key.Namespace = request.Namespace
	switch {
	case key.Spec.Revoked:
		return allow(), nil
	case !changed.request:
		warnings := h.standing(ctx, key)
		if changed.networks {
			warnings = append(warnings, networkAdvice(&key.Spec)...)
		}
		return allow(warnings...), nil
	}
	return h.judge(ctx, key, changed)
}

func unreadable(changed change, err error) admission.Response {
	f := finding{code: codeUnreadable, text: "this version cannot read the ApiKey, so nothing would be granted: correct it: " + err.Error()}
	if !changed.request {
		return allow(f.String())
	}
	return refuse(f)
}

// judge refuses or accepts an ApiKey that asks for something.
func (h *apiKeys) judge(ctx context.Context, key *v1alpha1.ApiKey, changed change) (admission.Response, error) {
	now := h.Clock.Now()
	found, err := h.lookTwice(ctx, key, changed, now)
	if err != nil {
		return admission.Response{}, err
	}
	against, warnings := found.against, found.warnings
	if wrong := h.rotation(key, now); wrong != nil && changed.rotation {
		against = append(against, *wrong)
	} else if wrong != nil {
		warnings = append(warnings, wrong.String())
	}
	if len(against) > 0 {
		return refuse(against...), nil
	}
	return allow(append(warnings, advice(&key.Spec)...)...), nil
}

// found is what a look at the cluster has against an ApiKey.
type found struct {
	against  []finding
	warnings []string
}

// lookTwice goes by the caches where they have nothing against an ApiKey, since the manager judges it again. They may
// not have heard yet of a namespace or a policy that was sent right before, so all else is decided on a live look.
func (h *apiKeys) lookTwice(ctx context.Context, key *v1alpha1.ApiKey, changed change, now time.Time) (found, error) {
	cached, err := look(ctx, h.Cached, key, changed, now)
	if err == nil && len(cached.against) == 0 || !h.LiveLooks.Allow() {
		return cached, err
	}
	live, liveErr := look(ctx, h.Live, key, changed, now)
	if liveErr != nil && err == nil {
		return cached, nil // refused as far as anybody can tell
	}
	return live, liveErr
}

// look asks policy, and then for duplicates: whoever may not import keys is not told whether somebody has one.
func look(ctx context.Context, at Look, key *v1alpha1.ApiKey, changed change, now time.Time) (f found, err error) {
	verdict, err := at.Judge.Judge(ctx, key, now)
	if err != nil {
		return f, err
	}
	for _, warning := range verdict.Warnings {
		f.warnings = append(f.warnings, "reported and not refused: "+byPolicy(warning).String())
	}
	if !verdict.Admitted {
		f.against = append(f.against, byPolicy(verdict.Refusal))
		return f, nil
	}
	if !changed.source {
		return f, nil
	}
	duplicate, err := at.Duplicates.Duplicate(ctx, key)
	if duplicate != "" {
		f.against = append(f.against, finding{code: v1alpha1.ReasonDuplicateKey, text: duplicate})
	}
	return f, err
}

func byPolicy(f policy.Finding) finding {
	return finding{code: string(f.Code()), text: f.String(), byPolicy: true}
}

// rotation is what is wrong about when a key is rotated; nil where nothing is.
func (h *apiKeys) rotation(key *v1alpha1.ApiKey, now time.Time) *finding {
	if err := h.Rotation(key.Spec.Rotation, now); err != nil {
		return &finding{code: v1alpha1.ReasonInvalidSchedule, text: err.Error()}
	}
	return nil
}

// standing is what is wrong about an ApiKey that asks for what it asked for before. That it cannot be told keeps nobody
// from suspending a key.
func (h *apiKeys) standing(ctx context.Context, key *v1alpha1.ApiKey) (warnings []string) {
	now := h.Clock.Now()
	if f, err := look(ctx, h.Cached, key, change{}, now); err == nil {
		for _, against := range f.against {
			warnings = append(warnings, "stored, but nothing is granted: "+against.String())
		}
		warnings = append(warnings, f.warnings...)
	}
	if wrong := h.rotation(key, now); wrong != nil {
		warnings = append(warnings, "stored, but not rotated by the clock: "+wrong.String())
	}
	return warnings
}
