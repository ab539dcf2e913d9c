package authhttp

import (
	"fmt"
	"strings"
	"time"
)

// Settings are what the operator of a verifier chooses.
type Settings struct {
	// CredentialHeader is the header that holds the key. Default: X-API-Key.
	CredentialHeader string
	// Authorization says whether the key may also stand in Authorization (RFC 9110 section 11.6.2), as
	// Bearer KEY (RFC 6750), ApiKey KEY or the bare key. Default: true.
	Authorization bool
	// QueryParameter of the original URL that may also hold the key; empty for none. Default: empty,
	// since URLs are logged.
	QueryParameter string
	// Cookie that may also hold the key; empty for none. Default: empty.
	Cookie string
	// Realm in WWW-Authenticate. Default: apikey-operator.
	Realm string

	// MaxHeaderBytes bounds request line and headers together. nginx passes on up to 32 KiB of its
	// client's and its own beside them, the URL twice. Default: 64 KiB, from 4 KiB to 1 MiB.
	MaxHeaderBytes int
	// MaxBodyBytes bounds a request body, which is never needed. Default: 4 KiB, from 1 to 1 MiB.
	MaxBodyBytes int

	// ReadTimeout bounds the arrival of one request. Default: 10s.
	ReadTimeout time.Duration
	// WriteTimeout bounds the sending of one answer. Default: 10s.
	WriteTimeout time.Duration
	// IdleTimeout is how long a connection is kept between requests. It is longer than nginx keeps one
	// to an upstream (60s), so that nginx closes first and never sends into a closing connection.
	// Default: 90s.
	IdleTimeout time.Duration
}

const (
	kib = 1 << 10
	mib = 1 << 20
)

// DefaultSettings are those that fit nginx as it comes.
func DefaultSettings() Settings {
	return Settings{
		CredentialHeader: "X-API-Key",
		Authorization:    true,
		Realm:            "apikey-operator",
		MaxHeaderBytes:   64 * kib,
		MaxBodyBytes:     4 * kib,
		ReadTimeout:      10 * time.Second,
		WriteTimeout:     10 * time.Second,
		IdleTimeout:      90 * time.Second,
	}
}

// Validate says which setting makes no sense, and what would. Settings are named as the command's flags are.
func (s Settings) Validate() error {
	if !isToken(s.CredentialHeader) {
		return fmt.Errorf("--credential-header: %q is no name of a header: give one such as X-API-Key", s.CredentialHeader)
	}
	if isReserved(s.CredentialHeader) {
		return fmt.Errorf("--credential-header: %s means something else: give another, such as X-API-Key", s.CredentialHeader)
	}
	if s.QueryParameter != "" && !isToken(s.QueryParameter) {
		return fmt.Errorf("--credential-query: %q is no name of a parameter: give one such as api_key, or nothing", s.QueryParameter)
	}
	if s.Cookie != "" && !isToken(s.Cookie) {
		return fmt.Errorf("--credential-cookie: %q is no name of a cookie: give one such as api_key, or nothing", s.Cookie)
	}
	if s.Realm == "" || strings.ContainsFunc(s.Realm, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) {
		return fmt.Errorf("--realm: %q cannot be quoted in a header: give printable ASCII without quotes and backslashes", s.Realm)
	}
	if s.MaxHeaderBytes < 4*kib || s.MaxHeaderBytes > mib {
		return fmt.Errorf("--max-header-bytes: %d is out of range: give %d to %d", s.MaxHeaderBytes, 4*kib, mib)
	}
	if s.MaxBodyBytes < 1 || s.MaxBodyBytes > mib {
		return fmt.Errorf("--max-body-bytes: %d is out of range: give 1 to %d", s.MaxBodyBytes, mib)
	}
	return s.validateTimeouts()
}

func (s Settings) validateTimeouts() error {
	const shortest, longest = 100 * time.Millisecond, time.Hour
	for _, timeout := range []struct {
		flag  string
		value time.Duration
	}{{"read-timeout", s.ReadTimeout}, {"write-timeout", s.WriteTimeout}, {"idle-timeout", s.IdleTimeout}} {
		if timeout.value < shortest || timeout.value > longest {
			return fmt.Errorf("--%s: %s is out of range: give %s to %s", timeout.flag, timeout.value, shortest, longest)
		}
	}
	return nil
}

// isReserved says whether a header is read for something else or by the HTTP library itself.
func isReserved(header string) bool {
	for _, reserved := range []string{
		"Authorization", "Connection", "Content-Encoding", "Content-Length", "Content-Type", "Cookie", "Expect", "Host",
		"Trailer", "Transfer-Encoding", "User-Agent", headerOriginalMethod, headerOriginalURL, headerRequestID,
	} {
		if strings.EqualFold(header, reserved) {
			return true
		}
	}
	return false
}

// isToken says whether s is a token of RFC 9110 section 5.6.2.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		alphanumeric := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		return !alphanumeric && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}
