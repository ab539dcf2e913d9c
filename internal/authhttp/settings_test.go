package authhttp

import (
	"strings"
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/authn"
	"github.com/apikey-operator/apikey-operator/internal/index"
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
		"a tiny header limit":           {func(s *Settings) { s.MaxHeaderBytes = 4095 }, "use 4096 to 1048576"},
		"a huge header limit":           {func(s *Settings) { s.MaxHeaderBytes = 1<<20 + 1 }, "use 4096 to 1048576"},
		"no body limit":                 {func(s *Settings) { s.MaxBodyBytes = 0 }, "--max-body-bytes"},
		"no connections":                {func(s *Settings) { s.MaxConnections = 0 }, "--max-connections"},
		"no read time-out":              {func(s *Settings) { s.ReadTimeout = 0 }, "--read-timeout: the read time-out is 0s, use 10ms to 1h"},
		"a negative write time-out":     {func(s *Settings) { s.WriteTimeout = -time.Second }, "--write-timeout"},
		"an idle time-out too long":     {func(s *Settings) { s.IdleTimeout = 2 * time.Hour }, "--idle-timeout"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			settings := DefaultSettings()
			tt.change(&settings)
			err := settings.Validate()
			if err == nil || !strings.Contains(err.Error(), tt.wantErr) || strings.Contains(err.Error(), "\n") {
				t.Errorf("err = %v, want one line that contains %q", err, tt.wantErr)
			}
			s, err := New(settings, authn.NewDecider(index.New()), nil, nil, &recorder{}, nil)
			if s != nil || err == nil {
				t.Errorf("a server was made of them, err = %v", err)
			}
		})
	}
}
