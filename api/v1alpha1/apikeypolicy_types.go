package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ApiKeyPolicy says which namespaces may ask for what. It grants what it lists: permissions, tenants, scopes and
// imports that it does not name are refused. Its limits bind where they are given.
//
// An ApiKey has to satisfy at least one of the policies that select its namespace, and that one whole. A namespace
// that no policy selects gets nothing, unless the manager runs with --default-policy=allow.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=apikeypolicies,singular=apikeypolicy,scope=Cluster,shortName=akp,categories={security}
// +kubebuilder:printcolumn:name="Enforcement",type=string,JSONPath=`.spec.enforcement`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Selected",type=integer,JSONPath=`.status.selected`
// +kubebuilder:printcolumn:name="Admitted",type=integer,JSONPath=`.status.admitted`
// +kubebuilder:printcolumn:name="Refused",type=integer,JSONPath=`.status.refused`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Permissions",type=string,priority=1,JSONPath=`.spec.permissions`
// +kubebuilder:printcolumn:name="Tenants",type=string,priority=1,JSONPath=`.spec.tenants`
type ApiKeyPolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what may be asked for. Nothing of the operator ever writes it.
	// +required
	Spec ApiKeyPolicySpec `json:"spec"`

	// status is what the policy does at present; only the manager writes it.
	// An observedGeneration of -1 says that the manager has not looked at the policy yet: without it, a wait by kstatus
	// would take the policy for done.
	// +kubebuilder:default:={"observedGeneration":-1}
	// +optional
	Status ApiKeyPolicyStatus `json:"status,omitempty"`
}

