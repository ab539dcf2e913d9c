package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The rules on the whole object are those that need the name or the status beside the spec. What is said here, and not
// right above a type, is for those who change it: it stands in no definition and no reference.

// ApiKey asks for an API key. The spec is the request, the status is what was granted: a key works
// only while the grant in the status allows it and the spec still asks for it.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=apikeys,singular=apikey,scope=Namespaced,shortName=ak,categories={security}
// +kubebuilder:printcolumn:name="Tenant",type=string,JSONPath=`.spec.tenant`
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.state`
// +kubebuilder:printcolumn:name="Hint",type=string,JSONPath=`.status.hint`
// +kubebuilder:printcolumn:name="Expires",type=string,JSONPath=`.spec.expiresAt`
// +kubebuilder:printcolumn:name="Next rotation",type=string,JSONPath=`.status.nextRotationTime`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Owner",type=string,priority=1,JSONPath=`.spec.owner`
// +kubebuilder:printcolumn:name="Created by",type=string,priority=1,JSONPath=`.metadata.annotations.apikey-operator\.dev/created-by`
// +kubebuilder:printcolumn:name="Permissions",type=string,priority=1,JSONPath=`.spec.permissions`
// +kubebuilder:selectablefield:JSONPath=`.spec.tenant`
// +kubebuilder:selectablefield:JSONPath=`.status.state`
// +kubebuilder:selectablefield:JSONPath=`.status.hint`
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.status) || !has(oldSelf.status.credentials) || size(oldSelf.status.credentials) == 0 || (has(self.spec.secret) && has(self.spec.secret.name) && size(self.spec.secret.name) > 0 ? self.spec.secret.name : self.metadata.name) == (has(oldSelf.spec.secret) && has(oldSelf.spec.secret.name) && size(oldSelf.spec.secret.name) > 0 ? oldSelf.spec.secret.name : oldSelf.metadata.name)",message="may not change once a credential was issued: put the old name back, or create another ApiKey",reason=FieldValueForbidden,fieldPath=".spec.secret.name"
// +kubebuilder:validation:XValidation:rule="82 + size(self.metadata.name) + (has(self.spec.tenant) ? size(self.spec.tenant) : 0) + (has(self.spec.permissions) ? self.spec.permissions.map(p, size(p) + 1).sum() : 0) + (has(self.spec.scopes) ? self.spec.scopes.map(d, size(d) + 1 + self.spec.scopes[d].map(v, size(v) + 1).sum()).sum() : 0) <= 2560",message="the identity headers of this key could take more than the 2560 bytes that fit in what proxies read: shorten or drop permissions or scopes, or ask for a wildcard such as customers:*",messageExpression="'the identity headers of this key could take %d bytes, and 2560 fit in what proxies read: shorten or drop permissions or scopes, or ask for a wildcard such as customers:*'.format([82 + size(self.metadata.name) + (has(self.spec.tenant) ? size(self.spec.tenant) : 0) + (has(self.spec.permissions) ? self.spec.permissions.map(p, size(p) + 1).sum() : 0) + (has(self.spec.scopes) ? self.spec.scopes.map(d, size(d) + 1 + self.spec.scopes[d].map(v, size(v) + 1).sum()).sum() : 0)])",fieldPath=".spec"
type ApiKey struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what is asked for. Nothing of the operator ever writes it.
	// +required
	Spec ApiKeySpec `json:"spec"`

	// status is what was granted and issued; only the manager writes it.
	// An observedGeneration of -1 says that the manager has not looked at the ApiKey yet.
	// +kubebuilder:default:={"observedGeneration":-1}
	// +optional
	Status ApiKeyStatus `json:"status,omitempty"`
}

// Rules that forbid unsetting a field stand at the spec, not on the field: a rule on the field is not asked
// when the field is removed, so it could be got round by removing it first. So do rules on what may stand together.

// ApiKeySpec is the request.
//
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.revoked) || !oldSelf.revoked || (has(self.revoked) && self.revoked)",message="may not be unset, a revoked key stays revoked: put revoked: true back, or create another ApiKey",reason=FieldValueForbidden,fieldPath=".revoked"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.revision) || (has(self.revision) && self.revision >= oldSelf.revision)",message="may not be lowered or unset: put the old value back, or write a higher one to rotate again",messageExpression="'may not be lowered or unset: put %d back, or write a higher one to rotate again'.format([oldSelf.revision])",reason=FieldValueForbidden,fieldPath=".revision"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.minRevision) || (has(self.minRevision) && self.minRevision >= oldSelf.minRevision)",message="may not be lowered or unset, what it stopped stays stopped: put the old value back, or write a higher one to stop more credentials",messageExpression="'may not be lowered or unset, what it stopped stays stopped: put %d back, or write a higher one to stop more credentials'.format([oldSelf.minRevision])",reason=FieldValueForbidden,fieldPath=".minRevision"
// +kubebuilder:validation:XValidation:rule="(has(self.secret) && has(self.secret.type) ? self.secret.type : 'Opaque') == (has(oldSelf.secret) && has(oldSelf.secret.type) ? oldSelf.secret.type : 'Opaque')",message="may not change, as the type of a Secret cannot: put the old type back (none counts as Opaque), or create another ApiKey",reason=FieldValueForbidden,fieldPath=".secret.type"
// +kubebuilder:validation:XValidation:rule="(has(self.source) ? (has(self.source.hash) ? 'hash' : 'secretRef') : 'none') == (has(oldSelf.source) ? (has(oldSelf.source.hash) ? 'hash' : 'secretRef') : 'none')",message="may not change between no source, hash and secretRef: put back what was there, or create another ApiKey",reason=FieldValueForbidden,fieldPath=".source"
// +kubebuilder:validation:XValidation:rule="!has(self.source) || !has(self.secret)",message="may not be given with source, as no Secret is written for a key that comes from elsewhere: leave secret out",reason=FieldValueForbidden,fieldPath=".secret"
// +kubebuilder:validation:XValidation:rule="!has(self.source) || !has(self.format)",message="may not be given with source, as the key is not generated: leave format out",reason=FieldValueForbidden,fieldPath=".format"
// +kubebuilder:validation:XValidation:rule="!has(self.source) || !has(self.revision)",message="may not be given with source, as only generated keys are issued anew: leave revision out and change the key where it comes from",reason=FieldValueForbidden,fieldPath=".revision"
// +kubebuilder:validation:XValidation:rule="!has(self.source) || !has(self.source.hash) || !has(self.rotation)",message="may not be given with source.hash, as a new hash ends the old key at once: leave rotation out and write the new hash when nobody uses the old key any more",reason=FieldValueForbidden,fieldPath=".rotation"
// +kubebuilder:validation:XValidation:rule="!has(self.source) || has(self.source.hash) || !has(self.rotation) || !(has(self.rotation.every) || has(self.rotation.schedule))",message="may name only gracePeriod with source.secretRef, as whoever manages that Secret says when the key changes: leave every, schedule and timeZone out",reason=FieldValueForbidden,fieldPath=".rotation"
type ApiKeySpec struct {
	// displayName is a name for people; where empty, metadata.name is shown.
	// Example: Site24x7 monitor.
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule=`!self.matches(r'[\p{Cc}\p{Zl}\p{Zp}]')`,message="must not contain control characters or line breaks: write it on one line"
	// +optional
	DisplayName string `json:"displayName,omitempty"`

	// description says what the key is for.
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	Description string `json:"description,omitempty"`

	// owner says who answers for the key; free text. Example: sre@phoenix.example.
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule=`!self.matches(r'[\p{Cc}\p{Zl}\p{Zp}]')`,message="must not contain control characters or line breaks: write it on one line"
	// +optional
	Owner string `json:"owner,omitempty"`

	// tenant is whom the holder of the key speaks for; upstreams receive it as X-Apikey-Tenant.
	// Letters, digits and . _ -, beginning with a letter or digit, at most 63. Example: acme.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9][A-Za-z0-9._-]*$')",message="must consist of letters, digits, '.', '_' and '-' and begin with a letter or digit, such as acme"
	// +optional
	Tenant string `json:"tenant,omitempty"`

	// permissions is what the key may do, at most 64 of them. Segments of letters, digits, _ and -
	// are joined by ':' or '.'; "*" may stand alone or as the last segment and covers everything
	// below. Case-sensitive. Example: [read, "customers:*"].
	// +kubebuilder:validation:MaxItems=64
	// +listType=set
	// +optional
	Permissions []Permission `json:"permissions,omitempty"`

	// scopes are further restrictions that a route may ask about: at most 8 dimensions of at most
	// 16 values each. Example: {category: [general]}.
	// +kubebuilder:validation:MaxProperties=8
	// +kubebuilder:validation:XValidation:rule="self.all(d, size(d) <= 32 && d.matches('^[a-z0-9][a-z0-9_.-]*$'))",message="each name of a scope must consist of at most 32 lower-case letters, digits, '_', '.' and '-' and begin with a letter or digit, such as category"
	// +optional
	Scopes map[string]ScopeValues `json:"scopes,omitempty"`

	// expiresAt is when the whole key dies: RFC 3339, with upper-case T and Z, in the years 2000 to
	// 2199. Without it the key never expires. Setting a later time after it has passed issues a new
	// credential; the one that expired stays dead. Example: "2027-01-10T23:59:59Z".
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^2[01][0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`
	// +kubebuilder:validation:XValidation:rule="self >= timestamp('2000-01-01T00:00:00Z') && self < timestamp('2200-01-01T00:00:00Z')",message="must be a time in the years 2000 to 2199, with upper-case T and Z, such as 2027-01-10T23:59:59Z"
	// +optional
	ExpiresAt *metav1.Time `json:"expiresAt,omitempty"`

	// suspended stops the key from working until it is unset again.
	// +optional
	Suspended bool `json:"suspended,omitempty"`

	// revoked stops the key from working for good; it cannot be unset.
	// +optional
	Revoked bool `json:"revoked,omitempty"`

	// revision asks for a new credential: a rotation is due when it exceeds the current credential's
	// revision; the old credential keeps its grace period. It may not be lowered or unset, and not be given
	// with source. 1 to 500000000. Default: none, as if 1. Example: 2, to replace the first credential.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=500000000
	// +optional
	Revision int64 `json:"revision,omitempty"`

	// minRevision stops credentials of a lower revision at once, at the watch event and with the manager
	// down too; the manager issues a new one where that stops the current one. It may not be lowered or
	// unset. 1 to 500000000. Default: none, which stops nothing. Example: 3, when the credential of revision 2
	// has leaked.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=500000000
	// +optional
	MinRevision int64 `json:"minRevision,omitempty"`

	// deletionProtection refuses that the ApiKey is deleted, by anybody, until it is unset; see
	// docs/policies.md for what that means when its namespace is deleted.
	// +optional
	DeletionProtection bool `json:"deletionProtection,omitempty"`

	// allowedCIDRs are the networks that the key may be used from; from elsewhere it is refused, and where the
	// client's address is not known. At most 32. Default: none, the key may be used from anywhere.
	// Example: [203.0.113.0/24, "2001:db8::/32"].
	// +kubebuilder:validation:MaxItems=32
	// +listType=set
	// +optional
	AllowedCIDRs []CIDR `json:"allowedCIDRs,omitempty"`

	// rateLimit is how often the key may be used; beyond it requests are refused until there is room again. Each
	// verifier counts for itself, or all together where they share a store. Default: none, as often as you like.
	// Example: {requests: 100, period: 1s, burst: 200}.
	// +optional
	RateLimit *RateLimit `json:"rateLimit,omitempty"`

	// rotation says when a credential is replaced and for how long the replaced one still works. Without
	// it only revision and minRevision rotate. With source.secretRef only its gracePeriod may be given, with
	// source.hash nothing of it. Example: {every: 2160h, gracePeriod: 72h}.
	// +optional
	Rotation *Rotation `json:"rotation,omitempty"`

	// format says what generated keys look like; it may not be given with source. A change takes effect when
	// the next credential is issued. Example: {prefix: sk_live_}.
	// +optional
	Format KeyFormat `json:"format,omitzero"`

	// secret says where the plaintext goes; it may not be given with source.
	// Example: {name: site24x7-monitor, key: token}.
	// +optional
	Secret SecretTarget `json:"secret,omitzero"`

	// source takes the key from elsewhere instead of generating one. Exactly one member is given; which one
	// it is, and whether source is given at all, may not change. Default: none, the key is generated.
	// Example: {secretRef: {name: from-vault, key: token}}.
	// +optional
	Source *KeySource `json:"source,omitempty"`
}

