package authhttp

import (
	"strconv"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/apikey-operator/apikey-operator/internal/authn"
	"github.com/apikey-operator/apikey-operator/internal/gate"
	"github.com/apikey-operator/apikey-operator/internal/ratelimit"
)

// appendAnswer writes down, as it goes over the wire, what answer makes fasthttp write; the two must agree.
func (s *Server) appendAnswer(dst, date []byte, r *route, q *gate.Question, last bool) []byte {
	status := r.status(q.Reason)
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(status), 10)
	dst = append(dst, ' ')
	dst = append(dst, fasthttp.StatusMessage(status)...)
	dst = append(dst, "\r\nDate: "...)
	dst = append(dst, date...)
	var body []byte
	if q.Reason != authn.Allowed && r.explains {
		body = gate.Problem(q.Reason)
		dst = appendField(dst, fasthttp.HeaderContentType, gate.ProblemType)
	}
	dst = append(dst, "\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(body)), 10)
	dst = appendField(dst, gate.HeaderRequestID, q.ID())
	dst = append(dst, "\r\n"+fasthttp.HeaderCacheControl+": "...)
	dst = gate.AppendCacheControl(dst, q.CacheSeconds)
	if q.Counted {
		dst = appendLimit(dst, q)
	}
	if q.Reason == authn.Allowed {
		dst = appendIdentity(dst, q)
	} else {
		dst = appendField(dst, gate.HeaderReason, q.Reason.String())
		if challenge := s.gate.Challenge(&q.Decision); challenge != "" {
			dst = appendField(dst, fasthttp.HeaderWWWAuthenticate, challenge)
		}
	}
	if last {
		dst = append(dst, "\r\nConnection: close"...)
	}
	dst = append(dst, "\r\n\r\n"...)
	return append(dst, body...)
}

// appendField ends the line before and begins its own, which the next one ends. No value holds a line break: all are made
// here, or were checked when they were taken in.
func appendField[T string | []byte](dst []byte, name string, value T) []byte {
	dst = append(dst, "\r\n"...)
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	return append(dst, value...)
}

func appendIdentity(dst []byte, q *gate.Question) []byte {
	dst = appendField(dst, gate.HeaderNamespace, q.Key.Namespace())
	dst = appendField(dst, gate.HeaderName, q.Key.Name())
	dst = appendField(dst, gate.HeaderTenant, q.Key.Tenant())
	dst = appendField(dst, gate.HeaderPermissions, q.Key.Permissions())
	dst = appendField(dst, gate.HeaderScopes, q.Key.Scopes())
	dst = append(dst, "\r\n"+gate.HeaderRevision+": "...)
	return strconv.AppendInt(dst, q.Key.Revision(), 10)
}

func appendLimit(dst []byte, q *gate.Question) []byte {
	dst = append(dst, "\r\nRatelimit-Policy: "...)
	dst = ratelimit.AppendPolicy(dst, q.Limit)
	dst = append(dst, "\r\nRatelimit: "...)
	dst = ratelimit.AppendState(dst, q.Usage)
	if q.Reason == authn.RateLimited {
		dst = append(dst, "\r\n"+ratelimit.RetryAfterHeader+": "...)
		dst = strconv.AppendInt(dst, ratelimit.RetryAfterSeconds(q.Usage), 10)
	}
	return dst
}

// date is the value of the header Date, which is the same for a second.
type date struct{ current atomic.Pointer[dated] }

type dated struct {
	second int64
	text   []byte
}

func (d *date) at(now time.Time) []byte {
	if current := d.current.Load(); current != nil && current.second == now.Unix() {
		return current.text
	}
	fresh := &dated{now.Unix(), fasthttp.AppendHTTPDate(nil, now)}
	d.current.Store(fresh)
	return fresh.text
}
