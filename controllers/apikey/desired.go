package apikey

import (
	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/controllers/apispec"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

// desired is what an ApiKey asks for, with what is wrong about it in a way that its schema cannot tell. Then there
// is no rotation by time, and all else goes on.
func (r *Reconciler) desired(v view) (lifecycle.Desired, error) {
	key := v.key
	rotation, err := r.rotations.Of(key.Spec.Rotation, r.Clock.Now())
	return lifecycle.Desired{
		ID:          string(key.UID),
		Deleting:    !key.DeletionTimestamp.IsZero(),
		Revoked:     key.Spec.Revoked,
		ExpiresAt:   timeOf(key.Spec.ExpiresAt),
		Revision:    key.Spec.Revision,
		MinRevision: key.Spec.MinRevision,
		Rotation:    rotation.Rotation,
		MaxAge:      v.verdict.MaxEvery,
		RevealFor:   apispec.DurationOf(key.Spec.Secret.DeleteAfter),
		Source:      apispec.SourceOf(key),
	}, err
}

// secretOf is the name of the Secret that an ApiKey has to do with: its own, the one that it refers to, or none.
func secretOf(key *v1alpha1.ApiKey) string {
	switch apispec.SourceOf(key).Kind {
	case lifecycle.FromHash:
		return ""
	case lifecycle.FromSecret:
		return key.Spec.Source.SecretRef.Name
	case lifecycle.Generated:
	}
	return key.SecretName()
}
