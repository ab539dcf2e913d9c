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

// The headers of an answer: the identity and the request's ID for the upstream, and the rate limit for the client; or all
// that a refusal has.
const (
	identityHeaders = 6
	upstreamHeaders = identityHeaders + 1
	limitHeaders    = 2
	maxHeaders      = upstreamHeaders + limitHeaders
)

// answer is a response with all its parts in one piece of memory.
type answer struct {
	response authv3.CheckResponse
	list     [maxHeaders]*corev3.HeaderValueOption
	options  [maxHeaders]corev3.HeaderValueOption
	values   [maxHeaders]corev3.HeaderValue
	count    int
}

const overwrite = corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD

// add adds a header. Envoy reads the value alone, not the raw one, and sets an empty one as it is.
func (a *answer) add(name, value string, action corev3.HeaderValueOption_HeaderAppendAction) {
	i := a.count
	a.values[i].Key, a.values[i].Value = name, value
	a.options[i].Header, a.options[i].AppendAction = &a.values[i], action
	a.options[i].KeepEmptyValue = value == "" // which Envoy implies here, and others may not
	a.share(&a.options[i])
}

// share adds a header that all answers share.
func (a *answer) share(option *corev3.HeaderValueOption) {
	a.list[a.count] = option
	a.count++
}

// allowed is an answer that lets a request through.
type allowed struct {
	answer

	ok    authv3.OkHttpResponse
	oneOf authv3.CheckResponse_OkResponse
}

var statusOK = &status.Status{Code: int32(codes.OK)}

// allow makes the answer to an allowed question.
func (s *Server) allow(q *gate.Question) *authv3.CheckResponse {
	a := &allowed{}
	a.oneOf.OkResponse = &a.ok
	a.response.Status, a.response.HttpResponse = statusOK, &a.oneOf
	a.addIdentity(q)
	a.ok.Headers = a.list[:a.count:a.count]
	if q.Counted {
		// An upstream may have a limit of its own, which does not replace this one, nor this one that.
		a.addLimit(q, corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD)
		a.ok.ResponseHeadersToAdd = a.list[upstreamHeaders:a.count:a.count]
	}
	a.ok.HeadersToRemove = s.removed(q.Place)
	return &a.response
}

// addIdentity adds all identity headers, the empty ones too: Envoy replaces what the client sent only by what it is given.
func (a *answer) addIdentity(q *gate.Question) {
	key := q.Key
	a.add(gate.HeaderNamespace, key.Namespace(), overwrite)
	a.add(gate.HeaderName, key.Name(), overwrite)
	a.add(gate.HeaderTenant, key.Tenant(), overwrite)
	a.add(gate.HeaderPermissions, key.Permissions(), overwrite)
	a.add(gate.HeaderScopes, key.Scopes(), overwrite)
	a.add(gate.HeaderRevision, strconv.FormatInt(key.Revision(), 10), overwrite)
	a.add(gate.HeaderRequestID, string(q.ID()), overwrite)
}

// addLimit tells of the key's rate limit and what is left of it.
func (a *answer) addLimit(q *gate.Question, action corev3.HeaderValueOption_HeaderAppendAction) {
	var value [96]byte
	a.add(ratelimit.PolicyHeader, string(ratelimit.AppendPolicy(value[:0], q.Limit)), action)
	a.add(ratelimit.StateHeader, string(ratelimit.AppendState(value[:0], q.Usage)), action)
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

// denied is an answer that refuses a request.
type denied struct {
	answer

	http  authv3.DeniedHttpResponse
	oneOf authv3.CheckResponse_DeniedResponse
}

// deny makes the answer to a refused question, which Envoy hands on to the client.
func deny(g *gate.Gate, q *gate.Question) *authv3.CheckResponse {
	a := &denied{}
	shared := &refusals[q.Reason]
	a.oneOf.DeniedResponse = &a.http
	a.response.Status, a.response.HttpResponse = shared.status, &a.oneOf
	a.http.Status, a.http.Body = shared.http, shared.body
	a.share(shared.reason)
	a.share(contentType)
	a.share(cacheControl)
	a.add(gate.HeaderRequestID, string(q.ID()), overwrite)
	if challenge := g.Challenge(&q.Decision); challenge != "" {
		a.add("WWW-Authenticate", challenge, overwrite)
	}
	if q.Counted {
		a.addLimit(q, overwrite)
	}
	if q.Counted && q.Reason == authn.RateLimited {
		a.add(ratelimit.RetryAfterHeader, strconv.FormatInt(ratelimit.RetryAfterSeconds(q.Usage), 10), overwrite)
	}
	a.http.Headers = a.list[:a.count:a.count]
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
	return &corev3.HeaderValueOption{Header: &corev3.HeaderValue{Key: name, Value: value}, AppendAction: overwrite}
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
