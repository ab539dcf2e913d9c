package apikey

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

// managedByLabel marks our Secrets, for people; what belongs to whom is told by the owner reference.
const (
	managedByLabel = "app.kubernetes.io/managed-by"
	managedByValue = "apikey-operator"
)

// wantedSecret is the Secret that holds the value of a credential as it shall be written: a new one, or the given
// one with what others put there left alone, without what spec.secret asked for before and does not any
// more, and with no key of ours under another name than the wanted ones.
func wantedSecret(key *v1alpha1.ApiKey, existing *corev1.Secret, c lifecycle.Credential, value []byte) *corev1.Secret {
	wanted := &corev1.Secret{Type: secretType(key)}
	if existing != nil {
		wanted = existing.DeepCopy()
	}
	wanted.Namespace, wanted.Name = key.Namespace, key.SecretName()
	wanted.OwnerReferences = ownedBy(key, wanted.OwnerReferences)
	before := writtenBefore(existing)
	wanted.Labels = reshape(wanted.Labels, before.Labels, wantedLabels(key))
	wanted.Annotations = reshape(wanted.Annotations, slices.Concat(before.Annotations, ourAnnotations), wantedAnnotations(key, c))
	maps.DeleteFunc(wanted.Data, func(_ string, old []byte) bool { return isOurs(key, old) })
	wanted.Data = reshape(wanted.Data, before.Data, wantedData(key, c, value))
	return wanted
}

// isTidy says whether a Secret that holds a credential is what would be written.
func isTidy(key *v1alpha1.ApiKey, secret *corev1.Secret, c lifecycle.Credential) bool {
	wanted := wantedSecret(key, secret, c, secret.Data[key.SecretKey()])
	return equality.Semantic.DeepEqual(wanted.Data, secret.Data) &&
		equality.Semantic.DeepEqual(wanted.Labels, secret.Labels) &&
		equality.Semantic.DeepEqual(wanted.Annotations, secret.Annotations) &&
		equality.Semantic.DeepEqual(wanted.OwnerReferences, secret.OwnerReferences)
}

// reshape drops what was written before from a map, and adds what is wanted.
func reshape[V any](content map[string]V, before []string, wanted map[string]V) map[string]V {
	if content == nil {
		content = map[string]V{}
	}
	for _, name := range before {
		delete(content, name)
	}
	maps.Copy(content, wanted)
	return content
}

// written are the names that spec.secret asked for at the last write.
type written struct {
	Labels      []string `json:"labels,omitempty"`
	Annotations []string `json:"annotations,omitempty"`
	Data        []string `json:"data,omitempty"`
}

// writtenBefore reads them back. Whoever can change that annotation can change the whole Secret, so it need not be
// trusted; one that does not decode says nothing.
func writtenBefore(secret *corev1.Secret) written {
	var w written
	if secret == nil || json.Unmarshal([]byte(secret.Annotations[v1alpha1.WrittenAnnotation]), &w) != nil {
		return written{}
	}
	w.Annotations = slices.DeleteFunc(w.Annotations, func(name string) bool { return name == corev1.LastAppliedConfigAnnotation })
	return w
}

func namesWritten(key *v1alpha1.ApiKey) string {
	text, err := json.Marshal(written{
		Labels:      slices.Sorted(maps.Keys(key.Spec.Secret.Labels)),
		Annotations: slices.Sorted(maps.Keys(key.Spec.Secret.Annotations)),
		Data:        slices.Sorted(maps.Keys(wantedDataNames(key))),
	})
	if err != nil {
		panic(err) // three lists of strings
	}
	return string(text)
}

func wantedLabels(key *v1alpha1.ApiKey) map[string]string {
	labels := map[string]string{}
	for name, value := range key.Spec.Secret.Labels {
		labels[name] = string(value)
	}
	labels[managedByLabel] = managedByValue
	return labels
}

// ourAnnotations are all that may be written besides those of spec.secret.
var ourAnnotations = []string{
	v1alpha1.RevisionAnnotation, v1alpha1.HintAnnotation, v1alpha1.IssuedAtAnnotation, v1alpha1.ExpiresAtAnnotation, v1alpha1.WrittenAnnotation,
}

func wantedAnnotations(key *v1alpha1.ApiKey, c lifecycle.Credential) map[string]string {
	annotations := map[string]string{}
	for name, value := range key.Spec.Secret.Annotations {
		annotations[name] = string(value)
	}
	annotations[v1alpha1.RevisionAnnotation] = strconv.FormatInt(c.Revision, 10)
	annotations[v1alpha1.HintAnnotation] = c.Hint
	annotations[v1alpha1.IssuedAtAnnotation] = c.IssuedAt.UTC().Format(time.RFC3339)
	annotations[v1alpha1.WrittenAnnotation] = namesWritten(key)
	if expiry := expiryText(key); expiry != "" {
		annotations[v1alpha1.ExpiresAtAnnotation] = expiry
	}
	return annotations
}

func wantedDataNames(key *v1alpha1.ApiKey) map[string]struct{} {
	names := map[string]struct{}{key.SecretKey(): {}}
	for name := range key.Spec.Secret.Data {
		names[name] = struct{}{}
	}
	return names
}

// wantedData are the data keys of spec.secret, and the key itself.
func wantedData(key *v1alpha1.ApiKey, c lifecycle.Credential, value []byte) map[string][]byte {
	fill := strings.NewReplacer(
		"$(KEY)", string(value),
		"$(NAME)", key.Name,
		"$(NAMESPACE)", key.Namespace,
		"$(TENANT)", key.Spec.Tenant,
		"$(REVISION)", strconv.FormatInt(c.Revision, 10),
		"$(EXPIRES_AT)", expiryText(key),
		"$(HINT)", c.Hint,
	)
	data := map[string][]byte{}
	for name, template := range key.Spec.Secret.Data {
		data[name] = []byte(fill.Replace(string(template)))
	}
	data[key.SecretKey()] = value
	return data
}

func expiryText(key *v1alpha1.ApiKey) string {
	if key.Spec.ExpiresAt == nil {
		return ""
	}
	return timeOf(key.Spec.ExpiresAt).UTC().Format(time.RFC3339)
}

func secretType(key *v1alpha1.ApiKey) corev1.SecretType {
	if key.Spec.Secret.Type == "" {
		return corev1.SecretTypeOpaque
	}
	return corev1.SecretType(key.Spec.Secret.Type)
}
