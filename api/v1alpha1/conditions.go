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
)
