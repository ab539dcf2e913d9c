package decisionlog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/apikey-operator/apikey-operator/internal/authn"
)

// How many bytes of each field that a client chooses are logged. What is longer is cut, and ends in an ellipsis.
const (
	maxHost      = 255 // RFC 1035, section 2.3.4
	maxMethod    = 32
	maxPath      = 2048
	maxRequestID = 128
	maxHint      = 64
	maxTraceID   = 32
)

const (
	ellipsis   = "…"
	timeLayout = "2006-01-02T15:04:05.000Z07:00" // RFC 3339
)

// line is what an Entry looks like.
type line struct {
	Time       string `json:"time"`
	Reason     string `json:"reason"`
	Dialect    string `json:"dialect"`
	Namespace  string `json:"namespace,omitempty"`
	Name       string `json:"name,omitempty"`
	Hint       string `json:"hint,omitempty"`
	Revision   int64  `json:"revision,omitempty"`
	Host       string `json:"host,omitempty"`
	Method     string `json:"method,omitempty"`
	Path       string `json:"path,omitempty"`
	Client     string `json:"client,omitempty"`
	RequestID  string `json:"request_id,omitempty"`
	TraceID    string `json:"trace_id,omitempty"`
	Suppressed uint64 `json:"suppressed,omitempty"`
}

// appendLine appends an Entry as one line.
func appendLine(dst []byte, reason authn.Reason, at time.Time, e *Entry, suppressed uint64) []byte {
	host, path := split(e.URL)
	if len(e.Host) > 0 {
		host = withoutUser(e.Host)
	}
	text, err := json.Marshal(&line{
		Time:       at.UTC().Format(timeLayout),
		Reason:     reason.String(),
		Dialect:    e.Dialect,
		Namespace:  e.Namespace,
		Name:       e.Name,
		Hint:       cut(e.Hint, maxHint),
		Revision:   e.Revision,
		Host:       cut(host, maxHost),
		Method:     cut(e.Method, maxMethod),
		Path:       cut(path, maxPath),
		Client:     addressText(e.Client),
		RequestID:  cut(e.RequestID, maxRequestID),
		TraceID:    cut([]byte(e.TraceID), maxTraceID),
		Suppressed: suppressed,
	})
	if err != nil { // strings and numbers cannot fail to be encoded
		return dst
	}
	return append(appendVisible(dst, text), '\n')
}

// split finds host and path in a URL as it was sent, absolute or a path. Query and fragment, which may hold a key,
// are dropped.
func split(url []byte) (host, path []byte) {
	if end := bytes.IndexAny(url, "?#"); end >= 0 {
		url = url[:end]
	}
	scheme := bytes.Index(url, []byte("://"))
	if scheme < 0 || bytes.IndexByte(url, '/') < scheme {
		return nil, url
	}
	host = url[scheme+len("://"):]
	if slash := bytes.IndexByte(host, '/'); slash >= 0 {
		host, path = host[:slash], host[slash:]
	}
	return withoutUser(host), path
}

// withoutUser drops a user name and password, as in user:password@host.
func withoutUser(host []byte) []byte {
	return host[bytes.LastIndexByte(host, '@')+1:]
}

// cut copies up to limit bytes of a text, up to the end of a character.
func cut(text []byte, limit int) string {
	if len(text) <= limit {
		return string(text)
	}
	end := limit - len(ellipsis)
	for back := 0; back < utf8.UTFMax-1 && end > 0 && !utf8.RuneStart(text[end]); back++ {
		end--
	}
	return string(text[:end]) + ellipsis
}

// addressText is an address without a zone, which can be of any length and names a link of another machine.
func addressText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.WithZone("").String()
}

// appendVisible appends JSON with whatever cannot be seen escaped: package json leaves in strings some characters
// that move the cursor of a terminal, or turn the direction of writing.
func appendVisible(dst, text []byte) []byte {
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		switch {
		case r < utf8.RuneSelf && r != 0x7f, unicode.IsPrint(r):
			dst = append(dst, text[:size]...)
		default:
			dst = appendEscaped(dst, r)
		}
		text = text[size:]
	}
	return dst
}

func appendEscaped(dst []byte, r rune) []byte {
	const (
		aboveBMP = 0x10000
		high     = 0xd800
		low      = 0xdc00
	)
	if r < aboveBMP {
		return fmt.Appendf(dst, `\u%04x`, r)
	}
	r -= aboveBMP
	return fmt.Appendf(dst, `\u%04x\u%04x`, high+r>>10, low+r&0x3ff)
}
