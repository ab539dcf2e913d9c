package v1alpha1

// The condition types of an ApiKey, after the Kubernetes API conventions and kstatus
// (https://github.com/kubernetes-sigs/cli-utils/tree/master/pkg/kstatus): Reconciling and Stalled are
// present only while they are True.
const (
	// ConditionReady is True when the spec is in force, also where it says that the key is
	// suspended, revoked or expired, so that one revoked key in Git does not block a wait for Ready.
	ConditionReady = "Ready"

	// ConditionUsable is True when the current credential is accepted by verifiers.
	ConditionUsable = "Usable"

	// ConditionAccepted is True when what the spec asks for was granted.
	ConditionAccepted = "Accepted"

	// ConditionExpiring is True when spec.expiresAt is near; it is present only then.
	ConditionExpiring = "Expiring"

	// ConditionPolicyWarning is True when a policy that only warns would refuse what the spec asks for; it is
	// present only then.
	ConditionPolicyWarning = "PolicyWarning"

	// ConditionReconciling is True while a credential is being issued.
	ConditionReconciling = "Reconciling"

	// ConditionStalled is True when nothing will happen until somebody changes something; its
	// message says what.
	ConditionStalled = "Stalled"
)

// The reasons of conditions; those that speak of a change are event reasons as well.
const (
	// ReasonActive: the credential is published and works.
	ReasonActive = "Active"

	// ReasonIssuing: a credential is recorded, or about to be, and not yet in the Secret.
	ReasonIssuing = "Issuing"

	// ReasonRotating: the current credential works, and another one that is to replace it is on its way.
	ReasonRotating = "Rotating"

	// ReasonClockSkew: the manager's clock is too far from the API server's to act by it.
	ReasonClockSkew = "ClockSkew"

	// ReasonAccepted: all that the spec asks for is granted.
	ReasonAccepted = "Accepted"

	// ReasonDuplicateKey: another ApiKey has the same key, and its claim comes first.
	ReasonDuplicateKey = "DuplicateKey"

	// ReasonWeakKey: the referenced Secret holds a key that could be guessed.
	ReasonWeakKey = "WeakKey"

	// ReasonMalformedKey: the referenced Secret holds what no request can carry as a key.
	ReasonMalformedKey = "MalformedKey"

	// ReasonSecretNotFound: the referenced Secret, or the data key in it, does not exist (yet).
	ReasonSecretNotFound = "SecretNotFound"

	// ReasonSecretNotOffered: the referenced Secret does not carry the label that offers it.
	ReasonSecretNotOffered = "SecretNotOffered"

	// ReasonInvalidSchedule: spec.rotation names a schedule or time zone that cannot be understood.
	ReasonInvalidSchedule = "InvalidSchedule"

	// ReasonExpiring: spec.expiresAt is near.
	ReasonExpiring = "Expiring"

	// ReasonPublishFailed: the API server refuses the Secret; the message says why, and it is tried again.
	ReasonPublishFailed = "PublishFailed"

	// ReasonSuspended: spec.suspended is set.
	ReasonSuspended = "Suspended"

	// ReasonResumed is the event's reason when spec.suspended was unset.
	ReasonResumed = "Resumed"

	// ReasonRevoked: spec.revoked is set.
	ReasonRevoked = "Revoked"

	// ReasonExpired: spec.expiresAt has passed.
	ReasonExpired = "Expired"

	// ReasonSecretConflict: a Secret of the wanted name exists and is not this ApiKey's.
	ReasonSecretConflict = "SecretConflict"

	// ReasonSecretImmutable: the Secret was made immutable, so no other credential can be put there.
	ReasonSecretImmutable = "SecretImmutable"

	// ReasonCredentialEnded is the event's reason when a previous credential lost the rest of its
	// grace period to a newer one.
	ReasonCredentialEnded = "CredentialEnded"

	// ReasonBelowMinRevision: the key that spec.source names is stopped by spec.minRevision, and only another key
	// can take its place.
	ReasonBelowMinRevision = "BelowMinRevision"

	// ReasonConcealed is the event's reason when the Secret was removed after spec.secret.deleteAfter.
	ReasonConcealed = "Concealed"

	// ReasonSelfContradictory: an ApiKeyPolicy can never admit anything.
	ReasonSelfContradictory = "SelfContradictory"

	// ReasonInForce: an ApiKeyPolicy is obeyed.
	ReasonInForce = "InForce"

	// ReasonWarnOnly: an ApiKeyPolicy only warns: it neither admits nor refuses.
	ReasonWarnOnly = "WarnOnly"
)

// The reasons for which policy refuses an ApiKey, of the condition Accepted and of PolicyWarning; they stand in
// refusals at admission as well. A refusal has the first of those that apply as its reason, and names all in its message.
const (
	// ReasonNoPolicy: no ApiKeyPolicy selects the namespace.
	ReasonNoPolicy = "NoPolicy"

	// ReasonPolicyUnreadable: an ApiKeyPolicy cannot be read, so that nobody can tell what it refuses.
	ReasonPolicyUnreadable = "PolicyUnreadable"

	// ReasonPermissionNotAllowed: spec.permissions holds one that no permission of the policy covers.
	ReasonPermissionNotAllowed = "PermissionNotAllowed"

	// ReasonTenantRequired: spec.tenant is absent, and the policy names tenants.
	ReasonTenantRequired = "TenantRequired"

	// ReasonTenantNotAllowed: spec.tenant is none of the policy's.
	ReasonTenantNotAllowed = "TenantNotAllowed"

	// ReasonScopeRequired: a scope that the policy names is absent.
	ReasonScopeRequired = "ScopeRequired"

	// ReasonScopeNotAllowed: a scope, or a value of one, is not the policy's.
	ReasonScopeNotAllowed = "ScopeNotAllowed"

	// ReasonExpiryRequired: spec.expiresAt is absent, and the policy bounds how long a key may live.
	ReasonExpiryRequired = "ExpiryRequired"

	// ReasonLifetimeTooLong: spec.expiresAt is farther ahead than the policy allows.
	ReasonLifetimeTooLong = "LifetimeTooLong"

	// ReasonRotationRequired: the key is not rotated by the clock, and the policy demands it.
	ReasonRotationRequired = "RotationRequired"

	// ReasonRotationTooRare: the key is rotated less often than the policy demands.
	ReasonRotationTooRare = "RotationTooRare"

	// ReasonRotationOverdue: the current credential is older than the policy allows, and cannot be replaced.
	ReasonRotationOverdue = "RotationOverdue"

	// ReasonGracePeriodTooLong: a replaced credential would work for longer than the policy allows.
	ReasonGracePeriodTooLong = "GracePeriodTooLong"

	// ReasonRateLimitRequired: spec.rateLimit is absent, and the policy bounds it.
	ReasonRateLimitRequired = "RateLimitRequired"

	// ReasonRateLimitTooHigh: spec.rateLimit is higher than the policy allows.
	ReasonRateLimitTooHigh = "RateLimitTooHigh"

	// ReasonImportNotAllowed: spec.source is given, and the policy does not allow it.
	ReasonImportNotAllowed = "ImportNotAllowed"

	// ReasonFormatNotAllowed: spec.format is not what the policy demands.
	ReasonFormatNotAllowed = "FormatNotAllowed"
)
