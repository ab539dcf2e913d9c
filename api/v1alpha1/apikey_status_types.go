package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

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
	// PolicyWarning, Reconciling and Stalled stand only while they are True.
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
	// StatePending: no credential was published yet.
	StatePending ApiKeyState = "Pending"
	// StateActive: the current credential works.
	StateActive ApiKeyState = "Active"
	// StateExpiring: the current credential works, and expiresAt is near.
	StateExpiring ApiKeyState = "Expiring"
	// StateExpired: expiresAt has passed.
	StateExpired ApiKeyState = "Expired"
	// StateSuspended: stopped until spec.suspended is unset.
	StateSuspended ApiKeyState = "Suspended"
	// StateRevoked: stopped for good.
	StateRevoked ApiKeyState = "Revoked"
	// StateDenied: what is asked for was not granted.
	StateDenied ApiKeyState = "Denied"
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

	// allowedCIDRs are the networks that the key may be used from; without them, from anywhere.
	// +kubebuilder:validation:MaxItems=32
	// +listType=set
	// +optional
	AllowedCIDRs []CIDR `json:"allowedCIDRs,omitempty"`

	// rateLimit is how often the key may be used; without it, as often as one likes.
	// +optional
	RateLimit *RateLimit `json:"rateLimit,omitempty"`

	// policy is the ApiKeyPolicy that admits the key, the first by name of those that do; empty where no policy
	// selects the namespace and the manager runs with --default-policy=allow.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	Policy string `json:"policy,omitempty"`
}

// CredentialState says where a credential stands in its life.
//
// +kubebuilder:validation:Enum=Pending;Current;Previous
type CredentialState string

// The states of a credential. Verifiers accept all three until notAfter.
const (
	// CredentialPending: recorded, not yet known to be in the Secret.
	CredentialPending CredentialState = "Pending"
	// CredentialCurrent: in the Secret.
	CredentialCurrent CredentialState = "Current"
	// CredentialPrevious: replaced, in its grace period.
	CredentialPrevious CredentialState = "Previous"
)

// Cause says why a credential was issued.
//
// +kubebuilder:validation:Enum=Issued;SecretLost;SecretChanged;Renewed;Rotated;RevisionRaised;Restored;Imported;SourceChanged
type Cause string

// The causes of an issue; they are also the reasons of the events that report one.
const (
	// CauseIssued: the ApiKey had no credential.
	CauseIssued Cause = "Issued"
	// CauseSecretLost: the Secret was deleted.
	CauseSecretLost Cause = "SecretLost"
	// CauseSecretChanged: the Secret's value was not the current credential's.
	CauseSecretChanged Cause = "SecretChanged"
	// CauseRenewed: the ApiKey had expired and was given a later expiresAt.
	CauseRenewed Cause = "Renewed"
	// CauseRotated: spec.rotation said that it was time.
	CauseRotated Cause = "Rotated"
	// CauseRevisionRaised: spec.revision or spec.minRevision was raised.
	CauseRevisionRaised Cause = "RevisionRaised"
	// CauseRestored: the status was lost, and the Secret's value was adopted in restore mode.
	CauseRestored Cause = "Restored"
	// CauseImported: spec.source named it for the first time.
	CauseImported Cause = "Imported"
	// CauseSourceChanged: spec.source names another one, or its Secret holds another value.
	CauseSourceChanged Cause = "SourceChanged"
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
	// +kubebuilder:validation:Pattern=`^(v1|sha256):[0-9a-f]{64}$`
	// +kubebuilder:validation:MaxLength=71
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

	// retiredAt is when a pending credential was given up. It is accepted until it is certain that no write of it is
	// under way any more.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^2[01][0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`
	// +kubebuilder:validation:XValidation:rule="self >= timestamp('2000-01-01T00:00:00Z') && self < timestamp('2200-01-01T00:00:00Z')",message="must be a time in the years 2000 to 2199, with upper-case T and Z, such as 2027-01-10T23:59:59Z"
	// +optional
	RetiredAt *metav1.Time `json:"retiredAt,omitempty"`

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

	// minLength is how many characters a key that spec.source refers to was found to have at least, where a policy
	// demands more than usual; while no policy demands more than that, the manager need not read the Secret.
	// +kubebuilder:validation:Minimum=0
	// +optional
	MinLength int32 `json:"minLength,omitempty"`
}