// The rule that compares two durations looks first whether they are any: each says for itself what is wrong
// with it.

// Rotation says when a credential is replaced. At most one of every and schedule is given; with neither
// only the grace period is set.
//
// +kubebuilder:validation:XValidation:rule="!has(self.every) || !has(self.schedule)",message="may not be given with every: keep every for an age such as 2160h, or schedule for times such as '0 3 1 * *'",reason=FieldValueForbidden,fieldPath=".schedule"
// +kubebuilder:validation:XValidation:rule="!has(self.timeZone) || has(self.schedule)",message="may be given only with schedule: leave timeZone out, or give a schedule such as '0 3 1 * *'",reason=FieldValueForbidden,fieldPath=".timeZone"
// +kubebuilder:validation:XValidation:rule="!has(self.every) || !has(self.gracePeriod) || [self.every, self.gracePeriod].exists(d, size(d) == 0 || !d.matches('^([0-9]{1,5}h)?([0-9]{1,7}m)?([0-9]{1,9}s)?$')) || duration(self.gracePeriod) <= duration(self.every)",message="may not be longer than every, or a third credential would be wanted before the first one ends: shorten gracePeriod or lengthen every",fieldPath=".gracePeriod"
type Rotation struct {
	// every is the age at which a credential is replaced, counted from its publishing: hours, minutes and
	// seconds, at least 10m, at most 87600h. So that keys that were made together do not rotate in one
	// second, up to a tenth of it but at most 5 minutes is added, always the same for one credential.
	// Default: none. Example: 2160h.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="size(self) > 0 && self.matches('^([0-9]{1,5}h)?([0-9]{1,7}m)?([0-9]{1,9}s)?$') && duration(self) >= duration('10m') && duration(self) <= duration('87600h')",message="must be whole hours, minutes and seconds in that order, from 10m to 87600h, such as 2160h"
	// +optional
	Every *metav1.Duration `json:"every,omitempty"`

	// schedule is when credentials are replaced, as five cron fields (minute, hour, day of month, month,
	// day of week) or one of @hourly, @daily, @weekly, @monthly, @yearly; at least 10 minutes apart. Up to a
	// tenth of the time between two of them but at most 5 minutes is added, as for every. A time that
	// the clocks skip in spring comes an hour later by the clock on the wall; one that comes twice in autumn
	// counts once. At most 128 printable characters of ASCII; whether they make a schedule is told by the Ready
	// condition. Default: none. Example: "0 3 1 * *".
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.matches('^[ -~]+$')",message="must be five cron fields, or one of @hourly, @daily, @weekly, @monthly, @yearly, on one line, such as '0 3 1 * *'"
	// +optional
	Schedule string `json:"schedule,omitempty"`

	// timeZone of schedule, by its name in the IANA database; whether there is such a zone is told by the Ready
	// condition. At most 64 letters, digits, '_', '+', '-' and '/', beginning with a letter. Default: UTC.
	// Example: Europe/Berlin.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z][A-Za-z0-9_+/-]*$') && self != 'Local'",message="must be the name of a time zone in the IANA database, such as Europe/Berlin or UTC"
	// +optional
	TimeZone string `json:"timeZone,omitempty"`

	// gracePeriod is how long a replaced credential still works: hours, minutes and seconds, 0s (not at
	// all) to 8760h, and not longer than the time between two rotations. Lowering it shortens a grace
	// period that is running. Default: 24h, or the time between two rotations where that is less.
	// Example: 72h.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="size(self) > 0 && self.matches('^([0-9]{1,5}h)?([0-9]{1,7}m)?([0-9]{1,9}s)?$') && duration(self) >= duration('0s') && duration(self) <= duration('8760h')",message="must be whole hours, minutes and seconds in that order, from 0s to 8760h, such as 24h"
	// +optional
	GracePeriod *metav1.Duration `json:"gracePeriod,omitempty"`
}

