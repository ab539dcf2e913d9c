package v1alpha1

// KeySourceLabel offers a Secret, by the value "true", to the ApiKeys of its namespace: only then is it read for
// spec.source.secretRef.
const KeySourceLabel = GroupName + "/key-source"

// The annotations that the manager keeps on the Secrets it writes, so that a consumer can tell which key it
// holds. They are for people and programs to read; the manager decides nothing by them, but for the names
// that it wrote itself and for a restore.
const (
	// RevisionAnnotation is the revision of the credential, such as 3.
	RevisionAnnotation = GroupName + "/revision"
	// HintAnnotation is what may be shown of the key, such as sk_live_9f3k….
	HintAnnotation = GroupName + "/hint"
	// IssuedAtAnnotation is when the credential was issued, in RFC 3339.
	IssuedAtAnnotation = GroupName + "/issued-at"
	// ExpiresAtAnnotation is when the whole key dies, in RFC 3339; absent for one that does not.
	ExpiresAtAnnotation = GroupName + "/expires-at"
	// WrittenAnnotation names the labels, annotations and data keys that spec.secret asked for at the last
	// write, as JSON, so that they go when it no longer does.
	WrittenAnnotation = GroupName + "/written"
)

// The annotations that say who stands behind an ApiKey. They are stamped when it is admitted, and nobody can write
// another's name there; one that is absent says that it is unknown. They grant nothing.
const (
	// CreatedByAnnotation is the user that created the ApiKey.
	CreatedByAnnotation = GroupName + "/created-by"
	// ChangedByAnnotation is the user that last changed its spec.
	ChangedByAnnotation = GroupName + "/changed-by"
)
