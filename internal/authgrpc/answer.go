package authgrpc

import (
	"strconv"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"

	"github.com/apikey-operator/apikey-operator/internal/authn"
	"github.com/apikey-operator/apikey-operator/internal/gate"
	"github.com/apikey-operator/apikey-operator/internal/ratelimit"
)

// upstreamHeaders are the identity and the request's ID.
const upstreamHeaders = 7

// header is one of an answer's, with all its parts in one piece of memory.
type header struct {
	option corev3.HeaderValueOption
	value  corev3.HeaderValue
}

const overwrite = corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD

// set makes a header. Envoy reads the value alone, not the raw one, and sets an empty one as it is.
func (h *header) set(name, value string, action corev3.HeaderValueOption_HeaderAppendAction) *corev3.HeaderValueOption {
	h.value.Key, h.value.Value = name, value
	h.option.Header, h.option.AppendAction = &h.value, action
	h.option.KeepEmptyValue = value == "" // which Envoy implies here, and others may not
	return &h.option
}

// allowed is an answer that lets a request through, in one piece of memory.
type allowed struct {
	response authv3.CheckResponse
	oneOf    authv3.CheckResponse_OkResponse
	ok       authv3.OkHttpResponse
	list     [upstreamHeaders]*corev3.HeaderValueOption
	headers  [upstreamHeaders]header
}

var statusOK = &status.Status{Code: int32(codes.OK)}

// allow makes the answer to an allowed question. All identity headers are in it, the empty ones too: Envoy replaces what the
// client sent only by what it is given.
func (s *Server) allow(q *gate.Question) *authv3.CheckResponse {
	a := &allowed{}
	a.oneOf.OkResponse = &a.ok
	a.response.Status, a.response.HttpResponse = statusOK, &a.oneOf
	key := q.Key
	a.set(0, gate.HeaderNamespace, key.Namespace())
	a.set(1, gate.HeaderName, key.Name())
	a.set(2, gate.HeaderTenant, key.Tenant())
	a.set(3, gate.HeaderPermissions, key.Permissions())
	a.set(4, gate.HeaderScopes, key.Scopes())
	a.set(5, gate.HeaderRevision, strconv.FormatInt(key.Revision(), 10))
	a.set(6, gate.HeaderRequestID, string(q.ID()))
	a.ok.Headers = a.list[:]
	a.ok.HeadersToRemove = s.removed(q.Place)
	if q.Counted {
		// An upstream may have a limit of its own, which does not replace this one, nor this one that.
		a.ok.ResponseHeadersToAdd = appendLimit(nil, q, corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD)
	}
	return &a.response
}

func (a *allowed) set(i int, name, value string) {
	a.list[i] = a.headers[i].set(name, value, overwrite)
}

// appendLimit appends what tells of the key's rate limit and what is left of it.
func appendLimit(
	list []*corev3.HeaderValueOption, q *gate.Question, action corev3.HeaderValueOption_HeaderAppendAction,
) []*corev3.HeaderValueOption {
	var text [96]byte
	headers := &[2]header{}
	return append(list,
		headers[0].set(ratelimit.PolicyHeader, string(ratelimit.AppendPolicy(text[:0], q.Limit)), action),
		headers[1].set(ratelimit.StateHeader, string(ratelimit.AppendState(text[:0], q.Usage)), action))
}

// removed are the headers that do not go upstream. A key in a cookie, the query or the body stays, since what else stands
// there is the upstream's.
func (s *Server) removed(place gate.Place) []string {
	switch {
	case !s.removesCredential:
		return nil
	case place == gate.InAuthorization:
		return s.credentialHeaders
	}
	return s.credentialHeaders[:1]
}

// denied is an answer that refuses a request, in one piece of memory but for the rare parts.
type denied struct {
	response authv3.CheckResponse
	oneOf    authv3.CheckResponse_DeniedResponse
	http     authv3.DeniedHttpResponse
	list     [maxDeniedHeaders]*corev3.HeaderValueOption
	id       header
	why      header // WWW-Authenticate
}

const maxDeniedHeaders = 8

// deny makes the answer to a refused question, which Envoy hands on to the client.
func deny(g *gate.Gate, q *gate.Question) *authv3.CheckResponse {
	a := &denied{}
	shared := &refusals[q.Reason]
	a.oneOf.DeniedResponse = &a.http
	a.response.Status, a.response.HttpResponse = shared.status, &a.oneOf
	a.http.Status, a.http.Body = shared.http, shared.body
	list := append(a.list[:0], shared.reason, contentType, cacheControl, a.id.set(gate.HeaderRequestID, string(q.ID()), overwrite))
	if challenge := g.Challenge(&q.Decision); challenge != "" {
		list = append(list, a.why.set("WWW-Authenticate", challenge, overwrite))
	}
	if q.Counted {
		list = appendLimit(list, q, overwrite)
	}
	if q.Counted && q.Reason == authn.RateLimited {
		list = append(list, option(ratelimit.RetryAfterHeader, strconv.FormatInt(ratelimit.RetryAfterSeconds(q.Usage), 10)))
	}
	a.http.Headers = list
	return &a.response
}

// refusal is what all refusals for a reason share.
type refusal struct {
	status *status.Status
	http   *typev3.HttpStatus
	reason *corev3.HeaderValueOption
	body   string
}

var (
	contentType  = option("Content-Type", gate.ProblemType)
	cacheControl = option("Cache-Control", string(gate.AppendCacheControl(nil, 0)))
	refusals     = makeRefusals()
	lastResort   = &authv3.CheckResponse{
		Status: refusals[authn.NotReady].status,
		HttpResponse: &authv3.CheckResponse_DeniedResponse{DeniedResponse: &authv3.DeniedHttpResponse{
			Status:  refusals[authn.NotReady].http,
			Headers: []*corev3.HeaderValueOption{refusals[authn.NotReady].reason, contentType, cacheControl},
			Body:    refusals[authn.NotReady].body,
		}},
	}
)

func option(name, value string) *corev3.HeaderValueOption {
	return new(header).set(name, value, overwrite)
}

func makeRefusals() (made [authn.ReasonCount]refusal) {
	for r := range made {
		reason := authn.Reason(r)
		if reason == authn.Allowed {
			continue
		}
		made[r] = refusal{
			status: &status.Status{Code: int32(code(reason)), Message: reason.String()},
			http:   &typev3.HttpStatus{Code: typev3.StatusCode(int32(reason.Status()))},
			reason: option(gate.HeaderReason, reason.String()),
			body:   string(gate.Problem(reason)),
		}
	}
	return made
}

// code is gRPC's for a reason. To Envoy each but OK is a refusal.
func code(reason authn.Reason) codes.Code {
	switch reason.Status() {
	case int(typev3.StatusCode_Unauthorized):
		return codes.Unauthenticated
	case int(typev3.StatusCode_TooManyRequests):
		return codes.ResourceExhausted
	case int(typev3.StatusCode_ServiceUnavailable):
		return codes.Unavailable
	}
	return codes.PermissionDenied
}
