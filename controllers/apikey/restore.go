package apikey

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/controllers/apispec"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

// adoptable is the key in a Secret that an ApiKey without a status may take over: it is written as ours, it
// looks like what would be generated, and no other ApiKey has it. Only in restore mode.
func (r *Reconciler) adoptable(ctx context.Context, v view) (lifecycle.Adoptable, error) {
	none, key, secret := lifecycle.Adoptable{}, v.key, v.secret
	if !r.RestoreMode || secret == nil || len(key.Status.Credentials) > 0 || !writtenAsOurs(key, secret) {
		return none, nil
	}
	value := secret.Data[key.SecretKey()]
	hint, ok := formatOf(v).Recognize(value)
	if !ok {
		return none, nil
	}
	found := lifecycle.Adoptable{Hash: keys.HashV1(value).Encode(), Hint: hint, Revision: revisionOf(secret), IssuedAt: issuedAtOf(secret)}
	others, err := r.claimants(ctx, found.Hash)
	if err != nil || len(others) > 0 {
		return none, err
	}
	return found, nil
}

// writtenAsOurs says whether a Secret is marked and owned as one of this ApiKey or of an earlier one of its name,
// or owned by nobody, as some backup tools restore it.
func writtenAsOurs(key *v1alpha1.ApiKey, secret *corev1.Secret) bool {
	if apispec.SourceOf(key).Kind != lifecycle.Generated || secret.Labels[managedByLabel] != managedByValue {
		return false
	}
	controller := metav1.GetControllerOf(secret)
	return controller == nil || isApiKey(controller) && controller.Name == key.Name
}

// formatOf is what a generated key looks like: as the spec says, and where it says nothing as the policy does that
// admits it.
func formatOf(v view) keys.Format {
	format := keys.Format{Prefix: v.key.Spec.Format.Prefix, Bytes: int(v.key.Spec.Format.Bytes)}
	if format.Prefix == "" {
		format.Prefix = v.verdict.Format.Prefix
	}
	if format.Bytes == 0 {
		format.Bytes = max(keys.DefaultBytes, v.verdict.Format.Bytes)
	}
	return format
}

// revisionOf is the revision that a Secret says it holds, 1 where it does not say.
func revisionOf(secret *corev1.Secret) int64 {
	const most = 500_000_000 // as in the API
	revision, err := strconv.ParseInt(secret.Annotations[v1alpha1.RevisionAnnotation], 10, 64)
	if err != nil || revision < 1 || revision > most {
		return 1
	}
	return revision
}

func issuedAtOf(secret *corev1.Secret) time.Time {
	issuedAt, err := time.Parse(time.RFC3339, secret.Annotations[v1alpha1.IssuedAtAnnotation])
	if err != nil || issuedAt.Year() < 2000 {
		return time.Time{}
	}
	return issuedAt.Truncate(time.Second)
}

// viewReferenced says what a Secret is that somebody else manages; nil for none. Without the label that offers it
// nothing of its contents is looked at.
func viewReferenced(key *v1alpha1.ApiKey, secret *corev1.Secret, minLen int) lifecycle.Secret {
	switch {
	case secret == nil:
		return lifecycle.Secret{State: lifecycle.SecretAbsent}
	case secret.Labels[v1alpha1.KeySourceLabel] != "true":
		return lifecycle.Secret{State: lifecycle.SecretNotOffered}
	}
	value, ok := secret.Data[key.SourceKey()]
	if !ok {
		return lifecycle.Secret{State: lifecycle.SecretAbsent}
	}
	view := lifecycle.Secret{State: lifecycle.SecretOffered}
	if view.Unfit = unfitness(value); view.Unfit != lifecycle.NotDenied {
		return view
	}
	view.Hash, view.Hint = keys.SHA256(value).Encode(), keys.HintOfReference(value)
	switch taken := isCurrent(key, view.Hash); {
	case len(value) >= minLen:
	case taken:
		view.Short = true
	default:
		return lifecycle.Secret{State: lifecycle.SecretOffered, Unfit: lifecycle.DeniedWeak}
	}
	return view
}

func isCurrent(key *v1alpha1.ApiKey, hash string) bool {
	return slices.ContainsFunc(key.Status.Credentials, func(c v1alpha1.Credential) bool {
		return c.State == v1alpha1.CredentialCurrent && c.Hash == hash
	})
}

// unfitness says why a value is no key that could be taken over.
func unfitness(value []byte) lifecycle.Denial {
	switch err := keys.CheckImported(value); {
	case err == nil:
		return lifecycle.NotDenied
	case errors.Is(err, keys.ErrWeakKey):
		return lifecycle.DeniedWeak
	default:
		return lifecycle.DeniedMalformed
	}
}
