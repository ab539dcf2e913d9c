package authhttp

import (
	"bytes"
	"net/url"

	"github.com/valyala/fasthttp"

	"github.com/apikey-operator/apikey-operator/internal/authn"
)

// credentialOf looks for the key in the places of the contract. The first that holds one is believed; the
// others are not looked at.
func (s *Settings) credentialOf(header *fasthttp.RequestHeader, originalURL []byte) authn.Credential {
	if c := single(header.PeekAll(s.CredentialHeader)); !c.Missing() {
		return c
	}
	if s.Authorization {
		if c := authorization(header.PeekAll(fasthttp.HeaderAuthorization)); !c.Missing() {
			return c
		}
	}
	if s.QueryParameter != "" {
		if c := queryParameter(originalURL, s.QueryParameter); !c.Missing() {
			return c
		}
	}
	if s.Cookie != "" {
		return cookie(header, s.Cookie)
	}
	return authn.Credential{}
}

// single is the credential of a header's values: equal ones count once, and different ones cannot be
// understood, since a proxy may have believed either.
func single(values [][]byte) authn.Credential {
	value, ok := agreed(values)
	if !ok {
		return authn.UnreadableCredential()
	}
	return authn.NewCredential(value)
}

// agreed is the one value that a header has, however often; nil where there is none.
func agreed(values [][]byte) (value []byte, ok bool) {
	for i, v := range values {
		if i > 0 && !bytes.Equal(v, value) {
			return nil, false
		}
		value = v
	}
	return value, true
}

// authorization takes Bearer KEY (RFC 6750), ApiKey KEY, or a bare key. Another scheme is no credential of
// ours.
func authorization(values [][]byte) authn.Credential {
	value, ok := agreed(values)
	if !ok {
		return authn.UnreadableCredential()
	}
	scheme, rest, hasScheme := bytes.Cut(value, []byte(" "))
	switch {
	case !hasScheme && !isScheme(scheme):
		return authn.NewCredential(value)
	case hasScheme && isScheme(scheme):
		return authn.NewCredential(bytes.Trim(rest, " "))
	default:
		return authn.Credential{}
	}
}

// isScheme compares the scheme in any case (RFC 9110 section 11.1).
func isScheme(scheme []byte) bool {
	return bytes.EqualFold(scheme, []byte("Bearer")) || bytes.EqualFold(scheme, []byte("ApiKey"))
}

// queryParameter is the credential in the query of a URL as the client sent it.
func queryParameter(rawURL []byte, name string) authn.Credential {
	_, query, _ := bytes.Cut(rawURL, []byte("?"))
	var found []byte
	for query != nil {
		var pair []byte
		var more bool
		if pair, query, more = bytes.Cut(query, []byte("&")); !more {
			query = nil
		}
		rawName, rawValue, _ := bytes.Cut(pair, []byte("="))
		if n, err := url.QueryUnescape(string(rawName)); err != nil || n != name {
			continue
		}
		value, err := url.QueryUnescape(string(rawValue))
		if err != nil || found != nil && string(found) != value {
			return authn.UnreadableCredential()
		}
		found = []byte(value)
	}
	return authn.NewCredential(found)
}

// cookie is the credential in a cookie (RFC 6265).
func cookie(header *fasthttp.RequestHeader, name string) authn.Credential {
	var values [][]byte
	for n, value := range header.Cookies() {
		if string(n) == name {
			values = append(values, value)
		}
	}
	return single(values)
}
