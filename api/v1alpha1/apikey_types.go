package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ApiKey asks for an API key. The spec is the request, the status is what was granted: a key works
// only while the grant in the status allows it and the spec still asks for it.
//
// The rules on the whole object are those that need the name or the status beside the spec.
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
// +kubebuilder:printcolumn:name="Permissions",type=string,priority=1,JSONPath=`.spec.permissions`
// +kubebuilder:selectablefield:JSONPath=`.spec.tenant`
// +kubebuilder:selectablefield:JSONPath=`.status.state`
// +kubebuilder:selectablefield:JSONPath=`.status.hint`
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.status) || !has(oldSelf.status.credentials) || size(oldSelf.status.credentials) == 0 || (has(self.spec.secret) && has(self.spec.secret.name) && size(self.spec.secret.name) > 0 ? self.spec.secret.name : self.metadata.name) == (has(oldSelf.spec.secret) && has(oldSelf.spec.secret.name) && size(oldSelf.spec.secret.name) > 0 ? oldSelf.spec.secret.name : oldSelf.metadata.name)",message="may not change once a credential was issued: put the old name back, or create another ApiKey",reason=FieldValueForbidden,fieldPath=".spec.secret.name"
// +kubebuilder:validation:XValidation:rule="82 + size(self.metadata.name) + (has(self.spec.tenant) ? size(self.spec.tenant) : 0) + (has(self.spec.permissions) ? self.spec.permissions.map(p, size(p) + 1).sum() : 0) + (has(self.spec.scopes) ? self.spec.scopes.map(d, size(d) + 1 + self.spec.scopes[d].map(v, size(v) + 1).sum()).sum() : 0) <= 2560",messageExpression="'the identity headers of this key could take %d bytes, and 2560 fit in what proxies read: shorten or drop permissions or scopes, or ask for a wildcard such as customers:*'.format([82 + size(self.metadata.name) + (has(self.spec.tenant) ? size(self.spec.tenant) : 0) + (has(self.spec.permissions) ? self.spec.permissions.map(p, size(p) + 1).sum() : 0) + (has(self.spec.scopes) ? self.spec.scopes.map(d, size(d) + 1 + self.spec.scopes[d].map(v, size(v) + 1).sum()).sum() : 0)])",fieldPath=".spec"
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

// ApiKeySpec is the request.
//
// Rules that forbid unsetting a field stand here, not on the field: a rule on the field is not asked
// when the field is removed, so it could be got round by removing it first.
//
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.revoked) || !oldSelf.revoked || (has(self.revoked) && self.revoked)",message="may not be unset, a revoked key stays revoked: put revoked: true back, or create another ApiKey",reason=FieldValueForbidden,fieldPath=".revoked"
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
	// revision; the old credential keeps its grace period. It may not be lowered. 1 to 500000000.
	// Example: 2, to replace the first credential.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=500000000
	// +optional
	Revision int64 `json:"revision,omitempty"`

	// minRevision stops credentials of a lower revision at once, at the watch event and with the manager
	// down too; the manager issues a new one where that stops the current one. It may not be lowered.
	// 1 to 500000000. Example: 3, when the credential of revision 2 has leaked.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=500000000
	// +optional
	MinRevision int64 `json:"minRevision,omitempty"`

	// rotation says when a credential is replaced and for how long the replaced one still works. Without
	// it only revision and minRevision rotate.
	// +optional
	Rotation *Rotation `json:"rotation,omitempty"`

	// format says what generated keys look like. A change takes effect when the next credential is issued.
	// +optional
	Format KeyFormat `json:"format,omitzero"`

	// secret says where the plaintext goes. It has no meaning where source is given.
	// +optional
	Secret SecretTarget `json:"secret,omitzero"`

	// source takes the key from elsewhere instead of generating one. Exactly one member is given, and
	// which one it is may not change.
	// +optional
	Source *KeySource `json:"source,omitempty"`
}