// ApiKeyPolicySpec is what the ApiKeys of the selected namespaces may ask for.
//
// +kubebuilder:validation:XValidation:rule="!has(self.tenants) || !has(self.tenantFromNamespaceLabel)",message="may not be given with tenants: keep tenants for a list, or tenantFromNamespaceLabel for one tenant a namespace",reason=FieldValueForbidden,fieldPath=".tenantFromNamespaceLabel"
type ApiKeyPolicySpec struct {
	// namespaceSelector selects namespaces by their labels; {} selects all. Every namespace has the label
	// kubernetes.io/metadata.name. Example: {matchLabels: {team: payments}}.
	// +kubebuilder:validation:XValidation:rule="!has(self.matchLabels) || self.matchLabels.all(k, size(k) <= 317 && k.indexOf('/') <= 253 && k.matches('^([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$') && self.matchLabels[k].matches('^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$'))",message="matchLabels must hold names and values that labels can have, such as team: payments"
	// +kubebuilder:validation:XValidation:rule="!has(self.matchExpressions) || self.matchExpressions.all(e, e.operator in ['In', 'NotIn'] ? has(e.values) && size(e.values) > 0 : e.operator in ['Exists', 'DoesNotExist'] && (!has(e.values) || size(e.values) == 0))",message="matchExpressions must have the operator In or NotIn with values, or Exists or DoesNotExist without any"
	// +kubebuilder:validation:XValidation:rule="!has(self.matchExpressions) || self.matchExpressions.all(e, size(e.key) <= 317 && e.key.indexOf('/') <= 253 && e.key.matches('^([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$') && (!has(e.values) || e.values.all(v, v.matches('^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$'))))",message="matchExpressions must hold names and values that labels can have, such as key: team"
	// +required
	NamespaceSelector NamespaceSelector `json:"namespaceSelector"`

	// permissions that may be granted; one of an ApiKey must be covered by one of these: payments:* allows
	// payments:refund and payments:*, but not *. At most 128. Default: none, so only keys without permissions.
	// Example: ["payments:*", read].
	// +kubebuilder:validation:MaxItems=128
	// +listType=set
	// +optional
	Permissions []Permission `json:"permissions,omitempty"`

	// tenants that a key may speak for; where they are given it must name one of them, and "*" stands for any.
	// At most 128. Default: none, so that no tenant may be named. Example: [acme].
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=128
	// +listType=set
	// +optional
	Tenants []PolicyTenant `json:"tenants,omitempty"`

	// tenantFromNamespaceLabel names the label of the namespace whose value is the one tenant that its keys
	// must name; a namespace without it gets nothing by this policy. May not be given with tenants. Default: none.
	// Example: example.com/tenant.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=317
	// +kubebuilder:validation:XValidation:rule="self.indexOf('/') <= 253 && self.matches('^([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$')",message="must be the name of a label, such as example.com/tenant"
	// +optional
	TenantFromNamespaceLabel string `json:"tenantFromNamespaceLabel,omitempty"`

	// scopes that a key may have, by name and values; each that is named must be given. The value "*" stands for
	// any of its scope, and the name "*" for any further scope, which then need not be given. At most 16 of 64 values.
	// Default: none, so that no scope may be named. Example: {category: [general, archive]}.
	// +kubebuilder:validation:MaxProperties=16
	// +kubebuilder:validation:XValidation:rule="self.all(d, d == '*' || (size(d) <= 32 && d.matches('^[a-z0-9][a-z0-9_.-]*$')))",message="each name of a scope must be '*' or consist of at most 32 lower-case letters, digits, '_', '.' and '-' and begin with a letter or digit, such as category"
	// +optional
	Scopes map[string]PolicyScopeValues `json:"scopes,omitempty"`

	// maxLifetime is how far ahead expiresAt may be when it is looked at; it is required then. Hours, minutes
	// and seconds, 1m to 87600h. Default: none, and keys need not expire. Example: 8760h.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="size(self) > 0 && self.matches('^([0-9]{1,5}h)?([0-9]{1,7}m)?([0-9]{1,9}s)?$') && duration(self) >= duration('1m') && duration(self) <= duration('87600h')",message="must be whole hours, minutes and seconds in that order, from 1m to 87600h, such as 8760h"
	// +optional
	MaxLifetime *metav1.Duration `json:"maxLifetime,omitempty"`

	// requireRotation demands rotation by the clock, by rotation.every or rotation.schedule; so a key with a
	// source, whose rotation nothing here can tell, is refused. {} demands any rotation. Default: none.
	// Example: {maxEvery: 2160h, maxGracePeriod: 72h}.
	// +optional
	RequireRotation *RequiredRotation `json:"requireRotation,omitempty"`

	// maxRateLimit is the highest rateLimit, which is required then: no more requests in any time than this
	// allows. Default: none, and keys need no limit. Example: {requests: 1000, period: 1s}.
	// +optional
	MaxRateLimit *RateLimit `json:"maxRateLimit,omitempty"`

	// allowImport says whether keys may come from elsewhere (spec.source): their strength and their age cannot
	// be told here. Default: false.
	// +optional
	AllowImport bool `json:"allowImport,omitempty"`

	// format is what generated keys look like. Default: none, any that spec.format allows.
	// Example: {prefix: sk_live_, minBytes: 32}.
	// +optional
	Format RequiredFormat `json:"format,omitzero"`

	// enforcement is Deny, or Warn to try a policy out: it then only reports what it would refuse, and neither
	// admits nor counts as selecting. Default: Deny.
	// +kubebuilder:default=Deny
	// +optional
	Enforcement Enforcement `json:"enforcement,omitempty"`
}

// The bounds of the selector keep the rules on it affordable.

// NamespaceSelector selects namespaces as label selectors do: a namespace must satisfy all that is given.
type NamespaceSelector struct {
	// matchLabels are labels that a namespace must have, with these values. At most 32.
	// +kubebuilder:validation:MaxProperties=32
	// +optional
	MatchLabels map[string]SelectorValue `json:"matchLabels,omitempty"`

	// matchExpressions are requirements on labels. At most 32.
	// +kubebuilder:validation:MaxItems=32
	// +listType=atomic
	// +optional
	MatchExpressions []SelectorRequirement `json:"matchExpressions,omitempty"`
}

// SelectorValue is the value of a label in a selector.
//
// +kubebuilder:validation:MaxLength=63
type SelectorValue string

// SelectorRequirement is one requirement on a label.
type SelectorRequirement struct {
	// key is the label's name.
	// +kubebuilder:validation:MaxLength=317
	Key string `json:"key"`

	// operator: In, NotIn, Exists or DoesNotExist.
	// +kubebuilder:validation:Enum=In;NotIn;Exists;DoesNotExist
	Operator metav1.LabelSelectorOperator `json:"operator"`

	// values of In and NotIn. At most 64.
	// +kubebuilder:validation:MaxItems=64
	// +listType=atomic
	// +optional
	Values []SelectorValue `json:"values,omitempty"`
}

