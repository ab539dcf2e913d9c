package authhttp

import (
	"bytes"

	"github.com/valyala/fasthttp"

	"github.com/apikey-operator/apikey-operator/internal/authn"
	"github.com/apikey-operator/apikey-operator/internal/gate"
)

// dialect is what one kind of proxy has of its own.
type dialect struct {
	name string // in metrics and logs
	path string
	// inPath says that the requirement is a segment of the path behind path, and that the original path follows it. Else the
	// requirement is the query.
	inPath bool
	// read tells the request that the proxy was sent: rest is what follows the requirement in the target.
	read func(h head, rest []byte, g *gate.Gate, q *gate.Question)
	// others is the header in which the proxies of another dialect tell the method, which ours leave to their clients.
	others string
	// status is the one that the proxy understands.
	status func(authn.Reason) int
	// explains says that refusals have a body, which the proxy hands on to its client.
	explains bool
}

// head is of a request, however it was read.
type head interface {
	gate.Headers
	Peek(name string) []byte
	Method() []byte
	Host() []byte
}

// dialects are all that are spoken.
var dialects = []dialect{nginx, forward, envoy}

// noDialect is spoken with whoever asks on a path that is nobody's, or in no HTTP that can be read.
var noDialect = dialect{name: "none", status: closedStatus}

// closedStatus is the reason's own status where that is one of the three that every proxy understands.
func closedStatus(r authn.Reason) int {
	switch status := r.Status(); status {
	case fasthttp.StatusOK, fasthttp.StatusUnauthorized:
		return status
	}
	return fasthttp.StatusForbidden
}

// ownStatus is the reason's own.
func ownStatus(r authn.Reason) int { return r.Status() }

// route is a dialect in service.
type route struct {
	dialect
	*gate.Route
}

// match reports whether a raw target is the dialect's, and takes it apart. Nothing is decoded or tidied up on the way:
// what a client wrote behind the requirement must not become a part of it.
func (d *dialect) match(target []byte) (requirement, rest []byte, ok bool) {
	if !d.inPath {
		path, query, _ := bytes.Cut(target, []byte("?"))
		return query, nil, string(path) == d.path
	}
	behind, ok := bytes.CutPrefix(target, []byte(d.path))
	if !ok {
		return nil, nil, false
	}
	// The original path begins with a slash. Without one it is not known where the requirement ends.
	end := bytes.IndexByte(behind, '/')
	if end < 0 {
		return nil, nil, false
	}
	requirement, rest = behind[:end], behind[end:]
	if string(requirement) == "-" {
		requirement = nil
	}
	return requirement, rest, end > 0
}
