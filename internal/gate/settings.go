package gate

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/apikey-operator/apikey-operator/internal/clientaddr"
)

// Settings says where keys are looked for, and whom to believe where a request came from.
type Settings struct {
	// CredentialHeader is the header that is looked at first. Default X-API-Key.
	CredentialHeader string
	// Authorization says whether the Authorization header is looked at next. Default true.
	Authorization bool
	// QueryParameter of the original URL is looked at next. Default empty: not looked at, since URLs
	// are logged.
	QueryParameter string
	// Cookie is looked at next. Default empty: not looked at.
	Cookie string
	// BodyProperty is a property at the top level of a JSON body, where the proxy sends the body along over gRPC. It is looked
	// at last. Default empty: not looked at.
	BodyProperty string
	// Realm stands in WWW-Authenticate. Default apikey-operator.
	Realm string
	// TrustedProxies are networks and addresses of proxies whose word counts in X-Forwarded-For, besides the one that asks.
	// Default none: then its last address counts.
	TrustedProxies []string
}

// DefaultSettings returns the defaults that the fields of Settings name.
func DefaultSettings() Settings {
	return Settings{CredentialHeader: "X-API-Key", Authorization: true, Realm: "apikey-operator"}
}

var (
	// nginx drops headers whose names have an underscore.
	headerSyntax = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{0,63}$`)
	nameSyntax   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)
)

// takenHeaders have a meaning of their own, to HTTP, to a proxy or to us, so that no key can be told from it.
var takenHeaders = []string{
	"Authorization", "Connection", "Content-Length", "Content-Type", "Cookie", "Expect", "Host", "Keep-Alive",
	"Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "User-Agent",
	"X-Real-Ip", "X-Request-Id", "X-Scheme", "X-Sent-From", "X-Auth-Request-Redirect", "Traceparent", "Tracestate",
}

var takenPrefixes = []string{"x-apikey-", "x-original-", "x-forwarded-", "x-envoy-"}

// Validate says in one sentence what is wrong with the settings, nil for nothing. It names them as the
// verifier's flags are named.
func (s Settings) Validate() error {
	if !headerSyntax.MatchString(s.CredentialHeader) {
		return fmt.Errorf("--credential-header: the credential header %q is no name that nginx lets through, use letters, digits and '-'", s.CredentialHeader)
	}
	if isTaken(s.CredentialHeader) {
		return fmt.Errorf("--credential-header: the credential header %q has another meaning, use one of your own such as X-API-Key", s.CredentialHeader)
	}
	for _, place := range []struct{ flag, what, name string }{
		{"--credential-query", "query parameter", s.QueryParameter},
		{"--credential-cookie", "cookie", s.Cookie},
		{"--credential-body", "property", s.BodyProperty},
	} {
		if place.name != "" && !nameSyntax.MatchString(place.name) {
			return fmt.Errorf("%s: the %s %q is no plain name, use letters, digits, '_', '.' and '-'", place.flag, place.what, place.name)
		}
	}
	needsEscape := func(c rune) bool { return c < ' ' || c > '~' || c == '"' || c == '\\' } // in a quoted string
	if s.Realm == "" || len(s.Realm) > 64 || strings.ContainsFunc(s.Realm, needsEscape) {
		return errors.New("--realm: the realm must have 1 to 64 printable ASCII characters without quotes and backslashes")
	}
	if _, err := clientaddr.ParseRanges(s.TrustedProxies); err != nil {
		return fmt.Errorf("--trusted-proxies: %w", err)
	}
	return nil
}

func isTaken(header string) bool {
	same := func(taken string) bool { return strings.EqualFold(taken, header) }
	isPrefix := func(prefix string) bool { return strings.HasPrefix(strings.ToLower(header), prefix) }
	return slices.ContainsFunc(takenHeaders, same) || slices.ContainsFunc(takenPrefixes, isPrefix)
}
