package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// SecretTarget says where the plaintext goes.
//
// +kubebuilder:validation:XValidation:rule="!has(self.data) || !((has(self.key) ? self.key : 'api-key') in self.data)",message="must not have an entry under secret.key (api-key where that is not given), which holds the plaintext: name the entry otherwise, or change secret.key",fieldPath=".data"
type SecretTarget struct {
	// name of the Secret, in the ApiKey's namespace; where empty, the ApiKey's own name. May not
	// change once a credential was issued.
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="size(self) == 0 || self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",message="must be the name of a Secret: lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit, such as site24x7-monitor"
	// +optional
	Name string `json:"name,omitempty"`

	// key is the data key that holds the plaintext. Changing it removes the old one in the same
	// write. Default: api-key.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[-._a-zA-Z0-9]+$') && self != '.' && !self.startsWith('..')",message="must be a key of a Secret's data: letters, digits, '-', '_' and '.', and neither '.' nor beginning with '..', such as api-key"
	// +kubebuilder:default=api-key
	// +optional
	Key string `json:"key,omitempty"`

	// labels of the Secret, besides ours: at most 32, none of *kubernetes.io/ (but app.kubernetes.io/ other than
	// managed-by), *k8s.io/ or *apikey-operator.dev/. Default: none. Example: {app.kubernetes.io/part-of: billing}.
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) <= 317 && k.indexOf('/') <= 253 && k.matches('^([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'))",message="each name must be at most 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit, after a lower-case domain and '/' where it has one, such as example.com/team"
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) > 317 || !k.matches('(kubernetes[.]io|k8s[.]io|apikey-operator[.]dev)/') || (k.startsWith('app.kubernetes.io/') && k != 'app.kubernetes.io/managed-by'))",message="must not have labels of *kubernetes.io/ (but app.kubernetes.io/ other than managed-by), *k8s.io/ or *apikey-operator.dev/, which mean something to controllers: use a domain of your own, such as example.com/team"
	// +optional
	Labels map[string]LabelValue `json:"labels,omitempty"`

	// annotations of the Secret, besides ours, such as one that makes stakater/Reloader restart its
	// consumers: at most 32 of 1024 characters each, and none of the domains that labels may not have either.
	// Default: none. Example: {reloader.stakater.com/match: "true"}.
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) <= 317 && k.indexOf('/') <= 253 && k.matches('^([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'))",message="each name must be at most 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit, after a lower-case domain and '/' where it has one, such as example.com/contact"
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) > 317 || !k.matches('(kubernetes[.]io|k8s[.]io|apikey-operator[.]dev)/') || (k.startsWith('app.kubernetes.io/') && k != 'app.kubernetes.io/managed-by'))",message="must not have annotations of *kubernetes.io/ (but app.kubernetes.io/ other than managed-by), *k8s.io/ or *apikey-operator.dev/, which mean something to controllers: use a domain of your own, such as example.com/contact"
	// +optional
	Annotations map[string]AnnotationValue `json:"annotations,omitempty"`

	// type of the Secret: Opaque, or one of another domain than *kubernetes.io, whose types make controllers act.
	// It may not change. At most 253 characters. Default: Opaque. Example: example.com/api-key.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self == 'Opaque' || (self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$') && !self.contains('kubernetes.io/'))",message="must be Opaque, or a type of a domain outside *kubernetes.io, such as example.com/api-key"
	// +optional
	Type string `json:"type,omitempty"`

	// data are further data keys: literal text in which $(KEY), $(NAME), $(NAMESPACE), $(TENANT),
	// $(REVISION), $(EXPIRES_AT) and $(HINT) stand for what they name, and no other $( may stand. At most 16
	// entries of 4096 characters with 64 placeholders each; none under the name that key has. Default: none.
	// Example: {".env": "API_KEY=$(KEY)"}.
	// +kubebuilder:validation:MaxProperties=16
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) <= 253 && k.matches('^[-._a-zA-Z0-9]+$') && k != '.' && !k.startsWith('..'))",message="each name must be a key of a Secret's data: at most 253 letters, digits, '-', '_' and '.', and neither '.' nor beginning with '..', such as .env"
	// +optional
	Data map[string]DataTemplate `json:"data,omitempty"`

	// deleteAfter reveals the key once: the Secret is removed that long after it was written, and from
	// then on only the hash stays. A rotation writes it anew for as long again. Hours, minutes and
	// seconds, 10s to 8760h. Default: none, the Secret stays. Example: 1h.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="size(self) > 0 && self.matches('^([0-9]{1,5}h)?([0-9]{1,7}m)?([0-9]{1,9}s)?$') && duration(self) >= duration('10s') && duration(self) <= duration('8760h')",message="must be whole hours, minutes and seconds in that order, from 10s to 8760h, such as 1h"
	// +optional
	DeleteAfter *metav1.Duration `json:"deleteAfter,omitempty"`
}

// LabelValue is the value of a label.
//
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:XValidation:rule="size(self) == 0 || self.matches('^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$')",message="a label's value must consist of letters, digits, '-', '_' and '.' and begin and end with a letter or digit, such as payments"
type LabelValue string

// AnnotationValue is the value of an annotation.
//
// +kubebuilder:validation:MaxLength=1024
type AnnotationValue string

// The bound on the number of placeholders keeps what comes of all entries together below what a Secret may hold. The
// rules forbid rather than call the value invalid, or a refusal would repeat all of it.

// DataTemplate is text for a Secret in which placeholders stand.
//
// +kubebuilder:validation:MaxLength=4096
// +kubebuilder:validation:XValidation:rule=`self.matches(r'^([^$]|[$]+[^$(]|[$]+[(](KEY|NAME|NAMESPACE|TENANT|REVISION|EXPIRES_AT|HINT)[)])*[$]*$')`,message="may use only $(KEY), $(NAME), $(NAMESPACE), $(TENANT), $(REVISION), $(EXPIRES_AT) and $(HINT): write one of these wherever $( stands, or leave $( out",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="self.split('$(').size() <= 65",message="may hold at most 64 placeholders: leave some out, or spread them over several entries",reason=FieldValueForbidden
type DataTemplate string
