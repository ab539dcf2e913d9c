package gate

import (
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/authn"
	"github.com/apikey-operator/apikey-operator/internal/clientaddr"
	"github.com/apikey-operator/apikey-operator/internal/ratelimit"
)

// Question is what a dialect has read of a request, and the answer to it. What is not known for certain is the zero value.
// It refers to the memory that it was read from and must be released before that is used for something else.
type Question struct {
	// Requirement is what the route demands; nil where it cannot be understood.
	Requirement *authn.Requirement
	Credential  authn.Credential
	Place       Place
	// Method, URL and Host are those of the original request. URL is a path with its query, or absolute. Method decides,
	// with rules; the others are for the log alone, and the key may stand in the URL.
	Method, URL, Host []byte
	Client            clientaddr.Client
	// RequestID, TraceParent and TraceState are the headers X-Request-ID, traceparent and tracestate, which may hold anything.
	RequestID, TraceParent, TraceState []byte

	Answer

	route   *Route
	request authn.Request // here so that it needs no memory of its own
	started time.Time
	span    Span
	id      [requestIDLen]byte
}

// Answer is what a Question is answered with.
type Answer struct {
	authn.Decision

	// Counted says that the request counted against a rate limit: the key's is Limit, and Usage is what is left of it.
	Counted bool
	Limit   ratelimit.Limit
	Usage   ratelimit.Verdict
}

var questions = sync.Pool{New: func() any { return &Question{} }}

// NewQuestion returns an empty one.
func NewQuestion() *Question {
	return questions.Get().(*Question) //nolint:forcetypeassert // nothing else is put in
}

// Release ends the use of a question. It must not be touched any more.
func (q *Question) Release() {
	*q = Question{}
	questions.Put(q)
}

const (
	// maxRequestIDLen is the length of the longest request ID that is passed on.
	maxRequestIDLen = 128
	requestIDLen    = 16
)

// ID is the request's ID, or one that is made for it where it has none that is fit for logs.
func (q *Question) ID() []byte {
	if !isRequestID(q.RequestID) {
		// 16 digits always: with the highest bit set none is lost. IDs need to be distinct, not secret.
		q.RequestID = strconv.AppendUint(q.id[:0], rand.Uint64()|1<<63, 16) //nolint:gosec // see above
	}
	return q.RequestID
}

func isRequestID(id []byte) bool {
	for _, c := range id {
		if !isAlphanumeric(c) && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return len(id) > 0 && len(id) <= maxRequestIDLen
}

func isAlphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}
