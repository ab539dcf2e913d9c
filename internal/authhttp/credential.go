package authhttp

import (
	"bytes"
	"net/url"

	"github.com/valyala/fasthttp"

	"github.com/apikey-operator/apikey-operator/internal/authn"
)

// places says where a key is looked for. The first place that holds one counts, the others are not
// looked at.
type places struct {
	header        string
	authorization bool
	query         []byte // the parameter's name; empty: not looked at. Likewise cookie
	cookie        []byte
}

// credential finds the key of a request whose original URL is the given one. An answer may be shared with
// other requests only where the key stood in a header of its own: a proxy that keeps answers by method, URL
// and those headers, as is usual, would otherwise give it to a request without any key.
func (p *places) credential(h *fasthttp.RequestHeader, originalURL []byte) (c authn.Credential, shareable bool) {
	c = fromValue(only(h.PeekAll(p.header)))
	if c.Missing() && p.authorization {
		c = fromAuthorization(only(h.PeekAll(fasthttp.HeaderAuthorization)))
	}
	if !c.Missing() {
		return c, true
	}
	if len(p.query) > 0 {
		c = fromQuery(originalURL, p.query)
	}
	if c.Missing() && len(p.cookie) > 0 {
		c = fromCookies(h.PeekAll(fasthttp.HeaderCookie), p.cookie)
	}
	return c, false
}

// only returns the one value that is repeated in values. Empty ones count as absent. Two that differ are a
// conflict, as there is no telling which the upstream would read.
func only(values [][]byte) (value []byte, conflict bool) {
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