// Rotation says when a credential is replaced. At most one of every and schedule is given; with neither
// only the grace period is set.
type Rotation struct {
	// every is the age at which a credential is replaced, counted from its issue: hours, minutes and
	// seconds, at least 10m, at most 87600h. So that keys that were made together do not rotate in one
	// second, up to a tenth of it but at most 5 minutes is added, always the same for one credential.
	// Example: 2160h.
	// +optional
	Every *metav1.Duration `json:"every,omitempty"`

	// schedule is when credentials are replaced, as five cron fields (minute, hour, day of month, month,
	// day of week) or one of @hourly, @daily, @weekly, @monthly, @yearly; at least 10 minutes apart. Up to a
	// tenth of the time between two of them but at most 5 minutes is added, as for every. A time that
	// the clocks skip in spring counts as the moment after the gap; one that comes twice in autumn counts
	// once. Example: "0 3 1 * *".
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +optional
	Schedule string `json:"schedule,omitempty"`

	// timeZone of schedule, by its name in the IANA database. Default: UTC. Example: Europe/Berlin.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +optional
	TimeZone string `json:"timeZone,omitempty"`

	// gracePeriod is how long a replaced credential still works: hours, minutes and seconds, 0s (not at
	// all) to 8760h, and not longer than the time between two rotations. Lowering it shortens a grace
	// period that is running. Default: 24h, or the time between two rotations where that is less.
	// Example: 72h.
	// +optional
	GracePeriod *metav1.Duration `json:"gracePeriod,omitempty"`
}

// KeySource says where a key comes from that is not generated. Exactly one member is given.
type KeySource struct {
	// hash imports a key by its hash alone, without anybody showing the key. Changing it ends the old
	// one at once.
	// +optional
	Hash *HashSource `json:"hash,omitempty"`

	// secretRef takes the key from a Secret that somebody else manages, in the ApiKey's namespace. A
	// change of its value is a rotation: the old value keeps its grace period.
	// +optional
	SecretRef *SecretKeySource `json:"secretRef,omitempty"`
}

// HashSource is an imported key by its hash.
type HashSource struct {
	// sha256 is the plain SHA-256 of the key, as 64 lower-case hexadecimal digits. Nothing can tell from
	// it whether the key is strong; that is for whoever imports it to know.
	// Example, of the key in $KEY: printf %s "$KEY" | sha256sum.
	// +kubebuilder:validation:MaxLength=64
	SHA256 string `json:"sha256"`

	// hint is what may be shown of the key, at most 16 characters. Example: sk_live_a1b2….
	// +kubebuilder:validation:MaxLength=16
	// +optional
	Hint string `json:"hint,omitempty"`
}

// SecretKeySource is a value in a Secret that somebody else manages. The Secret is read only while it
// carries the label apikey-operator.dev/key-source: "true": otherwise the hash of any Secret could be
// had through the status of an ApiKey.
type SecretKeySource struct {
	// name of the Secret, in the ApiKey's namespace.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// key is the data key that holds the API key. Default: api-key.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:default=api-key
	// +optional
	Key string `json:"key,omitempty"`
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

// KeyFormat says what generated keys look like: prefix, random part, checksum.
type KeyFormat struct {
	// prefix stands before the random part, so that people and secret scanners recognise the key.
	// Letters, digits, _ and -, beginning with a letter, at most 24. Default: ak_. Example: sk_live_.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=24
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z][A-Za-z0-9_-]*$')",message="must consist of letters, digits, '_' and '-' and begin with a letter, such as sk_live_"
	// +optional
	Prefix string `json:"prefix,omitempty"`

	// bytes is how many random bytes the key holds, 24 to 64. Default: 32, which is 256 bits.
	// +kubebuilder:validation:Minimum=24
	// +kubebuilder:validation:Maximum=64
	// +kubebuilder:default=32
	// +optional
	Bytes int32 `json:"bytes,omitempty"`
}

