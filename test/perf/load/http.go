package load

import (
	"bytes"
	"fmt"
)

// HTTP asks over HTTP/1.1 for answers that have no body.
type HTTP struct {
	// Template is the whole request, with the bytes from KeyAt on replaced by one key after the other. Where there are
	// no keys it is sent as it is.
	Template []byte
	KeyAt    int
	// Keys are keys of KeyLen bytes, one behind the other in the order of use.
	Keys   []byte
	KeyLen int
	// Status is the status line that each answer must begin with, such as "HTTP/1.1 200".
	Status string

	next int
}

// Hello implements Protocol; nothing is said before the first request.
func (*HTTP) Hello() []byte { return nil }

// Request implements Protocol.
func (h *HTTP) Request(int) (out []byte, answers int) {
	if len(h.Keys) > 0 {
		copy(h.Template[h.KeyAt:], h.Keys[h.next:h.next+h.KeyLen])
		if h.next += h.KeyLen; h.next == len(h.Keys) {
			h.next = 0
		}
	}
	return h.Template, 1
}

var endOfHead = []byte("\r\n\r\n")

// Answered implements Protocol.
func (h *HTTP) Answered(_ int, in []byte) (used, answers int, reply []byte, err error) {
	if !bytes.HasSuffix(in, endOfHead) {
		return 0, 0, nil, nil
	}
	if len(in) < len(h.Status) || string(in[:len(h.Status)]) != h.Status {
		return 0, 0, nil, fmt.Errorf("the answer is %.40q, want %s", in, h.Status)
	}
	return len(in), 1, nil, nil
}
