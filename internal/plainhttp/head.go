package plainhttp

import (
	"bytes"
	"encoding/binary"
)

// maxFields is how many header fields a plain request has at most.
const maxFields = 64

// Head is a plain request's. It refers to the memory that it was read from, and is valid as long as that is.
type Head struct {
	method, target, host []byte
	// Last says that the client wants the connection closed after the answer.
	Last bool

	fields []field
	found  [][]byte // what PeekAll returned last
}

type field struct{ name, value []byte }

// Method of the request: GET, the only one that is plain.
func (h *Head) Method() []byte { return h.method }

// Target is the request's, as it was sent: a path, and a query if there is one.
func (h *Head) Target() []byte { return h.target }

// Host is the value of the header Host.
func (h *Head) Host() []byte { return h.host }

// Peek returns the first value of a header, nil where there is none. The name is of letters, digits and '-', in any case.
func (h *Head) Peek(name string) []byte {
	for i := range h.fields {
		if isNamed(h.fields[i].name, name) {
			return h.fields[i].value
		}
	}
	return nil
}

// PeekAll returns all values of a header in the order in which they came. They are valid until the next call.
func (h *Head) PeekAll(name string) [][]byte {
	h.found = h.found[:0]
	for i := range h.fields {
		if isNamed(h.fields[i].name, name) {
			h.found = append(h.found, h.fields[i].value)
		}
	}
	return h.found
}

// isNamed compares without regard to case. Setting the bit that tells the cases apart maps no two bytes onto one that
// may stand in a plain name, but for letters.
func isNamed(given []byte, name string) bool {
	const lower = 0x20
	if len(given) != len(name) {
		return false
	}
	for i := range given {
		if given[i]|lower != name[i]|lower {
			return false
		}
	}
	return true
}

// Read reads the head at the start of b and returns its length, or 0 where what stands there is not plain, or not all of
// it has arrived.
func (h *Head) Read(b []byte) int {
	h.Last, h.host, h.fields = false, nil, h.fields[:0]
	line, rest, ok := cutLine(b)
	if !ok || !h.readRequestLine(line) {
		return 0
	}
	for {
		if line, rest, ok = cutLine(rest); !ok {
			return 0
		}
		if len(line) == 0 {
			break
		}
		if len(h.fields) == maxFields || !h.readField(line) {
			return 0
		}
	}
	if h.host == nil {
		return 0
	}
	return len(b) - len(rest)
}

// cutLine returns what stands before the first CR LF. A LF without CR ends no line.
func cutLine(b []byte) (line, rest []byte, ok bool) {
	end := bytes.IndexByte(b, '\n')
	if end < 1 || b[end-1] != '\r' {
		return nil, nil, false
	}
	return b[:end-1], b[end+1:], true
}

const (
	lineStart = "GET "
	lineEnd   = " HTTP/1.1"
)

func (h *Head) readRequestLine(line []byte) bool {
	if len(line) <= len(lineStart)+len(lineEnd) || string(line[:len(lineStart)]) != lineStart ||
		string(line[len(line)-len(lineEnd):]) != lineEnd {
		return false
	}
	h.method, h.target = line[:len(lineStart)-1], line[len(lineStart):len(line)-len(lineEnd)]
	// With two slashes first, what follows could be taken for a host.
	return h.target[0] == '/' && !bytes.HasPrefix(h.target, []byte("//")) && all(h.target, inTarget)
}

// readField takes "Name: value" with one space, and nothing that could be trimmed.
func (h *Head) readField(line []byte) bool {
	colon := 0
	for colon < len(line) && class[line[colon]]&inName != 0 {
		colon++
	}
	if colon == 0 || len(line) < colon+2 || line[colon] != ':' || line[colon+1] != ' ' {
		return false
	}
	f := field{name: line[:colon], value: line[colon+2:]}
	if n := len(f.value); n > 0 && (f.value[0] == ' ' || f.value[n-1] == ' ') || !isPrintable(f.value) {
		return false
	}
	h.fields = append(h.fields, f)
	return h.readSpecial(f)
}

// readSpecial takes in the fields that HTTP itself goes by. What would give the request a body, or have its end told in
// another way, is not plain.
func (h *Head) readSpecial(f field) bool {
	switch f.name[0] | 0x20 {
	case 'h':
		if isNamed(f.name, "Host") {
			first := h.host == nil
			h.host = f.value
			return first && isHost(f.value)
		}
	case 'c':
		if isNamed(f.name, "Connection") {
			// Once, so that nothing can be told by a second one.
			first := !h.Last && len(h.PeekAll("Connection")) == 1
			h.Last = string(f.value) == "close"
			return first && (h.Last || string(f.value) == "keep-alive")
		}
		return !isNamed(f.name, "Content-Length")
	case 't':
		return !isNamed(f.name, "Transfer-Encoding") && !isNamed(f.name, "Trailer")
	case 'e':
		return !isNamed(f.name, "Expect")
	}
	return true
}

// isHost takes a name or an IPv4 address, with a port or without.
func isHost(b []byte) bool {
	const maxDigits = 4 // the ports that have five are told from those that are none elsewhere
	name, port, hasPort := bytes.Cut(b, []byte(":"))
	return len(name) > 0 && all(name, inHost) && (!hasPort || len(port) > 0 && len(port) <= maxDigits && all(port, inPort))
}

// isPrintable reports whether all bytes are from the space to the tilde. It looks at eight at a time.
func isPrintable(b []byte) bool {
	const (
		ones  = 0x0101010101010101
		highs = 0x80 * ones
	)
	for ; len(b) >= 8; b = b[8:] {
		// Of a byte, the highest bit is set by itself where it is not ASCII, after subtracting a space where it is less than
		// one, and after adding one where it is 0x7f. Only a byte that is refused anyway can carry into the next.
		word := binary.LittleEndian.Uint64(b)
		if (word|(word-' '*ones)|(word+ones))&highs != 0 {
			return false
		}
	}
	for _, c := range b {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

func all(b []byte, of uint8) bool {
	for _, c := range b {
		if class[c]&of == 0 {
			return false
		}
	}
	return true
}

// The sets that a byte may be in.
const (
	inName uint8 = 1 << iota
	inHost
	inPort
	inTarget
)

// class tells the sets of each byte.
var class = classify()

func classify() (class [256]uint8) {
	const (
		digits  = "0123456789"
		letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		others  = "!\"$%&'()*+,-./:;<=>?@[\\]^_`{|}~" // all that can be seen in ASCII but '#'
	)
	for set, members := range map[uint8]string{
		inName:   letters + digits + "-",
		inHost:   letters + digits + "-.",
		inPort:   digits,
		inTarget: letters + digits + others,
	} {
		for _, c := range []byte(members) {
			class[c] |= set
		}
	}
	return class
}
