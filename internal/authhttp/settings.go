package authhttp

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Settings says where keys are looked for and how much a connection may cost.
type Settings struct {
	// CredentialHeader is the header that is looked at first. Default X-API-Key.
	CredentialHeader string
	// Authorization says whether the Authorization header is looked at next. Default true.
	Authorization bool
	// QueryParameter of the original URL is looked at next. Default empty: not looked at, since URLs
	// are logged.
	QueryParameter string
	// Cookie is looked at last. Default empty: not looked at.
	Cookie string
	// Realm stands in WWW-Authenticate. Default apikey-operator.
	Realm string

	// MaxHeaderBytes bounds the request line and the headers together. A connection takes as much memory
	// and some 10 KiB, and up to three times as much after headers of that size. Default 64 KiB: nginx accepts 32 KiB from a client by default, and repeats the
	// URI in two headers of its own. 4 KiB to 1 MiB.
	MaxHeaderBytes int
	// MaxBodyBytes bounds the body, which nothing looks at. Default 16 KiB; nginx sends none. 1 byte to
	// 1 MiB.
	MaxBodyBytes int
	// MaxConnections bounds how many are served at once; what comes on top waits to be accepted. Default 8192.
	// 1 to 1048576.
	MaxConnections int

	// ReadTimeout is how long a request may take to arrive, WriteTimeout how long an answer may take to
	// leave. Default 5s each; 10ms to 1h.
	ReadTimeout, WriteTimeout time.Duration
	// IdleTimeout is how long a connection is kept open between requests. Default 75s, longer than
	// nginx's 60s, so that it is nginx that closes and no request meets a closing connection;
	// 10ms to 1h.
	IdleTimeout time.Duration
}

// DefaultSettings returns the defaults that the fields of Settings name.
func DefaultSettings() Settings {
	return Settings{
		CredentialHeader: "X-API-Key",
		Authorization:    true,
		Realm:            "apikey-operator",
		MaxHeaderBytes:   64 << 10,
		MaxBodyBytes:     16 << 10,
		MaxConnections:   8192,
		ReadTimeout:      5 * time.Second,
		WriteTimeout:     5 * time.Second,
		IdleTimeout:      75 * time.Second,
	}
}

const (
	minHeaderBytes = 4 << 10
	maxBytes       = 1 << 20
	maxConnections = 1 << 20
	minTimeout     = 10 * time.Millisecond
	maxTimeout     = time.Hour
)

var (
	// nginx drops headers whose names have an underscore.
	headerSyntax = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{0,63}$`)
	nameSyntax   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)
)

// takenHeaders have a meaning of their own, to HTTP, to a proxy or to us, so that no key can be told from it.
var takenHeaders = []string{
	"Authorization", "Connection", "Content-Length", "Content-Type", "Cookie", "Expect", "Host", "Keep-Alive",
	"Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "User-Agent",
	"X-Real-Ip", "X-Request-Id", "X-Scheme", "X-Sent-From", "X-Auth-Request-Redirect",
}

var takenPrefixes = []string{"x-apikey-", "x-original-", "x-forwarded-"}

// Validate says in one sentence what is wrong with the settings, nil for nothing. It names them as the
// verifier's flags are named.
func (s Settings) Validate() error {
	if err := s.validateNames(); err != nil {
		return err
	}
	for _, size := range []struct {
		name            string
		value, min, max int
	}{
		{"--max-header-bytes: the header size", s.MaxHeaderBytes, minHeaderBytes, maxBytes},
		{"--max-body-bytes: the body size", s.MaxBodyBytes, 1, maxBytes},
		{"--max-connections: the number of connections", s.MaxConnections, 1, maxConnections},
	} {
		if size.value < size.min || size.value > size.max {
			return fmt.Errorf("%s is %d, use %d to %d", size.name, size.value, size.min, size.max)
		}
	}
	for _, timeout := range []struct {
		name  string
		value time.Duration
	}{{"read", s.ReadTimeout}, {"write", s.WriteTimeout}, {"idle", s.IdleTimeout}} {
		if timeout.value < minTimeout || timeout.value > maxTimeout {
			return fmt.Errorf("--%s-timeout: the %s time-out is %v, use %v to %v",
				timeout.name, timeout.name, timeout.value, minTimeout, maxTimeout)
		}
	}
	return nil
}

func (s Settings) validateNames() error {
	if !headerSyntax.MatchString(s.CredentialHeader) {
		return fmt.Errorf("--credential-header: the credential header %q is no name that nginx lets through, use letters, digits and '-'", s.CredentialHeader)
	}
	if isTaken(s.CredentialHeader) {
		return fmt.Errorf("--credential-header: the credential header %q has another meaning, use one of your own such as X-API-Key", s.CredentialHeader)
	}
	if s.QueryParameter != "" && !nameSyntax.MatchString(s.QueryParameter) {
		return fmt.Errorf("--credential-query: the query parameter %q is no plain name, use letters, digits, '_', '.' and '-'", s.QueryParameter)
	}
	if s.Cookie != "" && !nameSyntax.MatchString(s.Cookie) {
		return fmt.Errorf("--credential-cookie: the cookie %q is no plain name, use letters, digits, '_', '.' and '-'", s.Cookie)
	}
	needsEscape := func(c rune) bool { return c < ' ' || c > '~' || c == '"' || c == '\\' } // in a quoted string
	if s.Realm == "" || len(s.Realm) > 64 || strings.ContainsFunc(s.Realm, needsEscape) {
		return errors.New("--realm: the realm must have 1 to 64 printable ASCII characters without quotes and backslashes")
	}
	return nil
}

func isTaken(header string) bool {
	same := func(taken string) bool { return strings.EqualFold(taken, header) }
	isPrefix := func(prefix string) bool { return strings.HasPrefix(strings.ToLower(header), prefix) }
	return slices.ContainsFunc(takenHeaders, same) || slices.ContainsFunc(takenPrefixes, isPrefix)
}
