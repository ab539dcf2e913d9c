package policy

import "time"

// Any stands in a policy for any tenant, any value of a scope, or any further scope.
const Any = "*"

// Request is what an ApiKey asks for.
type Request struct {
	Permissions []string
	Tenant      string              // empty: none
	Scopes      map[string][]string // name to values
	ExpiresAt   time.Time           // zero: never
	Rotation    Rotation
	RateLimit   RateLimit // zero: none
	Format      Format    // what is not given is zero
	Import      bool      // the key comes from elsewhere
}

// Rotation is how a key is rotated.
type Rotation struct {
	Interval time.Duration // the longest time between two rotations; zero: the clock brings none
	Grace    time.Duration // for how long a replaced credential works
}

// RateLimit is how often a key may be used. Zero: as often as one likes.
type RateLimit struct {
	Requests int64
	Period   time.Duration // whole seconds
	Burst    int64         // how many at once after a pause
}

// Format is what generated keys look like.
type Format struct {
	Prefix string
	Bytes  int
}

// Namespace is where an ApiKey lives.
type Namespace struct {
	Name   string
	Labels map[string]string
}

// Selector says which namespaces a policy speaks of.
type Selector interface {
	Selects(labels map[string]string) bool
}

// Policy is what the ApiKeys of some namespaces may ask for.
type Policy struct {
	Name     string
	Selector Selector
	// WarnOnly says that what it refuses is only reported: it neither admits nor counts as selecting.
	WarnOnly bool
	// Unreadable is why nobody can tell what the policy says; empty where it can be read. It then selects all
	// namespaces and admits nothing, so that a mistake in it opens nothing.
	Unreadable string

	Permissions []string
	Tenants     []string            // none: no tenant may be named. Any: whichever, but one
	TenantLabel string              // the label of the namespace that holds its one tenant
	Scopes      map[string][]string // by name, both with Any
	AllowImport bool

	MaxLifetime     time.Duration     // zero: no limit
	RequireRotation *RequiredRotation // nil: none is demanded
	MaxRateLimit    RateLimit         // zero: no limit
	Format          Format            // Bytes is the least number; zero: any will do
}

// RequiredRotation is how often at least a key must be rotated. Nil: any will do.
type RequiredRotation struct {
	MaxEvery, MaxGrace *time.Duration
}

// Default is what becomes of a namespace that no policy selects.
type Default int

// The defaults.
const (
	DenyByDefault  Default = iota // nothing is granted there
	AllowByDefault                // all but imports and the permission for everything
)

// Code names a reason for a refusal; it is the reason of conditions and events.
type Code string

// The codes, in the order in which they are checked.
const (
	NoPolicy             Code = "NoPolicy"
	PolicyUnreadable     Code = "PolicyUnreadable"
	PermissionNotAllowed Code = "PermissionNotAllowed"
	TenantRequired       Code = "TenantRequired"
	TenantNotAllowed     Code = "TenantNotAllowed"
	ScopeRequired        Code = "ScopeRequired"
	ScopeNotAllowed      Code = "ScopeNotAllowed"
	ExpiryRequired       Code = "ExpiryRequired"
	LifetimeTooLong      Code = "LifetimeTooLong"
	RotationRequired     Code = "RotationRequired"
	RotationTooRare      Code = "RotationTooRare"
	GracePeriodTooLong   Code = "GracePeriodTooLong"
	RateLimitRequired    Code = "RateLimitRequired"
	RateLimitTooHigh     Code = "RateLimitTooHigh"
	ImportNotAllowed     Code = "ImportNotAllowed"
	FormatNotAllowed     Code = "FormatNotAllowed"
)

// Reason is one thing that a policy does not allow.
type Reason struct {
	Code  Code
	Field string // of the ApiKey, such as spec.permissions
	Text  string // what was asked for, and what is allowed
}

// Finding is what one policy has against a request.
type Finding struct {
	Policy  string // empty: there is none
	Reasons []Reason
}

// Verdict is what all policies together say of a request.
type Verdict struct {
	Admitted bool
	// Policy is the one that admits, the first by name; empty where AllowByDefault does.
	Policy string
	// Format is what that policy demands of the key, and MaxEvery how often at least it must be rotated; zero: any
	// rotation will do.
	Format   Format
	MaxEvery time.Duration
	// Refusal is what the policy that came closest has against the request, where none admits it.
	Refusal Finding
	// Warnings are what policies have against it that only warn, by name.
	Warnings []Finding
	// Later is when the refusal, or a warning, may end by the passing of time alone, as an expiry that is too far
	// ahead comes nearer; zero: at no time.
	Later time.Time
}
