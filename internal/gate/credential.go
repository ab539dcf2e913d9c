package gate

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/url"

	"github.com/apikey-operator/apikey-operator/internal/authn"
)

// Place is where a key stood.
type Place uint8

// The places where a key is looked for, in their order. The first that holds one counts, the others are not looked at.
const (
	Nowhere Place = iota
	InHeader
	InAuthorization
	InQuery
	InCookie
	InBody
)

// shareable says whether an answer may be given again to whoever shows the same key in the same place. A proxy that keeps
// answers by method, URL and the headers of keys, as is usual, would otherwise give one to a request without any key.
func (p Place) shareable() bool { return p == InHeader || p == InAuthorization }

// Headers are a request's, or what a proxy tells of them. PeekAll gives the values of one, valid until the next call.
type Headers interface {
	PeekAll(name string) [][]byte
}

// places says where a key is looked for. Empty names are places that are not looked at.
type places struct {
	header        string
	authorization bool
	query         []byte
	cookie        []byte
	body          string
}

// find finds the key of a request to the given original URL.
func (p *places) find(h Headers, originalURL, body []byte) (authn.Credential, Place) {
	if c := fromValue(Only(h.PeekAll(p.header))); !c.Missing() {
		return c, InHeader
	}
	if p.authorization {
		if c := fromAuthorization(Only(h.PeekAll("Authorization"))); !c.Missing() {
			return c, InAuthorization
		}
	}
	if len(p.query) > 0 {
		if c := fromQuery(originalURL, p.query); !c.Missing() {
			return c, InQuery
		}
	}
	if len(p.cookie) > 0 {
		if c := fromCookies(h.PeekAll("Cookie"), p.cookie); !c.Missing() {
			return c, InCookie
		}
	}
	if p.body != "" {
		if c := fromBody(body, p.body); !c.Missing() {
			return c, InBody
		}
	}
	return authn.Credential{}, Nowhere
}

// Only returns the one value that is repeated in values. Empty ones count as absent. Two that differ are a
// conflict, as there is no telling which the upstream would read.
func Only(values [][]byte) (value []byte, conflict bool) {
	for _, v := range values {
		if len(v) == 0 {
			continue
		}
		if value != nil && !bytes.Equal(v, value) {
			return nil, true
		}
		value = v
	}
	return value, false
}

func fromValue(value []byte, conflict bool) authn.Credential {
	if conflict {
		return authn.UnreadableCredential()
	}
	return authn.NewCredential(value)
}

var (
	bearer = []byte("Bearer")
	apiKey = []byte("ApiKey")
)

// fromAuthorization reads "Bearer KEY", "ApiKey KEY" and a bare key. Another scheme is no credential.
func fromAuthorization(value []byte, conflict bool) authn.Credential {
	scheme, key, hasScheme := bytes.Cut(value, []byte(" "))
	ours := bytes.EqualFold(scheme, bearer) || bytes.EqualFold(scheme, apiKey)
	switch {
	case conflict:
		return authn.UnreadableCredential()
	case ours:
		return authn.NewCredential(bytes.Trim(key, " "))
	case hasScheme:
		return authn.Credential{}
	}
	return authn.NewCredential(value)
}

// fromQuery looks for a parameter of a URL's query.
func fromQuery(rawURL, name []byte) authn.Credential {
	withoutFragment, _, _ := bytes.Cut(rawURL, []byte("#"))
	_, query, _ := bytes.Cut(withoutFragment, []byte("?"))
	var found finder
	for len(query) > 0 {
		var parameter []byte
		parameter, query, _ = bytes.Cut(query, []byte("&"))
		rawName, rawValue, _ := bytes.Cut(parameter, []byte("="))
		if decoded, ok := unescape(rawName); ok && bytes.Equal(decoded, name) {
			found.add(unescape(rawValue))
		}
	}
	return found.credential()
}

// fromCookies looks for a cookie in the values of all Cookie headers.
func fromCookies(headers [][]byte, name []byte) authn.Credential {
	var found finder
	for _, cookies := range headers {
		for len(cookies) > 0 {
			var pair []byte
			pair, cookies, _ = bytes.Cut(cookies, []byte(";"))
			rawName, value, _ := bytes.Cut(pair, []byte("="))
			if bytes.Equal(bytes.TrimSpace(rawName), name) {
				found.add(unquote(bytes.TrimSpace(value)), true)
			}
		}
	}
	return found.credential()
}

// fromBody looks for a property at the top level of a JSON object. A body that is none holds no key.
func fromBody(body []byte, name string) authn.Credential {
	decoder := json.NewDecoder(bytes.NewReader(body))
	if start, err := decoder.Token(); err != nil || start != json.Delim('{') {
		return authn.Credential{}
	}
	var found finder
	for decoder.More() {
		property, err := decoder.Token()
		if err != nil {
			return authn.Credential{}
		}
		var raw json.RawMessage
		if err := decoder.Decode(&raw); err != nil {
			return authn.Credential{}
		}
		if property == name {
			found.add(unquoteJSON(raw))
		}
	}
	// Up to its very end it must be one object, or another reader may see another one.
	if _, err := decoder.Token(); err != nil || trailing(decoder) {
		return authn.Credential{}
	}
	return found.credential()
}

// unquoteJSON gives the text of a string; anything else is no key.
func unquoteJSON(raw json.RawMessage) (value []byte, ok bool) {
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return nil, false
	}
	return []byte(text), true
}

// trailing reports whether anything but blanks follows what was decoded.
func trailing(decoder *json.Decoder) bool {
	_, err := decoder.Token()
	return !errors.Is(err, io.EOF)
}

// finder collects the values that one name has. What holds for a repeated header holds for it.
type finder struct {
	value  []byte
	broken bool
}

func (f *finder) add(value []byte, ok bool) {
	if len(value) == 0 && ok {
		return
	}
	f.broken = f.broken || !ok || f.value != nil && !bytes.Equal(f.value, value)
	f.value = value
}

func (f *finder) credential() authn.Credential {
	return fromValue(f.value, f.broken)
}

// unescape decodes a name or value of a query. It allocates only where there is something to decode.
func unescape(raw []byte) (decoded []byte, ok bool) {
	if !bytes.ContainsAny(raw, "%+") {
		return raw, true
	}
	s, err := url.QueryUnescape(string(raw))
	return []byte(s), err == nil
}

// unquote removes the quotes that a cookie's value may have around it (RFC 6265, section 4.1.1).
func unquote(value []byte) []byte {
	if n := len(value); n >= 2 && value[0] == '"' && value[n-1] == '"' {
		return value[1 : n-1]
	}
	return value
}
