package authhttp

import (
	"encoding/hex"
	"math/rand/v2"
	"strconv"

	"github.com/valyala/fasthttp"

	"github.com/apikey-operator/apikey-operator/internal/authn"
	"github.com/apikey-operator/apikey-operator/internal/index"
)

// The headers of the contract.
const (
	headerNamespace   = "X-Apikey-Namespace"
	headerName        = "X-Apikey-Name"
	headerTenant      = "X-Apikey-Tenant"
	headerPermissions = "X-Apikey-Permissions"
	headerScopes      = "X-Apikey-Scopes"
	headerRevision    = "X-Apikey-Revision"
	headerReason      = "X-Apikey-Reason"

	headerOriginalMethod = "X-Original-Method"
	headerOriginalURL    = "X-Original-URL"
	headerRequestID      = "X-Request-ID"
)

// allow answers with all identity headers, empty where there is nothing to say, so that a proxy replaces
// whatever its client sent under these names.
func allow(h *fasthttp.ResponseHeader, d *authn.Decision) {
	key := &d.Key
	h.Set(headerNamespace, key.Namespace)
	h.Set(headerName, key.Name)
	h.Set(headerTenant, key.Tenant)
	h.Set(headerPermissions, key.Permissions)
	h.Set(headerScopes, key.Scopes)
	setRevision(h, key)
	setCaching(h, d.CacheSeconds)
}

func setRevision(h *fasthttp.ResponseHeader, key *index.Entry) {
	var digits [20]byte
	h.SetBytesV(headerRevision, strconv.AppendInt(digits[:0], key.Revision, 10))
}

// setCaching says for how long an answer may be kept; refusals never, since a kept one would outlive the
// moment at which a fresh key arrives.
func setCaching(h *fasthttp.ResponseHeader, seconds int) {
	if seconds <= 0 {
		h.Set(fasthttp.HeaderCacheControl, "no-store")
		return
	}
	var value [32]byte
	h.SetBytesV(fasthttp.HeaderCacheControl, strconv.AppendInt(append(value[:0], "max-age="...), int64(seconds), 10))
}

// refuse answers with the reason and, where it can be mended by a key, with the challenge of RFC 6750.
func (s *Settings) refuse(h *fasthttp.ResponseHeader, d *authn.Decision) {
	h.Set(headerReason, d.Reason.String())
	setCaching(h, 0)
	switch {
	case d.Reason == authn.MissingCredential:
		h.Set(fasthttp.HeaderWWWAuthenticate, s.challenge())
	case d.Reason == authn.PermissionDenied && d.Demanded != "":
		h.Set(fasthttp.HeaderWWWAuthenticate, s.challenge()+`, error="insufficient_scope", scope="`+d.Demanded+`"`)
	case d.Reason == authn.PermissionDenied:
		h.Set(fasthttp.HeaderWWWAuthenticate, s.challenge()+`, error="insufficient_scope"`)
	case d.Reason.Status() == fasthttp.StatusUnauthorized:
		h.Set(fasthttp.HeaderWWWAuthenticate, s.challenge()+`, error="invalid_token"`)
	}
}

func (s *Settings) challenge() string { return `Bearer realm="` + s.Realm + `"` }

// maxRequestID is how long a request ID may be that is passed on.
const maxRequestID = 128

// setRequestID echoes the request's ID, or makes one where it has none that could stand in a log.
func setRequestID(h *fasthttp.ResponseHeader, given []byte) {
	if isRequestID(given) {
		h.SetBytesV(headerRequestID, given)
		return
	}
	var random [16]byte
	for i := range 2 {
		for j, bits := 0, rand.Uint64(); j < 8; j, bits = j+1, bits>>8 {
			random[8*i+j] = byte(bits)
		}
	}
	var text [32]byte
	hex.Encode(text[:], random[:])
	h.SetBytesV(headerRequestID, text[:])
}

func isRequestID(id []byte) bool {
	if len(id) == 0 || len(id) > maxRequestID {
		return false
	}
	for _, c := range id {
		alphanumeric := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !alphanumeric && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}