// Permission is one permission that a key holds.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:XValidation:rule="self == '*' || self.matches('^[A-Za-z0-9_-]+([:.][A-Za-z0-9_-]+)*([:.][*])?$')",message="a permission must consist of segments of letters, digits, '_' and '-' joined by ':' or '.', with '*' only alone or as the last segment, such as customers:view or customers:*"
type Permission string

// ScopeValues are the values that a key may use in one dimension.
//
// +kubebuilder:validation:MinItems=1
// +kubebuilder:validation:MaxItems=16
// +listType=set
type ScopeValues []ScopeValue

// ScopeValue is one value of a scope.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9][A-Za-z0-9._:/@-]*$')",message="a scope's value must consist of letters, digits and . _ : / @ - and begin with a letter or digit, such as general"
type ScopeValue string

// CIDR is a network, by its address and the length of its prefix.
//
// +kubebuilder:validation:MinLength=3
// +kubebuilder:validation:MaxLength=43
// +kubebuilder:validation:XValidation:rule="isCIDR(self) && cidr(self) == cidr(self).masked()",message="must be a network whose address ends where its prefix does, such as 203.0.113.0/24 or 2001:db8::/32"
type CIDR string

// RateLimit is how often a key may be used: so many requests in each period, and so many at once after a
// pause.
type RateLimit struct {
	// requests in each period, 1 to 1000000. Example: 100.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	Requests int64 `json:"requests"`

	// period: hours, minutes and seconds, 1s to 24h. Example: 1s.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="size(self) > 0 && self.matches('^([0-9]{1,5}h)?([0-9]{1,7}m)?([0-9]{1,9}s)?$') && duration(self) >= duration('1s') && duration(self) <= duration('24h')",message="must be whole hours, minutes and seconds in that order, from 1s to 24h, such as 1s"
	Period metav1.Duration `json:"period"`

	// burst is how many requests may come at once after a pause, 1 to 1000000. Default: as many as requests.
	// Example: 200.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	// +optional
	Burst int64 `json:"burst,omitempty"`
}

// KeyFormat says what generated keys look like: prefix, random part, checksum.
type KeyFormat struct {
	// prefix stands before the random part, so that people and secret scanners recognise the key.
	// Letters, digits, _ and -, beginning with a letter, at most 24. Default: what the policy that admits the key
	// names, or ak_. Example: sk_live_.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=24
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z][A-Za-z0-9_-]*$')",message="must consist of letters, digits, '_' and '-' and begin with a letter, such as sk_live_"
	// +optional
	Prefix string `json:"prefix,omitempty"`

	// bytes is how many random bytes the key holds, 24 to 64. Default: 32, which is 256 bits, or what a policy
	// demands at least, where that is more.
	// +kubebuilder:validation:Minimum=24
	// +kubebuilder:validation:Maximum=64
	// +optional
	Bytes int32 `json:"bytes,omitempty"`
}

// ApiKeyList is a list of ApiKeys.
//
// +kubebuilder:object:root=true
type ApiKeyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ApiKey `json:"items"`
}
