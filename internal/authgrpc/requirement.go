package authgrpc

import (
	"slices"
)

// requirementName is the context extension that holds a whole requirement in the form of a URL's query, for names that
// repeat and for rules, whose order counts. A map has neither.
const requirementName = "requirement"

// writer makes the text of a requirement. It is used again and again, so that it need not allocate.
type writer struct {
	names []string
	text  []byte
}

// requirement is what a route's context extensions demand, in the form of a URL's query: each in the order of their names, and
// then a whole one. The same extensions always give the same text. Names and values are encoded, so that neither
// can hold another parameter. It is valid until the next call.
func (w *writer) requirement(extensions map[string]string) []byte {
	w.names, w.text = w.names[:0], w.text[:0]
	for name := range extensions {
		if name != requirementName {
			w.names = append(w.names, name)
		}
	}
	slices.Sort(w.names)
	for _, name := range w.names {
		w.separate()
		w.text = append(appendEscaped(w.text, name), '=')
		w.text = appendEscaped(w.text, extensions[name])
	}
	if whole, ok := extensions[requirementName]; ok {
		w.separate()
		w.text = append(w.text, whole...)
		if whole == "" { // an empty value is a mistake like any other's
			w.text = append(w.text, requirementName...)
		}
	}
	return w.text
}

func (w *writer) separate() {
	if len(w.text) > 0 {
		w.text = append(w.text, '&')
	}
}

// plain are the bytes that mean themselves in a query: those that names and values of the API are made of.
var plain = func() (set [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:/,@*") {
		set[c] = true
	}
	return set
}()

func appendEscaped(dst []byte, s string) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(s) {
		if c := s[i]; plain[c] {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', digits[c>>4], digits[c&0xf])
		}
	}
	return dst
}
