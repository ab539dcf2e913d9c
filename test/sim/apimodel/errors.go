package apimodel

import (
	"errors"
	"fmt"
	"net/http"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// ErrNotModelled is what calls fail with that the model has no rules for.
var ErrNotModelled = errors.New("the model of the API server does not cover this")

func notModelled(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrNotModelled, fmt.Sprintf(format, args...))
}

func (i kindInfo) notFound(name string) error {
	return apierrors.NewNotFound(i.resource, name)
}

func (i kindInfo) alreadyExists(name string) error {
	return apierrors.NewAlreadyExists(i.resource, name)
}

func (i kindInfo) conflict(name, why string) error {
	return apierrors.NewConflict(i.resource, name, errors.New(why))
}

func (i kindInfo) invalid(name string, errs field.ErrorList) error {
	return apierrors.NewInvalid(i.kind.GroupKind(), name, errs)
}

// terminating is the refusal of the API server's NamespaceLifecycle admission.
func (i kindInfo) terminating(namespace, name string) error {
	err := apierrors.NewForbidden(i.resource, name,
		fmt.Errorf("unable to create new content in namespace %s because it is being terminated", namespace))
	err.ErrStatus.Details.Causes = append(err.ErrStatus.Details.Causes, metav1.StatusCause{
		Type:    corev1.NamespaceTerminatingCause,
		Message: fmt.Sprintf("namespace %s is being terminated", namespace),
		Field:   "metadata.namespace",
	})
	return err
}

// unexpected is what the API server makes of an error that its storage did not classify.
func unexpected(message string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusInternalServerError,
		Reason: metav1.StatusReasonUnknown, Message: message,
	}}
}
