package authhttp

import (
	"bytes"

	"github.com/valyala/fasthttp"
)

// maxHeaders is how many headers a request may have. Envoy and Apache take 100 from a client, nginx 1000 since it has a limit; what
// a browser sends is some 20. fasthttp keeps 80 bytes for each, which the bytes that headers may take do not bound: 64 KiB of
// empty ones are 16,000.
const maxHeaders = 512

// isUnambiguous reports whether everybody reads a request as fasthttp has read it. What it takes beyond that (RFC 9112,
// sections 2.2, 5.2 and 6.3) no proxy sends, and a program that reads it otherwise takes for a request what was a body here, or
// the other way round:
//
//   - folded headers, names with spaces, lines that end without CR
//   - Transfer-Encoding beside Content-Length, or that is not "chunked"
//   - trailers, whose fields fasthttp mixes with the headers: one could add a key, or a header that a proxy overwrites
//   - versions of HTTP other than 1.0 and 1.1
//   - more than maxHeaders headers
func isUnambiguous(h *fasthttp.RequestHeader) bool {
	if version := h.Protocol(); string(version) != "HTTP/1.1" && string(version) != "HTTP/1.0" {
		return false
	}
	isChunked, ok := readFraming(h.RawHeaders())
	return ok && !(isChunked && hasTrailers(h))
}

// readFraming reads a block of headers line by line.
func readFraming(raw []byte) (isChunked, ok bool) {
	hasLength := false
	for count := 0; len(raw) > len("\r\n"); count++ {
		line, rest, isLine := cutLine(raw)
		name, value, isHeader := bytes.Cut(line, []byte(":"))
		if !isLine || !isHeader || bytes.ContainsAny(name, " \t") || count == maxHeaders {
			return false, false
		}
		switch {
		case bytes.EqualFold(name, []byte(fasthttp.HeaderContentLength)):
			hasLength = true
		case bytes.EqualFold(name, []byte(fasthttp.HeaderTransferEncoding)):
			if isChunked = true; !bytes.EqualFold(bytes.Trim(value, " \t"), []byte("chunked")) {
				return false, false
			}
		}
		raw = rest
	}
	return isChunked, !(isChunked && hasLength) && (len(raw) == 0 || string(raw) == "\r\n")
}

// cutLine cuts off what stands before the first line break, which must be a CRLF.
func cutLine(raw []byte) (line, rest []byte, ok bool) {
	end := bytes.IndexByte(raw, '\n')
	if end < 1 || raw[end-1] != '\r' {
		return nil, nil, false
	}
	return raw[:end-1], raw[end+1:], true
}

// hasTrailers reports whether any came behind the last chunk; to be told of in advance does not count.
func hasTrailers(h *fasthttp.RequestHeader) bool { return len(h.TrailerHeader()) > len("\r\n") }
