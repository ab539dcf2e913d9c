package apimodel

import (
	"bytes"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	metavalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// checkVersion refuses an update that was not decided on the current state.
func checkVersion(info kindInfo, current, sent *metav1.ObjectMeta) error {
	version, err := parseVersion(sent.ResourceVersion)
	switch {
	case err != nil:
		return unexpected(err.Error())
	case version == 0 && info.unconditional:
		return nil
	case version == 0:
		return info.invalid(current.Name, field.ErrorList{
			field.Invalid(field.NewPath("metadata", "resourceVersion"), version, "must be specified for an update"),
		})
	case sent.ResourceVersion != current.ResourceVersion:
		return info.conflict(current.Name,
			"the object has been modified; please apply your changes to the latest version and try again")
	default:
		return nil
	}
}

func checkPreconditions(info kindInfo, current *metav1.ObjectMeta, preconditions *metav1.Preconditions) error {
	if preconditions == nil {
		return nil
	}
	if uid := preconditions.UID; uid != nil && *uid != current.UID {
		return info.conflict(current.Name, fmt.Sprintf("the UID in the precondition (%s) does not match the UID in record (%s). "+
			"The object might have been deleted and then recreated", *uid, current.UID))
	}
	if version := preconditions.ResourceVersion; version != nil && *version != current.ResourceVersion {
		return info.conflict(current.Name, fmt.Sprintf("the ResourceVersion in the precondition (%s) does not match the "+
			"ResourceVersion in record (%s). The object might have been modified", *version, current.ResourceVersion))
	}
	return nil
}

// successor is the state that an update asks for, with all that it may not change as it was.
func successor(current, draft *record, p part) *record {
	if p == statusPart {
		meta := *current.meta
		next := current.withMeta(&meta)
		next.status, next.statusDefaulted = keepIfEqual(current.status, draft.status), false
		return next
	}
	meta := *draft.meta
	if meta.UID == "" {
		meta.UID = current.meta.UID
	}
	meta.ResourceVersion = current.meta.ResourceVersion
	meta.Generation = current.meta.Generation
	meta.CreationTimestamp = current.meta.CreationTimestamp
	meta.ManagedFields = nil
	if current.meta.DeletionTimestamp != nil {
		meta.DeletionTimestamp = current.meta.DeletionTimestamp
	}
	if meta.DeletionGracePeriodSeconds == nil {
		meta.DeletionGracePeriodSeconds = current.meta.DeletionGracePeriodSeconds
	}
	if draft.kind == ApiKeys {
		draft.spec = keepIfEqual(current.spec, draft.spec)
		if draft.spec != current.spec {
			meta.Generation++
		}
		draft.status = current.status
	}
	return draft.withMeta(&meta)
}

// sameContent says that a write of next would change nothing, so the API server leaves it.
func sameContent(current, next *record) bool {
	if !sameMeta(current.meta, next.meta) {
		return false
	}
	if current.kind == Secrets {
		return samePointed(current.secret.Immutable, next.secret.Immutable) && sameData(current.secret, next.secret)
	}
	return current.spec == next.spec && current.status == next.status && current.statusDefaulted == next.statusDefaulted
}

func sameData(a, b *corev1.Secret) bool { return maps.EqualFunc(a.Data, b.Data, bytes.Equal) }

// validate checks the rules that the API server has for metadata and for Secrets; current is nil for a
// new object. Names, labels and annotations are not checked.
func validate(next, current *record) field.ErrorList {
	path := field.NewPath("metadata")
	errs := metavalidation.ValidateOwnerReferences(next.meta.OwnerReferences, path.Child("ownerReferences"))
	errs = append(errs, metavalidation.ValidateFinalizers(next.meta.Finalizers, path.Child("finalizers"))...)
	if current != nil {
		errs = append(errs, validateMetaUpdate(next.meta, current.meta, path)...)
	}
	if next.kind == Secrets {
		errs = append(errs, validateSecret(next.secret)...)
		if current != nil {
			errs = append(errs, validateSecretUpdate(next.secret, current.secret)...)
		}
	}
	return errs
}

func validateMetaUpdate(next, current *metav1.ObjectMeta, path *field.Path) field.ErrorList {
	errs := unchanged(next.UID == current.UID, path.Child("uid"), next.UID)
	errs = append(errs, unchanged(next.DeletionTimestamp.Equal(current.DeletionTimestamp),
		path.Child("deletionTimestamp"), next.DeletionTimestamp)...)
	errs = append(errs, unchanged(samePointed(next.DeletionGracePeriodSeconds, current.DeletionGracePeriodSeconds),
		path.Child("deletionGracePeriodSeconds"), next.DeletionGracePeriodSeconds)...)
	if current.DeletionTimestamp != nil {
		errs = append(errs, metavalidation.ValidateNoNewFinalizers(next.Finalizers, current.Finalizers, path.Child("finalizers"))...)
	}
	return errs
}

func unchanged(same bool, path *field.Path, value any) field.ErrorList {
	if same {
		return nil
	}
	return field.ErrorList{field.Invalid(path, value, metavalidation.FieldImmutableErrorMsg)}
}

func validateSecret(secret *corev1.Secret) field.ErrorList {
	var errs field.ErrorList
	size := 0
	for name, value := range secret.Data {
		for _, message := range validation.IsConfigMapKey(name) {
			errs = append(errs, field.Invalid(field.NewPath("data").Key(name), name, message))
		}
		size += len(value)
	}
	if size > corev1.MaxSecretSize {
		errs = append(errs, field.TooLong(field.NewPath("data"), "", corev1.MaxSecretSize))
	}
	return errs
}

func validateSecretUpdate(next, current *corev1.Secret) field.ErrorList {
	errs := unchanged(next.Type == current.Type, field.NewPath("type"), next.Type)
	if current.Immutable == nil || !*current.Immutable {
		return errs
	}
	const message = "field is immutable when `immutable` is set"
	if next.Immutable == nil || !*next.Immutable {
		errs = append(errs, field.Forbidden(field.NewPath("immutable"), message))
	}
	if !sameData(next, current) {
		errs = append(errs, field.Forbidden(field.NewPath("data"), message))
	}
	return errs
}