// SecretTarget says where the plaintext goes.
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

	// labels of the Secret, besides ours. At most 32.
	// +kubebuilder:validation:MaxProperties=32
	// +optional
	Labels map[string]string `json:"labels,omitempty"`

	// annotations of the Secret, besides ours, such as one that makes stakater/Reloader restart its
	// consumers. At most 32. Example: {reloader.stakater.com/match: "true"}.
	// +kubebuilder:validation:MaxProperties=32
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`

	// type of the Secret: Opaque, or one outside kubernetes.io. It may not change. Default: Opaque.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +optional
	Type string `json:"type,omitempty"`

	// data are further data keys: literal text in which $(KEY), $(NAME), $(NAMESPACE), $(TENANT),
	// $(REVISION), $(EXPIRES_AT) and $(HINT) stand for what they name, and nothing else does. At most 16
	// entries of 4096 characters. Example: {".env": "API_KEY=$(KEY)"}.
	// +kubebuilder:validation:MaxProperties=16
	// +optional
	Data map[string]string `json:"data,omitempty"`

	// deleteAfter reveals the key once: the Secret is removed that long after it was written, and from
	// then on only the hash stays. A rotation writes it anew for as long again. Hours, minutes and
	// seconds, 10s to 8760h. Without it the Secret stays. Example: 1h.
	// +optional
	DeleteAfter *metav1.Duration `json:"deleteAfter,omitempty"`
}

// ApiKeyStatus is what was granted and issued. It holds hashes, never a key.
type ApiKeyStatus struct {
	// observedGeneration is the generation of the spec that the rest of the status speaks of;
	// -1 until the manager has looked for the first time.
	// +kubebuilder:validation:Minimum=-1
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// state sums the status up in one word, for people and for kubectl's columns.
	// +optional
	State ApiKeyState `json:"state,omitempty"`

	// hint is what may be shown of the current credential. Example: sk_live_9f3k….
	// +kubebuilder:validation:MaxLength=64
	// +optional
	Hint string `json:"hint,omitempty"`

	// grant is what the manager accepted. The verifier lets a key do only what both the grant and
	// the spec say.
	// +optional
	Grant *Grant `json:"grant,omitempty"`

	// credentials that verifiers accept: the current one, and while one is being replaced also
	// pending and previous ones.
	// +kubebuilder:validation:MaxItems=8
	// +listType=atomic
	// +optional
	Credentials []Credential `json:"credentials,omitempty"`

	// secretRef is the Secret as it was when the manager last wrote or checked it.
	// +optional
	SecretRef *SecretReference `json:"secretRef,omitempty"`

	// lastRotationTime is when the current credential took the place of another one; absent for the first.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^2[01][0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`
	// +kubebuilder:validation:XValidation:rule="self >= timestamp('2000-01-01T00:00:00Z') && self < timestamp('2200-01-01T00:00:00Z')",message="must be a time in the years 2000 to 2199, with upper-case T and Z, such as 2027-01-10T23:59:59Z"
	// +optional
	LastRotationTime *metav1.Time `json:"lastRotationTime,omitempty"`

	// nextRotationTime is when the current credential is due to be replaced; absent where spec.rotation
	// names no time.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^2[01][0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`
	// +kubebuilder:validation:XValidation:rule="self >= timestamp('2000-01-01T00:00:00Z') && self < timestamp('2200-01-01T00:00:00Z')",message="must be a time in the years 2000 to 2199, with upper-case T and Z, such as 2027-01-10T23:59:59Z"
	// +optional
	NextRotationTime *metav1.Time `json:"nextRotationTime,omitempty"`

	// conditions: Ready says that the spec is in force (True also where that means revoked, expired
	// or suspended), Usable that the key works, Accepted that what is asked for was granted; Expiring,
	// Reconciling and Stalled stand only while they are True.
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:XValidation:rule="self.all(c, c.lastTransitionTime >= timestamp('2000-01-01T00:00:00Z') && c.lastTransitionTime < timestamp('2200-01-01T00:00:00Z'))",message="lastTransitionTime must be a time in the years 2000 to 2199, with upper-case T and Z, such as 2027-01-10T23:59:59Z"
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// ApiKeyState sums an ApiKey's status up in one word.
//
// +kubebuilder:validation:Enum=Pending;Active;Expiring;Expired;Suspended;Revoked;Denied
type ApiKeyState string

// The states of an ApiKey. Where several apply, the first of Revoked, Expired, Denied, Suspended, Expiring is shown.
const (
	StatePending   ApiKeyState = "Pending"   // no credential was published yet
	StateActive    ApiKeyState = "Active"    // the current credential works
	StateExpiring  ApiKeyState = "Expiring"  // the current credential works, and expiresAt is near
	StateExpired   ApiKeyState = "Expired"   // expiresAt has passed
	StateSuspended ApiKeyState = "Suspended" // stopped until spec.suspended is unset
	StateRevoked   ApiKeyState = "Revoked"   // stopped for good
	StateDenied    ApiKeyState = "Denied"    // what is asked for was not granted
)

// Grant is what the manager accepted of the spec.
type Grant struct {
	// tenant the key may speak for; empty for none.
	// +kubebuilder:validation:MaxLength=63
	// +optional
	Tenant string `json:"tenant,omitempty"`

	// permissions the key may use.
	// +kubebuilder:validation:MaxItems=64
	// +listType=set
	// +optional
	Permissions []Permission `json:"permissions,omitempty"`

	// scopes the key may use.
	// +kubebuilder:validation:MaxProperties=8
	// +optional
	Scopes map[string]ScopeValues `json:"scopes,omitempty"`

	// expiresAt is when the whole key dies; without it, never.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^2[01][0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`
	// +kubebuilder:validation:XValidation:rule="self >= timestamp('2000-01-01T00:00:00Z') && self < timestamp('2200-01-01T00:00:00Z')",message="must be a time in the years 2000 to 2199, with upper-case T and Z, such as 2027-01-10T23:59:59Z"
	// +optional
	ExpiresAt *metav1.Time `json:"expiresAt,omitempty"`
}

