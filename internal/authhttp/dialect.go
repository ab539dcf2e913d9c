package authhttp

import (
	"net/netip"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/apikey-operator/apikey-operator/internal/authn"
)

// dialect is what one kind of proxy has of its own.
type dialect struct {
	name string // in metrics
	path string
	// original tells the request that the proxy was sent.
	original func(*fasthttp.RequestHeader) original
	// status is the one that the proxy understands.
	status func(authn.Reason) int
}

// original is the request that the proxy was sent, as far as a decision depends on it. What is not known
// for certain is the zero value.
type original struct {
	method []byte
	url    []byte
	client netip.Addr
}

// noDialect is spoken with whoever asks on a path that is nobody's, or in no HTTP that can be read.
var noDialect = dialect{name: "none", status: closedStatus}

// closedStatus is the reason's own status, but never a 5xx, on which some proxies let requests through.
func closedStatus(r authn.Reason) int {
	if status := r.Status(); status < fasthttp.StatusInternalServerError {
		return status
	}
	return fasthttp.StatusForbidden
}

// route is a dialect in service.
type route struct {
	dialect
	decided func(reason authn.Reason, took time.Duration)
}