// PolicyTenant is a tenant that may be asked for; "*" stands for any.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:XValidation:rule="self == '*' || self.matches('^[A-Za-z0-9][A-Za-z0-9._-]*$')",message="a tenant must be '*' or consist of letters, digits, '.', '_' and '-' and begin with a letter or digit, such as acme"
type PolicyTenant string

// PolicyScopeValues are the values of a scope that may be asked for.
//
// +kubebuilder:validation:MinItems=1
// +kubebuilder:validation:MaxItems=64
// +listType=set
type PolicyScopeValues []PolicyScopeValue

// PolicyScopeValue is one value of a scope; "*" stands for any.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:XValidation:rule="self == '*' || self.matches('^[A-Za-z0-9][A-Za-z0-9._:/@-]*$')",message="a scope's value must be '*' or consist of letters, digits and . _ : / @ - and begin with a letter or digit, such as general"
type PolicyScopeValue string

// RequiredRotation is how often at least a key must be rotated.
type RequiredRotation struct {
	// maxEvery is how old a credential may get before it is rotated: the highest rotation.every, and the longest
	// time between two times of rotation.schedule in the next five years. 10m to 87600h. Default: none, any rotation
	// will do. Example: 2160h.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="size(self) > 0 && self.matches('^([0-9]{1,5}h)?([0-9]{1,7}m)?([0-9]{1,9}s)?$') && duration(self) >= duration('10m') && duration(self) <= duration('87600h')",message="must be whole hours, minutes and seconds in that order, from 10m to 87600h, such as 2160h"
	// +optional
	MaxEvery *metav1.Duration `json:"maxEvery,omitempty"`

	// maxGracePeriod is the longest grace period. 0s to 8760h. Default: none, any will do. Example: 72h.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="size(self) > 0 && self.matches('^([0-9]{1,5}h)?([0-9]{1,7}m)?([0-9]{1,9}s)?$') && duration(self) >= duration('0s') && duration(self) <= duration('8760h')",message="must be whole hours, minutes and seconds in that order, from 0s to 8760h, such as 72h"
	// +optional
	MaxGracePeriod *metav1.Duration `json:"maxGracePeriod,omitempty"`
}

// RequiredFormat is what generated keys must look like.
type RequiredFormat struct {
	// prefix that keys must have; where an ApiKey names none it is used at the next mint. Letters, digits, _ and
	// -, beginning with a letter, at most 24. Default: none, any will do. Example: sk_live_.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=24
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z][A-Za-z0-9_-]*$')",message="must consist of letters, digits, '_' and '-' and begin with a letter, such as sk_live_"
	// +optional
	Prefix string `json:"prefix,omitempty"`

	// minBytes is how many random bytes keys must hold at least; where an ApiKey names no number it is used at
	// the next mint. Of a key that is taken from a Secret it is the least number of characters, since fewer cannot hold
	// so much. 24 to 64. Default: none, any number will do.
	// +kubebuilder:validation:Minimum=24
	// +kubebuilder:validation:Maximum=64
	// +optional
	MinBytes int32 `json:"minBytes,omitempty"`
}

// Enforcement says what comes of a policy's verdict.
//
// +kubebuilder:validation:Enum=Deny;Warn
type Enforcement string

// The enforcements of a policy.
const (
	// EnforcementDeny: what it does not admit gets nothing by it.
	EnforcementDeny Enforcement = "Deny"
	// EnforcementWarn: what it would refuse is reported, and that is all.
	EnforcementWarn Enforcement = "Warn"
)

// ApiKeyPolicyStatus is what a policy does at present. ApiKeys that are being deleted or revoked do not count.
type ApiKeyPolicyStatus struct {
	// observedGeneration is the generation of the spec that the rest of the status speaks of;
	// -1 until the manager has looked for the first time.
	// +kubebuilder:validation:Minimum=-1
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// selected is how many ApiKeys live in the namespaces that the policy selects.
	// +optional
	Selected int64 `json:"selected"`

	// admitted is how many of them satisfy it.
	// +optional
	Admitted int64 `json:"admitted"`

	// refused is how many of them do not; another policy may admit those.
	// +optional
	Refused int64 `json:"refused"`

	// conditions: Ready says that the policy is obeyed; Stalled stands only while it is True, where the policy
	// can never admit anything.
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// ApiKeyPolicyList is a list of ApiKeyPolicies.
//
// +kubebuilder:object:root=true
type ApiKeyPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ApiKeyPolicy `json:"items"`
}
