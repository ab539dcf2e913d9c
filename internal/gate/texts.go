package gate

import (
	"encoding/json"
	"strconv"

	"github.com/apikey-operator/apikey-operator/internal/authn"
)

// The headers that go back. The first six are the identity, which every answer that allows a request carries.
const (
	HeaderNamespace   = "X-Apikey-Namespace"
	HeaderName        = "X-Apikey-Name"
	HeaderTenant      = "X-Apikey-Tenant"
	HeaderPermissions = "X-Apikey-Permissions"
	HeaderScopes      = "X-Apikey-Scopes"
	HeaderRevision    = "X-Apikey-Revision"

	HeaderReason    = "X-Apikey-Reason"
	HeaderRequestID = "X-Request-Id"
)

// AppendCacheControl appends the value of Cache-Control: for how many seconds an answer may be kept.
func AppendCacheControl(dst []byte, seconds int) []byte {
	if seconds <= 0 {
		return append(dst, "no-store"...)
	}
	return strconv.AppendInt(append(dst, "max-age="...), int64(seconds), 10)
}

// challenges are the values of WWW-Authenticate (RFC 6750, section 3).
type challenges struct {
	plain, invalidToken, insufficientScope string
}

func newChallenges(realm string) challenges {
	plain := `Bearer realm="` + realm + `"`
	return challenges{
		plain:             plain,
		invalidToken:      plain + `, error="invalid_token"`,
		insufficientScope: plain + `, error="insufficient_scope"`,
	}
}

const unauthorized = 401

// Challenge is the value of WWW-Authenticate for a refusal, empty where it carries none.
func (g *Gate) Challenge(d *authn.Decision) string {
	switch {
	case d.Reason == authn.MissingCredential:
		return g.challenges.plain
	case d.Reason.Status() == unauthorized:
		return g.challenges.invalidToken
	case d.Reason == authn.PermissionDenied && d.Demanded == "": // no rule is for the method, so no scope helps
		return g.challenges.insufficientScope
	case d.Reason == authn.PermissionDenied:
		return g.challenges.insufficientScope + `, scope="` + d.Demanded + `"`
	}
	return ""
}

// ProblemType is the media type of Problem (RFC 9457).
const ProblemType = "application/problem+json"

// Problem is the body of a refusal, where a dialect's proxy hands one on to its client. The bytes are everybody's and must
// not be changed.
func Problem(reason authn.Reason) []byte { return problems[reason] }

// problems are made once, since they hold nothing of the request.
var problems = makeProblems()

// problemTypes is where each reason is explained.
const problemTypes = "https://github.com/apikey-operator/apikey-operator/blob/main/docs/verifier.md#"

func makeProblems() (made [authn.ReasonCount][]byte) {
	for r := range made {
		reason := authn.Reason(r)
		if reason == authn.Allowed {
			continue
		}
		body, err := json.Marshal(struct {
			Type   string `json:"type"`
			Title  string `json:"title"`
			Status int    `json:"status"`
			Detail string `json:"detail"`
			Reason string `json:"reason"`
		}{problemTypes + reason.String(), titles[reason].title, reason.Status(), titles[reason].detail, reason.String()})
		if err != nil {
			panic(err) // texts can be encoded
		}
		made[r] = body
	}
	return made
}

// titles say what is wrong, and what the holder of a key can do about it.
var titles = [authn.ReasonCount]struct{ title, detail string }{
	authn.NotReady:            {"Not ready", "API keys cannot be checked yet. Try again in a moment."},
	authn.InvalidRequirement:  {"Misconfigured route", "What this route demands of API keys cannot be understood. Tell whoever runs it."},
	authn.MissingCredential:   {"API key missing", "Send an API key, in the header that the service names or as Authorization: Bearer KEY."},
	authn.MalformedCredential: {"API key malformed", "What was sent as an API key cannot be one. Send it once, just as it was issued."},
	authn.UnknownKey:          {"API key unknown", "There is no such API key. It may have been replaced or deleted."},
	authn.Expired:             {"API key expired", "The API key has ended, or was replaced by a newer one."},
	authn.Revoked:             {"API key revoked", "The API key was stopped for good."},
	authn.Suspended:           {"API key suspended", "The API key was stopped for now."},
	authn.NotGranted:          {"API key not granted", "What the API key asks for was not granted, or not yet."},
	authn.AddressNotAllowed:   {"Address not allowed", "The API key may not be used from this address."},
	authn.PermissionDenied:    {"Permission denied", "The API key lacks a permission that this request needs."},
	authn.TenantMismatch:      {"Another tenant's", "The API key belongs to another tenant."},
	authn.ScopeMismatch:       {"Out of scope", "The API key's scopes do not include what this request needs."},
	authn.NamespaceMismatch:   {"Another namespace's", "The API key belongs to another namespace."},
	authn.RateLimited:         {"Too many requests", "The API key was used more often than it may be. Retry-After says when to try again."},
}
