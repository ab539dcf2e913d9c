package authhttp

import (
	"strings"
	"testing"
)

func everyPlace(s *settings) { s.QueryParameter, s.Cookie = "api_key", "api_key" }

// In these tables KEY stands for the good key.
func TestWhereTheKeyIsLookedFor(t *testing.T) {
	tests := map[string]struct {
		headers []string
		want    string
	}{
		"nowhere":                            {nil, "missing_credential"},
		"its header":                         {[]string{"X-API-Key", "KEY"}, "allowed"},
		"its header in another case":         {[]string{"x-aPI-kEY", "KEY"}, "allowed"},
		"an empty header counts as absent":   {[]string{"X-API-Key", ""}, "missing_credential"},
		"after an empty header, the next":    {[]string{"X-API-Key", "", "Authorization", "Bearer KEY"}, "allowed"},
		"the header twice, the same":         {[]string{"X-API-Key", "KEY", "X-API-Key", "KEY"}, "allowed"},
		"the header twice, one empty":        {[]string{"X-API-Key", "", "X-API-Key", "KEY"}, "allowed"},
		"the header twice, different":        {[]string{"X-API-Key", "KEY", "X-API-Key", "other"}, "malformed_credential"},
		"thrice, the second different":       {[]string{"X-API-Key", "KEY", "X-API-Key", "x", "X-API-Key", "KEY"}, "malformed_credential"},
		"the header before authorization":    {[]string{"X-API-Key", "wrong", "Authorization", "Bearer KEY"}, "unknown_key"},
		"a malformed one hides the next":     {[]string{"X-API-Key", "ü", "Authorization", "Bearer KEY"}, "malformed_credential"},
		"512 bytes":                          {[]string{"X-API-Key", strings.Repeat("k", 512)}, "unknown_key"},
		"513 bytes":                          {[]string{"X-API-Key", strings.Repeat("k", 513)}, "malformed_credential"},
		"bearer":                             {[]string{"Authorization", "Bearer KEY"}, "allowed"},
		"bearer in capitals":                 {[]string{"Authorization", "BEARER KEY"}, "allowed"},
		"bearer with more spaces":            {[]string{"Authorization", "bearer   KEY"}, "allowed"},
		"apikey":                             {[]string{"Authorization", "ApiKey KEY"}, "allowed"},
		"apikey in lower case":               {[]string{"Authorization", "apikey KEY"}, "allowed"},
		"bare":                               {[]string{"Authorization", "KEY"}, "allowed"},
		"bearer without a key":               {[]string{"Authorization", "Bearer"}, "missing_credential"},
		"bearer and a space":                 {[]string{"Authorization", "Bearer "}, "missing_credential"},
		"bearer with two keys":               {[]string{"Authorization", "Bearer KEY KEY"}, "unknown_key"},
		"bearer with a tab":                  {[]string{"Authorization", "Bearer\tKEY"}, "malformed_credential"},
		"another scheme":                     {[]string{"Authorization", "Basic KEY"}, "missing_credential"},
		"another scheme with parameters":     {[]string{"Authorization", `Digest username="KEY"`}, "missing_credential"},
		"after another scheme, the cookie":   {[]string{"Authorization", "Basic x", "Cookie", "api_key=KEY"}, "allowed"},
		"authorization twice, the same":      {[]string{"Authorization", "Bearer KEY", "Authorization", "Bearer KEY"}, "allowed"},
		"authorization twice, different":     {[]string{"Authorization", "Bearer KEY", "Authorization", "Basic x"}, "malformed_credential"},
		"the query":                          {[]string{"X-Original-URL", "https://a.test/x?a=b&api_key=KEY&c"}, "allowed"},
		"the query before a fragment":        {[]string{"X-Original-URL", "https://a.test/x?api_key=KEY#f"}, "allowed"},
		"the query, encoded":                 {[]string{"X-Original-URL", "https://a.test/?api%5Fkey=KEY"}, "allowed"},
		"the query, encoded wrongly":         {[]string{"X-Original-URL", "https://a.test/?api_key=%zz"}, "malformed_credential"},
		"another parameter, encoded wrongly": {[]string{"X-Original-URL", "https://a.test/?%zz=1&api_key=KEY"}, "allowed"},
		"the query, an encoded line break":   {[]string{"X-Original-URL", "https://a.test/?api_key=KEY%0a"}, "malformed_credential"},
		"the query twice, the same":          {[]string{"X-Original-URL", "https://a.test/?api_key=KEY&api_key=KEY"}, "allowed"},
		"the query twice, different":         {[]string{"X-Original-URL", "https://a.test/?api_key=KEY&api_key=x"}, "malformed_credential"},
		"the query, empty":                   {[]string{"X-Original-URL", "https://a.test/?api_key="}, "missing_credential"},
		"the query, without a value":         {[]string{"X-Original-URL", "https://a.test/?api_key"}, "missing_credential"},
		"a longer name in the query":         {[]string{"X-Original-URL", "https://a.test/?my_api_key=KEY"}, "missing_credential"},
		"the path is not the query":          {[]string{"X-Original-URL", "https://a.test/api_key=KEY"}, "missing_credential"},
		"a fragment is not the query":        {[]string{"X-Original-URL", "https://a.test/#?api_key=KEY"}, "missing_credential"},
		"the original URL twice, different":  {[]string{"X-Original-URL", "https://a/?api_key=KEY", "X-Original-URL", "https://a/"}, "missing_credential"},
		"a client's header of another proxy": {[]string{"X-Original-URI", "/?api_key=KEY", "X-Forwarded-Uri", "/?api_key=KEY"}, "missing_credential"},
		"the query before the cookie":        {[]string{"X-Original-URL", "https://a/?api_key=x", "Cookie", "api_key=KEY"}, "unknown_key"},
		"the cookie":                         {[]string{"Cookie", "a=b; api_key=KEY; c"}, "allowed"},
		"the cookie without spaces":          {[]string{"Cookie", "a=b;api_key=KEY"}, "allowed"},
		"the cookie in quotes":               {[]string{"Cookie", `api_key="KEY"`}, "allowed"},
		"the cookie in the second header":    {[]string{"Cookie", "a=b", "Cookie", "api_key=KEY"}, "allowed"},
		"the cookie twice, the same":         {[]string{"Cookie", "api_key=KEY; api_key=KEY"}, "allowed"},
		"the cookie twice, different":        {[]string{"Cookie", "api_key=KEY; api_key=x"}, "malformed_credential"},
		"the cookie twice in two headers":    {[]string{"Cookie", "api_key=KEY", "Cookie", "api_key=x"}, "malformed_credential"},
		"the cookie, empty":                  {[]string{"Cookie", "api_key="}, "missing_credential"},
		"a cookie's name has its case":       {[]string{"Cookie", "API_KEY=KEY"}, "missing_credential"},
		"a name within another cookie":       {[]string{"Cookie", `a="api_key=KEY"`}, "missing_credential"},
		"a header with underscores":          {[]string{"X_API_Key", "KEY"}, "missing_credential"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, everyPlace)
			for i := 1; i < len(tt.headers); i += 2 {
				tt.headers[i] = strings.ReplaceAll(tt.headers[i], "KEY", f.key)
			}
			if got := reasonOf(f.ask(t, "/auth/nginx", tt.headers...)); got != tt.want {
				t.Errorf("reason = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestPlacesThatAreSwitchedOffAreNotLookedAt(t *testing.T) {
	tests := map[string]struct {
		change  func(*settings)
		headers []string
		want    string
	}{
		"by default the query":   {func(*settings) {}, []string{"X-Original-URL", "https://a/?api_key=KEY"}, "missing_credential"},
		"by default the cookie":  {func(*settings) {}, []string{"Cookie", "api_key=KEY"}, "missing_credential"},
		"authorization":          {func(s *settings) { s.Authorization = false }, []string{"Authorization", "KEY"}, "missing_credential"},
		"a header of one's own":  {func(s *settings) { s.CredentialHeader = "x-tOKEN" }, []string{"X-Token", "KEY"}, "allowed"},
		"then not the usual one": {func(s *settings) { s.CredentialHeader = "X-Token" }, []string{"X-API-Key", "KEY"}, "missing_credential"},
		"a parameter of one's own": {
			func(s *settings) { s.QueryParameter = "token" }, []string{"X-Original-URL", "https://a/?api_key=x&token=KEY"}, "allowed",
		},
		"a cookie of one's own": {func(s *settings) { s.Cookie = "token" }, []string{"Cookie", "api_key=x; token=KEY"}, "allowed"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, tt.change)
			tt.headers[1] = strings.ReplaceAll(tt.headers[1], "KEY", f.key)
			if got := reasonOf(f.ask(t, "/auth/nginx", tt.headers...)); got != tt.want {
				t.Errorf("reason = %q, want %q", got, tt.want)
			}
		})
	}
}
