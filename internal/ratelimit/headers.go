package ratelimit

import (
	"strconv"
	"time"
)

// The names of the headers that tell a client of its limit: draft-ietf-httpapi-ratelimit-headers-11 (23 May 2026), and
// RFC 9110, section 10.2.3.
const (
	PolicyHeader     = "RateLimit-Policy"
	StateHeader      = "RateLimit"
	RetryAfterHeader = "Retry-After"
)

// PolicyName is what the policy is called in both headers.
const PolicyName = "apikey"

// AppendPolicy appends the value of RateLimit-Policy, such as "apikey";q=100;w=60: q requests in each w seconds. Where the
// burst is another number than q, a parameter of our own tells it, as in "apikey";q=100;w=60;apikey-burst=200, since
// more than q, or less, can remain then. It allocates nothing where dst has room.
func AppendPolicy(dst []byte, l Limit) []byte {
	dst = append(dst, `"`+PolicyName+`";q=`...)
	dst = strconv.AppendInt(dst, l.Requests, 10)
	dst = append(dst, ";w="...)
	dst = strconv.AppendInt(dst, seconds(l.Period), 10)
	if l.Burst != l.Requests {
		dst = append(dst, ";apikey-burst="...)
		dst = strconv.AppendInt(dst, l.Burst, 10)
	}
	return dst
}

// AppendState appends the value of RateLimit, such as "apikey";r=99;t=1: r more requests pass at once, and a client that
// sends no more than them in t seconds is not refused. Of a request that passed, t is the time until the whole burst
// is there again; of one that did not, until the next would pass, since Retry-After should not name a moment
// before the end of t (section 6 of the draft). It allocates nothing where dst has room.
func AppendState(dst []byte, v Verdict) []byte {
	window := seconds(v.Reset)
	if !v.Allowed {
		window = RetryAfterSeconds(v)
	}
	dst = append(dst, `"`+PolicyName+`";r=`...)
	dst = strconv.AppendInt(dst, v.Remaining, 10)
	dst = append(dst, ";t="...)
	return strconv.AppendInt(dst, window, 10)
}

// RetryAfterSeconds is the value of Retry-After for a request that did not pass: seconds, rounded up, at least 1.
func RetryAfterSeconds(v Verdict) int64 { return max(1, seconds(v.RetryAfter)) }

// seconds rounds up.
func seconds(d time.Duration) int64 {
	whole := int64(d / time.Second)
	if d%time.Second > 0 {
		whole++
	}
	return whole
}
