package authn

// Reason says why a request is allowed or refused. It is an index into arrays of ReasonCount elements.
type Reason uint8

// The reasons, in the order in which they are checked. What they are called outside (String) and the HTTP
// status that belongs to each (Status) are part of the contract with proxies.
const (
	// NotReady: the verifier has not seen all ApiKeys yet, or cannot decide at all. It is the zero
	// value, so that a decision that nobody made refuses.
	NotReady Reason = iota
	// InvalidRequirement: what the route demands cannot be understood; its author's mistake.
	InvalidRequirement
	// MissingCredential: no key was found where keys are looked for.
	MissingCredential
	// MalformedCredential: no issued key can look like what was given.
	MalformedCredential
	// UnknownKey: no ApiKey has such a key; a deleted one's neither.
	UnknownKey
	// Expired: the credential or its ApiKey has ended.
	Expired
	// Revoked: the ApiKey was stopped for good.
	Revoked
	// Suspended: the ApiKey was stopped for now.
	Suspended
	// NotGranted: the manager has not accepted what the ApiKey asks for.
	NotGranted
	// AddressNotAllowed: the key may be used from some networks alone, and the client's address is in none of them or
	// not known.
	AddressNotAllowed
	// PermissionDenied: the key lacks a permission that the route demands.
	PermissionDenied
	// TenantMismatch: the route demands another tenant.
	TenantMismatch
	// ScopeMismatch: the key's scopes do not include what the route demands.
	ScopeMismatch
	// NamespaceMismatch: the route demands an ApiKey of another namespace.
	NamespaceMismatch
	// RateLimited: the key was used more often than it may be. It is told by whoever counts, never by Decide.
	RateLimited
	// Allowed: the request may pass.
	Allowed

	// ReasonCount is how many reasons there are.
	ReasonCount = int(Allowed) + 1
)

var reasons = [ReasonCount]struct {
	name   string
	status int
}{
	NotReady:            {"not_ready", 503},
	InvalidRequirement:  {"invalid_requirement", 403},
	MissingCredential:   {"missing_credential", 401},
	MalformedCredential: {"malformed_credential", 401},
	UnknownKey:          {"unknown_key", 401},
	Expired:             {"expired", 401},
	Revoked:             {"revoked", 401},
	Suspended:           {"suspended", 401},
	NotGranted:          {"not_granted", 403},
	AddressNotAllowed:   {"address_not_allowed", 403},
	PermissionDenied:    {"permission_denied", 403},
	TenantMismatch:      {"tenant_mismatch", 403},
	ScopeMismatch:       {"scope_mismatch", 403},
	NamespaceMismatch:   {"namespace_mismatch", 403},
	RateLimited:         {"rate_limited", 429},
	Allowed:             {"allowed", 200},
}

// String is the reason's name in headers and metrics.
func (r Reason) String() string { return reasons[r].name }

// Status is the HTTP status for the reason, where the proxy's protocol does not narrow the choice.
func (r Reason) Status() int { return reasons[r].status }