// CredentialState says where a credential stands in its life.
//
// +kubebuilder:validation:Enum=Pending;Current;Previous
type CredentialState string

// The states of a credential. Verifiers accept all three until notAfter.
const (
	CredentialPending  CredentialState = "Pending"  // recorded, not yet known to be in the Secret
	CredentialCurrent  CredentialState = "Current"  // in the Secret
	CredentialPrevious CredentialState = "Previous" // replaced, in its grace period
)

// Cause says why a credential was issued.
//
// +kubebuilder:validation:Enum=Issued;SecretLost;SecretChanged;Renewed;Rotated;RevisionRaised;Restored;Imported;SourceChanged
type Cause string

// The causes of an issue; they are also the reasons of the events that report one.
const (
	CauseIssued         Cause = "Issued"         // the ApiKey had no credential
	CauseSecretLost     Cause = "SecretLost"     // the Secret was deleted
	CauseSecretChanged  Cause = "SecretChanged"  // the Secret's value was not the current credential's
	CauseRenewed        Cause = "Renewed"        // the ApiKey had expired and was given a later expiresAt
	CauseRotated        Cause = "Rotated"        // spec.rotation said that it was time
	CauseRevisionRaised Cause = "RevisionRaised" // spec.revision or spec.minRevision was raised
	CauseRestored       Cause = "Restored"       // the status was lost, and the Secret's value was adopted in restore mode
	CauseImported       Cause = "Imported"       // spec.source named it for the first time
	CauseSourceChanged  Cause = "SourceChanged"  // spec.source names another one, or its Secret holds another value
)

// Credential is one issued secret value, by its hash.
type Credential struct {
	// revision counts the credentials of an ApiKey, from 1 to 1000000000, so that there is always a next one.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000000
	Revision int64 `json:"revision"`

	// state of the credential.
	State CredentialState `json:"state"`

	// hash of the key. Of a generated key v1: and the hex SHA-256 of "apikey-operator/v1", a zero byte, and
	// the key; of an imported or referenced one sha256: and the plain SHA-256, so that the hash of a
	// generated key cannot be imported into another ApiKey.
	// +kubebuilder:validation:MaxLength=80
	Hash string `json:"hash"`

	// hint is what may be shown of the key: its prefix, the first 4 random characters, an ellipsis.
	// +kubebuilder:validation:MaxLength=64
	Hint string `json:"hint"`

	// cause says why this credential was issued.
	// +optional
	Cause Cause `json:"cause,omitempty"`

	// issuedAt is when the credential was recorded.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^2[01][0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`
	// +kubebuilder:validation:XValidation:rule="self >= timestamp('2000-01-01T00:00:00Z') && self < timestamp('2200-01-01T00:00:00Z')",message="must be a time in the years 2000 to 2199, with upper-case T and Z, such as 2027-01-10T23:59:59Z"
	IssuedAt metav1.Time `json:"issuedAt"`

	// publishedAt is when the credential was recorded as current.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^2[01][0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`
	// +kubebuilder:validation:XValidation:rule="self >= timestamp('2000-01-01T00:00:00Z') && self < timestamp('2200-01-01T00:00:00Z')",message="must be a time in the years 2000 to 2199, with upper-case T and Z, such as 2027-01-10T23:59:59Z"
	// +optional
	PublishedAt *metav1.Time `json:"publishedAt,omitempty"`

	// notAfter is when verifiers stop accepting the credential; without it, it ends with the key.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^2[01][0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`
	// +kubebuilder:validation:XValidation:rule="self >= timestamp('2000-01-01T00:00:00Z') && self < timestamp('2200-01-01T00:00:00Z')",message="must be a time in the years 2000 to 2199, with upper-case T and Z, such as 2027-01-10T23:59:59Z"
	// +optional
	NotAfter *metav1.Time `json:"notAfter,omitempty"`
}

// SecretReference names one exact state of the Secret that holds the plaintext.
type SecretReference struct {
	// name of the Secret, in the ApiKey's namespace.
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// uid of the Secret; another one means that the Secret was deleted and made again.
	// +kubebuilder:validation:MaxLength=64
	UID string `json:"uid"`

	// resourceVersion of the Secret; while it stands, the manager need not read the Secret.
	// +kubebuilder:validation:MaxLength=64
	ResourceVersion string `json:"resourceVersion"`
}

// ApiKeyList is a list of ApiKeys.
//
// +kubebuilder:object:root=true
type ApiKeyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ApiKey `json:"items"`
}
