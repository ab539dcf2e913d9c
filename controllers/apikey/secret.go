package apikey

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/controllers/apispec"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

// viewSecret says what a Secret that was read live is to an ApiKey; nil for none. A referenced key has to have at
// least so many characters.
func viewSecret(key *v1alpha1.ApiKey, secret *corev1.Secret, minLen int) lifecycle.Secret {
	if apispec.SourceOf(key).Kind == lifecycle.FromSecret {
		return viewReferenced(key, secret, minLen)
	}
	if secret == nil {
		return lifecycle.Secret{State: lifecycle.SecretAbsent}
	}
	view := lifecycle.Secret{State: ownership(key, secret)}
	if view.State != lifecycle.SecretOurs {
		return view
	}
	if value, ok := secret.Data[key.SecretKey()]; ok {
		view.Hash = keys.HashV1(value).Encode()
	}
	view.Misplaced = misplaced(key, secret)
	view.Immutable = secret.Immutable != nil && *secret.Immutable
	if i := slices.IndexFunc(key.Status.Credentials, func(c v1alpha1.Credential) bool { return c.Hash == view.Hash }); i >= 0 {
		view.Tidy = isTidy(key, secret, fromAPI(key.Status.Credentials[i]))
	}
	return view
}

// ownership goes by the controller reference. A Secret that lost it is still ours if it is the object
// that we made or if it holds one of our keys: a restore, or a hand that was too quick.
func ownership(key *v1alpha1.ApiKey, secret *corev1.Secret) lifecycle.SecretState {
	controller := metav1.GetControllerOf(secret)
	switch {
	case controller == nil && (madeByUs(key, secret) || holdsOurs(key, secret)):
		return lifecycle.SecretOurs
	case controller == nil:
		return lifecycle.SecretForeign
	case controller.UID == key.UID:
		return lifecycle.SecretOurs
	case isApiKey(controller) && controller.Name == key.Name && holdsOurs(key, secret): // both restored, with another UID
		return lifecycle.SecretOurs
	case isApiKey(controller) && controller.Name == key.Name:
		return lifecycle.SecretOfPredecessor
	default:
		return lifecycle.SecretForeign
	}
}

func madeByUs(key *v1alpha1.ApiKey, secret *corev1.Secret) bool {
	return key.Status.SecretRef != nil && key.Status.SecretRef.UID == string(secret.UID)
}

func holdsOurs(key *v1alpha1.ApiKey, secret *corev1.Secret) bool {
	for _, value := range secret.Data {
		if isOurs(key, value) {
			return true
		}
	}
	return false
}

// misplaced is the hash of a credential of ours that stands under another data key than the wanted one.
func misplaced(key *v1alpha1.ApiKey, secret *corev1.Secret) string {
	for _, name := range sortedNames(secret.Data) {
		if name != key.SecretKey() && isOurs(key, secret.Data[name]) {
			return keys.HashV1(secret.Data[name]).Encode()
		}
	}
	return ""
}

// isOurs says whether a value is the key of one of the ApiKey's credentials.
func isOurs(key *v1alpha1.ApiKey, value []byte) bool {
	if !keys.ChecksumOK(value) {
		return false
	}
	hash := keys.HashV1(value).Encode()
	return slices.ContainsFunc(key.Status.Credentials, func(c v1alpha1.Credential) bool { return c.Hash == hash })
}

// findValue is the value in a Secret that has this hash, under whichever data key.
func findValue(secret *corev1.Secret, hash string) []byte {
	for _, value := range secret.Data {
		if keys.HashV1(value).Encode() == hash {
			return value
		}
	}
	return nil
}

// ownedBy makes the ApiKey the controller, so that deleting it removes the Secret. It does not block the
// owner's deletion: that would ask for a right on finalizers, and nothing is gained by waiting.
func ownedBy(key *v1alpha1.ApiKey, references []metav1.OwnerReference) []metav1.OwnerReference {
	if slices.ContainsFunc(references, func(r metav1.OwnerReference) bool { return isOwner(key, r) }) {
		return references // a cluster may ask for a further right to change them, so they are left as they are
	}
	isController := true
	others := slices.DeleteFunc(slices.Clone(references), func(r metav1.OwnerReference) bool {
		return r.UID == key.UID || isApiKey(&r) && r.Name == key.Name
	})
	return append(others, metav1.OwnerReference{
		APIVersion: v1alpha1.GroupVersion.String(),
		Kind:       v1alpha1.ApiKeyKind.Kind,
		Name:       key.Name,
		UID:        key.UID,
		Controller: &isController,
	})
}

// isOwner says whether a reference is the one that we write: a slip in any part of it would mislead the
// garbage collector.
func isOwner(key *v1alpha1.ApiKey, r metav1.OwnerReference) bool {
	return r.UID == key.UID && r.Name == key.Name && r.APIVersion == v1alpha1.GroupVersion.String() &&
		r.Kind == v1alpha1.ApiKeyKind.Kind && r.Controller != nil && *r.Controller
}

func isApiKey(reference *metav1.OwnerReference) bool {
	group, err := schema.ParseGroupVersion(reference.APIVersion)
	return err == nil && group.Group == v1alpha1.GroupName && reference.Kind == v1alpha1.ApiKeyKind.Kind
}

func referenceTo(secret *corev1.Secret, minLength int) *v1alpha1.SecretReference {
	return &v1alpha1.SecretReference{
		MinLength:       int32(minLength),
		Name:            secret.Name,
		UID:             string(secret.UID),
		ResourceVersion: secret.ResourceVersion,
	}
}
