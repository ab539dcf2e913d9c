package authgrpc

import (
	"strings"
	"sync"
	"unsafe"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"github.com/apikey-operator/apikey-operator/internal/gate"
)

// reader reads one question from what Envoy tells of a request. Nothing of that needs be there: the getters of the generated
// types give the zero value of what is missing at any level.
type reader struct {
	writer
	headers headers

	// What is usually enough, so that a new reader is one piece of memory.
	ownNames  [8]string
	ownText   [256]byte
	ownName   [64]byte
	ownValues [4][]byte
}

var readers = sync.Pool{New: func() any {
	r := &reader{}
	r.names, r.text = r.ownNames[:0], r.ownText[:0]
	r.headers.name, r.headers.values = r.ownName[:0], r.ownValues[:0]
	return r
}}

func newReader() *reader {
	return readers.Get().(*reader) //nolint:forcetypeassert // nothing else is put in
}

// release ends the use of a reader. It keeps its memory and nothing of the request.
func (r *reader) release() {
	clear(r.names[:cap(r.names)])
	r.headers.release()
	readers.Put(r)
}

// read fills in a question, which is valid as long as neither the request nor the reader is used for something else.
func (r *reader) read(q *gate.Question, g *gate.Gate, attributes *authv3.AttributeContext) {
	http := attributes.GetRequest().GetHttp()
	r.headers.of(http)
	q.Requirement = g.Requirement(r.requirement(attributes.GetContextExtensions()))
	q.Method, q.URL, q.Host = view(http.GetMethod()), view(http.GetPath()), view(http.GetHost())
	q.RequestID = r.headers.first(gate.HeaderRequestID)
	r.readClient(q, g, attributes)
	g.FindCredential(q, &r.headers, body(http))
	if g.Traces() {
		q.TraceParent, q.TraceState = r.headers.first("Traceparent"), r.headers.first("Tracestate")
	}
}

// readClient takes the address that Envoy was asked from for the client's, unless it is a trusted proxy's, which tells in
// X-Forwarded-For whom it was asked by. So it does not matter whether Envoy appends there what it was asked from
// (use_remote_address): without, the header is whatever was sent.
func (r *reader) readClient(q *gate.Question, g *gate.Gate, attributes *authv3.AttributeContext) {
	source := view(attributes.GetSource().GetAddress().GetSocketAddress().GetAddress())
	if g.TrustedProxies().Empty() {
		q.Client.SetText(source)
		return
	}
	hops := r.headers.PeekAll("X-Forwarded-For")
	if len(source) > 0 {
		hops = append(hops, source)
	}
	q.Client.SetForwarded(hops, g.TrustedProxies())
}

// body is that of the request, where Envoy sends it along, as bytes (pack_as_bytes) or as text.
func body(http *authv3.AttributeContext_HttpRequest) []byte {
	if raw := http.GetRawBody(); len(raw) > 0 {
		return raw
	}
	return view(http.GetBody())
}

// headers are those of a request as Envoy sends them: one value for each name, a repeated header's joined by commas; or with
// encode_raw_headers as they came. It implements gate.Headers.
type headers struct {
	http   *authv3.AttributeContext_HttpRequest
	name   []byte
	values [][]byte
}

func (h *headers) of(http *authv3.AttributeContext_HttpRequest) { h.http = http }

func (h *headers) release() {
	h.http = nil
	clear(h.values[:cap(h.values)])
}

// PeekAll implements gate.Headers.
func (h *headers) PeekAll(name string) [][]byte {
	h.values = h.values[:0]
	if raw := h.http.GetHeaderMap().GetHeaders(); len(raw) > 0 {
		for _, header := range raw {
			if len(header.GetKey()) == len(name) && strings.EqualFold(header.GetKey(), name) {
				h.add(view(header.GetValue()), header.GetRawValue())
			}
		}
		return h.values
	}
	h.name = appendLower(h.name[:0], name)
	h.add(view(h.http.GetHeaders()[string(h.name)]), nil)
	return h.values
}

// add adds the value of a header: one of the two, as the API has it. Were there both they would be two values.
func (h *headers) add(value, raw []byte) {
	if len(value) > 0 {
		h.values = append(h.values, value)
	}
	if len(raw) > 0 {
		h.values = append(h.values, raw)
	}
}

// first is the first value of a header that decides nothing.
func (h *headers) first(name string) []byte {
	if values := h.PeekAll(name); len(values) > 0 {
		return values[0]
	}
	return nil
}

// appendLower appends a name in lower case, as Envoy has them.
func appendLower(dst []byte, name string) []byte {
	for i := range len(name) {
		c := name[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

// view gives the bytes of a text, which must not be changed. A copy of each would be most of what reading allocates.
func view(s string) []byte {
	return unsafe.Slice(unsafe.StringData(s), len(s)) //nolint:gosec // see above
}
