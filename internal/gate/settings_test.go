package gate

import (
	"strings"
	"testing"

	"github.com/apikey-operator/apikey-operator/internal/authn"
)

func TestTheDefaultSettingsAreValid(t *testing.T) {
	if err := DefaultSettings().Validate(); err != nil {
		t.Error(err)
	}
}

func TestSettingsThatMakeNoSense(t *testing.T) {
	tests := map[string]struct {
		change  func(*Settings)
		wantErr string
	}{
		"no credential header":          {func(s *Settings) { s.CredentialHeader = "" }, "--credential-header"},
		"a header with an underscore":   {func(s *Settings) { s.CredentialHeader = "X_API_Key" }, "nginx lets through"},
		"a header with a space":         {func(s *Settings) { s.CredentialHeader = "X API Key" }, "nginx lets through"},
		"a header of HTTP":              {func(s *Settings) { s.CredentialHeader = "content-length" }, "another meaning"},
		"the header with its own rules": {func(s *Settings) { s.CredentialHeader = "authorization" }, "another meaning"},
		"a header that nginx sets":      {func(s *Settings) { s.CredentialHeader = "X-Original-URL" }, "another meaning"},
		"a header that a proxy sets":    {func(s *Settings) { s.CredentialHeader = "x-forwarded-key" }, "another meaning"},
		"a header of ours":              {func(s *Settings) { s.CredentialHeader = "X-Apikey-Tenant" }, "another meaning"},
		"a query parameter with =":      {func(s *Settings) { s.QueryParameter = "api=key" }, "--credential-query"},
		"a cookie with a semicolon":     {func(s *Settings) { s.Cookie = "api;key" }, "--credential-cookie"},
		"no realm":                      {func(s *Settings) { s.Realm = "" }, "--realm"},
		"a realm with a quote":          {func(s *Settings) { s.Realm = `a"b` }, "--realm"},
		"a realm with a line break":     {func(s *Settings) { s.Realm = "a\r\nb" }, "--realm"},
		"a header of tracing":           {func(s *Settings) { s.CredentialHeader = "traceparent" }, "another meaning"},
		"a property with a quote":       {func(s *Settings) { s.BodyProperty = `a"` }, "--credential-body"},
		"a range that is none":          {func(s *Settings) { s.TrustedProxies = []string{"10.0.0.0/8", "proxies"} }, `--trusted-proxies: "proxies" is neither`},
		"a range with a host's bits":    {func(s *Settings) { s.TrustedProxies = []string{"10.0.0.1/8"} }, "did you mean 10.0.0.0/8?"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			settings := DefaultSettings()
			tt.change(&settings)
			err := settings.Validate()
			if err == nil || !strings.Contains(err.Error(), tt.wantErr) || strings.Contains(err.Error(), "\n") {
				t.Errorf("err = %v, want one line that contains %q", err, tt.wantErr)
			}
			if g, err := New(settings, Config{Decider: &authn.Decider{}}); g != nil || err == nil {
				t.Errorf("a gate was made of them, err = %v", err)
			}
		})
	}
}
