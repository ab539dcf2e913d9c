package authgrpc

import (
	"net/netip"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/apikey-operator/apikey-operator/internal/index"
)

// everyPlace switches all places on where keys are looked for.
func everyPlace(s *settings) {
	s.QueryParameter, s.Cookie, s.BodyProperty = "api_key", "api_key", "api_key"
}

func withPath(request *authv3.CheckRequest, path string) *authv3.CheckRequest {
	request.GetAttributes().GetRequest().GetHttp().Path = path
	return request
}

func withBody(request *authv3.CheckRequest, text string, raw []byte) *authv3.CheckRequest {
	http := request.GetAttributes().GetRequest().GetHttp()
	http.Body, http.RawBody = text, raw
	return request
}

func TestWhereTheKeyIsLookedForAndWhatIsRemoved(t *testing.T) {
	f := newFixture(t, everyPlace)
	const body = `{"a": 1, "api_key": "KEY"}`
	filled := strings.ReplaceAll(body, "KEY", f.key)
	tests := map[string]struct {
		request     *authv3.CheckRequest
		want        string
		wantRemoved []string
	}{
		"its header":      {f.question("x-api-key", "KEY"), "allowed", []string{"X-API-Key"}},
		"its header, raw": {f.rawQuestion("x-api-key", "KEY"), "allowed", []string{"X-API-Key"}},
		"its header, raw, as somebody else spells": {f.rawQuestion("X-API-KEY", "KEY"), "allowed", []string{"X-API-Key"}},
		"bearer":                   {f.question("authorization", "Bearer KEY"), "allowed", []string{"X-API-Key", "Authorization"}},
		"bearer, raw":              {f.rawQuestion("authorization", "bearer KEY"), "allowed", []string{"X-API-Key", "Authorization"}},
		"another scheme is no key": {f.question("authorization", "Basic KEY"), "missing_credential", nil},
		"the query":                {withPath(f.question(), "/x?api_key="+f.key), "allowed", []string{"X-API-Key"}},
		"a cookie":                 {f.question("cookie", "a=b; api_key=KEY"), "allowed", []string{"X-API-Key"}},
		"a body as text":           {withBody(f.question(), filled, nil), "allowed", []string{"X-API-Key"}},
		"a body as bytes":          {withBody(f.question(), "", []byte(filled)), "allowed", []string{"X-API-Key"}},
		"a body that was cut off":  {withBody(f.question(), filled[:len(filled)-1], nil), "missing_credential", nil},
		"its header before the others": {
			f.question("x-api-key", "KEY", "authorization", "Basic dTpw", "cookie", "api_key=other"), "allowed", []string{"X-API-Key"},
		},
		"a wrong one in its header hides the others": {f.question("x-api-key", "wrong", "authorization", "Bearer KEY"), "unknown_key", nil},
		"an empty header is none":                    {f.question("x-api-key", "", "authorization", "Bearer KEY"), "allowed", []string{"X-API-Key", "Authorization"}},
		"repeated with the same value":               {f.rawQuestion("x-api-key", "KEY", "x-api-key", "KEY"), "allowed", []string{"X-API-Key"}},
		"repeated with another value":                {f.rawQuestion("x-api-key", "KEY", "x-api-key", "other"), "malformed_credential", nil},
		"repeated in another case":                   {f.rawQuestion("x-api-key", "KEY", "X-Api-Key", "other"), "malformed_credential", nil},
		"repeated Authorization":                     {f.rawQuestion("authorization", "Bearer KEY", "authorization", "Basic dTpw"), "malformed_credential", nil},
		"repeated and joined by Envoy":               {f.question("x-api-key", "KEY,KEY"), "unknown_key", nil},
		"bytes that are no ASCII":                    {f.rawQuestion("x-api-key", "KEY\xff"), "malformed_credential", nil},
		"a control byte":                             {f.rawQuestion("x-api-key", "KEY\x00"), "malformed_credential", nil},
		"a name that is longer":                      {f.rawQuestion("x-api-key2", "KEY"), "missing_credential", nil},
		"a name that folds to it in Unicode":         {f.rawQuestion("x-api-\u212aey", "KEY"), "missing_credential", nil},
	}
	conn := f.serve(t)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := check(t, conn, tt.request)
			if reason := reasonOf(got); reason != tt.want {
				t.Errorf("%s, want %s", reason, tt.want)
			}
			if diff := cmp.Diff(tt.wantRemoved, got.GetOkResponse().GetHeadersToRemove()); diff != "" {
				t.Errorf("removed (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAHeaderWithTwoValuesInOneIsRepeated(t *testing.T) {
	f := newFixture(t)
	request := f.rawQuestion("x-api-key", "KEY")
	request.GetAttributes().GetRequest().GetHttp().GetHeaderMap().Headers[0].Value = "other"
	if got := reasonOf(check(t, f.serve(t), request)); got != "malformed_credential" {
		t.Errorf("%s, want malformed_credential", got)
	}
}

func TestPlacesThatAreOffAreNotLookedAt(t *testing.T) {
	f := newFixture(t)
	conn := f.serve(t)
	for name, request := range map[string]*authv3.CheckRequest{
		"query":  withPath(f.question(), "/x?api_key="+f.key),
		"cookie": f.question("cookie", "api_key=KEY"),
		"body":   withBody(f.question(), `{"api_key":"`+f.key+`"}`, nil),
	} {
		if got := reasonOf(check(t, conn, request)); got != "missing_credential" {
			t.Errorf("%s: %s, want missing_credential", name, got)
		}
	}
}

func TestTheCredentialCanBeLeftWhereItIs(t *testing.T) {
	f := newFixture(t, func(s *settings) { s.server.RemoveCredential = false })
	got := check(t, f.serve(t), f.question("authorization", "Bearer KEY")).GetOkResponse()
	if got == nil || len(got.GetHeadersToRemove()) > 0 {
		t.Errorf("removed: %v", got.GetHeadersToRemove())
	}
}

func TestAHeaderOfAnotherNameIsRemoved(t *testing.T) {
	f := newFixture(t, func(s *settings) { s.CredentialHeader = "X-Shop-Token" })
	got := check(t, f.serve(t), f.question("x-shop-token", "KEY")).GetOkResponse().GetHeadersToRemove()
	if diff := cmp.Diff([]string{"X-Shop-Token"}, got); diff != "" {
		t.Errorf("removed (-want +got):\n%s", diff)
	}
}

func TestWhatARouteDemands(t *testing.T) {
	f := newFixture(t)
	tests := map[string]struct {
		extensions []string
		want       string
	}{
		"nothing":                              {nil, "allowed"},
		"a permission":                         {[]string{"permission", "customers:view"}, "allowed"},
		"one that is lacking":                  {[]string{"permission", "orders:view"}, "permission_denied"},
		"a tenant":                             {[]string{"tenant", "acme"}, "allowed"},
		"another tenant":                       {[]string{"tenant", "other"}, "tenant_mismatch"},
		"a scope":                              {[]string{"scope.category", "premium"}, "allowed"},
		"another scope":                        {[]string{"scope.category", "secret"}, "scope_mismatch"},
		"a namespace":                          {[]string{"namespace", "phoenix"}, "allowed"},
		"another namespace":                    {[]string{"namespace", "other"}, "namespace_mismatch"},
		"a rule that matches":                  {[]string{"rule", "GET,HEAD:read"}, "allowed"},
		"a rule for all methods":               {[]string{"rule", "*:read"}, "allowed"},
		"a rule for another method":            {[]string{"rule", "POST:read"}, "permission_denied"},
		"a time to keep the answer":            {[]string{"cache", "30"}, "allowed"},
		"several":                              {[]string{"permission", "read", "tenant", "acme", "scope.category", "general"}, "allowed"},
		"several, of which one is lacking":     {[]string{"permission", "read", "tenant", "acme", "scope.category", "x"}, "scope_mismatch"},
		"a whole one":                          {[]string{"requirement", "permission=read&permission=customers:view"}, "allowed"},
		"a whole one that is lacking":          {[]string{"requirement", "permission=read&permission=write"}, "permission_denied"},
		"rules in their order":                 {[]string{"requirement", "rule=GET:read&rule=*:write"}, "allowed"},
		"rules in another order":               {[]string{"requirement", "rule=POST:read&rule=*:write"}, "permission_denied"},
		"both":                                 {[]string{"tenant", "acme", "requirement", "permission=read"}, "allowed"},
		"both, the first lacking":              {[]string{"tenant", "other", "requirement", "permission=read"}, "tenant_mismatch"},
		"both, the whole one lacking":          {[]string{"tenant", "acme", "requirement", "permission=write"}, "permission_denied"},
		"the same in both":                     {[]string{"tenant", "acme", "requirement", "tenant=acme"}, "invalid_requirement"},
		"a whole one that is encoded":          {[]string{"requirement", "scope.category=%67eneral"}, "allowed"},
		"an empty whole one":                   {[]string{"requirement", ""}, "invalid_requirement"},
		"a whole one with a question mark":     {[]string{"requirement", "?permission=read"}, "invalid_requirement"},
		"an unknown name":                      {[]string{"permission", "read", "permissions", "write"}, "invalid_requirement"},
		"an empty name":                        {[]string{"", "read"}, "invalid_requirement"},
		"an empty value":                       {[]string{"permission", ""}, "invalid_requirement"},
		"a wildcard":                           {[]string{"permission", "customers:*"}, "invalid_requirement"},
		"a value with a parameter":             {[]string{"tenant", "acme&cache=30"}, "invalid_requirement"},
		"a name with a parameter":              {[]string{"cache=30&tenant", "acme"}, "invalid_requirement"},
		"a value that is encoded already":      {[]string{"tenant", "%61cme"}, "invalid_requirement"},
		"a value with a plus":                  {[]string{"scope.category", "general+"}, "invalid_requirement"},
		"a value with a hash":                  {[]string{"tenant", "acme#"}, "invalid_requirement"},
		"a value with bytes that are no ASCII": {[]string{"tenant", "ac\u00e9"}, "invalid_requirement"},
		"a name in another case":               {[]string{"Tenant", "acme"}, "invalid_requirement"},
	}
	conn := f.serve(t)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := reasonOf(check(t, conn, demanding(f.question("x-api-key", "KEY"), tt.extensions...))); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

func TestTheTextOfARequirement(t *testing.T) {
	tests := map[string]struct {
		extensions map[string]string
		want       string
	}{
		"nothing":                    {nil, ""},
		"names in their order":       {map[string]string{"tenant": "a", "cache": "1", "scope.b": "c", "permission": "p:q"}, "cache=1&permission=p:q&scope.b=c&tenant=a"},
		"the whole one is last":      {map[string]string{"tenant": "a", "requirement": "cache=1&rule=*:p"}, "tenant=a&cache=1&rule=*:p"},
		"the whole one as it stands": {map[string]string{"requirement": "a=%20&b"}, "a=%20&b"},
		"what would mean something":  {map[string]string{"a&b": "=%+ #;\x00\xff"}, "a%26b=%3D%25%2B%20%23%3B%00%FF"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := &writer{}
			for range 20 { // a map has another order each time
				if diff := cmp.Diff(tt.want, string(w.requirement(tt.extensions))); diff != "" {
					t.Fatalf("text (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func TestTheClientsAddress(t *testing.T) {
	onlyFrom := func(f *fixture) {
		f.record.Networks = index.OnlyFrom(netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8::/32"))
		f.set(t, f.record)
	}
	pipe := &authv3.AttributeContext_Peer{Address: &corev3.Address{Address: &corev3.Address_Pipe{Pipe: &corev3.Pipe{Path: "/203.0.113.7"}}}}
	tests := map[string]struct {
		trusted   []string
		source    *authv3.AttributeContext_Peer
		forwarded string
		want      string
	}{
		"is the source's":                         {nil, peer("203.0.113.7"), "", "allowed"},
		"is the source's of IPv6":                 {nil, peer("2001:db8::7"), "", "allowed"},
		"is the source's of IPv4 in IPv6":         {nil, peer("::ffff:203.0.113.7"), "", "allowed"},
		"is not the forwarded one":                {nil, peer("198.51.100.1"), "203.0.113.7", "address_not_allowed"},
		"is not known of a pipe":                  {nil, pipe, "", "address_not_allowed"},
		"is not known of a name":                  {nil, peer("localhost"), "", "address_not_allowed"},
		"is not known without a source":           {nil, nil, "203.0.113.7", "address_not_allowed"},
		"is what a trusted source tells":          {[]string{"10.0.0.0/8"}, peer("10.0.0.1"), "203.0.113.7", "allowed"},
		"is what a trusted source and Envoy tell": {[]string{"10.0.0.0/8"}, peer("10.0.0.1"), "203.0.113.7, 10.0.0.1", "allowed"},
		"is the last that is not trusted":         {[]string{"10.0.0.0/8"}, peer("10.0.0.1"), "203.0.113.7, 198.51.100.1, 10.0.0.2", "address_not_allowed"},
		"is what stands behind what was made up":  {[]string{"10.0.0.0/8"}, peer("10.0.0.1"), "198.51.100.1, 203.0.113.7", "allowed"},
		"is the source's if that is not trusted":  {[]string{"10.0.0.0/8"}, peer("198.51.100.1"), "203.0.113.7", "address_not_allowed"},
		"is what Envoy tells behind a pipe":       {[]string{"10.0.0.0/8"}, pipe, "203.0.113.7", "allowed"},
		"is the source's if nothing is told":      {[]string{"10.0.0.0/8"}, peer("203.0.113.7"), "", "allowed"},
		"is not known if the source trusts all":   {[]string{"10.0.0.0/8"}, peer("10.0.0.1"), "", "address_not_allowed"},
		"is not known where it is garbage":        {[]string{"10.0.0.0/8"}, peer("10.0.0.1"), "203.0.113.7, garbage", "address_not_allowed"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, func(s *settings) { s.TrustedProxies = tt.trusted })
			onlyFrom(f)
			conn := f.serve(t)
			for form, request := range map[string]*authv3.CheckRequest{
				"joined": f.question("x-api-key", "KEY", "x-forwarded-for", tt.forwarded),
				"raw":    f.rawQuestion("x-api-key", "KEY", "x-forwarded-for", tt.forwarded),
			} {
				request.Attributes.Source = tt.source
				if got := reasonOf(check(t, conn, request)); got != tt.want {
					t.Errorf("%s: %s, want %s", form, got, tt.want)
				}
			}
		})
	}
}

func TestWhatAClientSendsDecidesNothing(t *testing.T) {
	f := newFixture(t)
	conn := f.serve(t)
	spoofed := []string{
		"x-api-key", "KEY", "x-original-method", "GET", "x-forwarded-method", "GET", ":method", "GET", "x-http-method-override", "GET",
		"x-apikey-tenant", "other", "x-apikey-permissions", "*", "x-real-ip", "10.0.0.1", "requirement", "permission=read",
	}
	request := demanding(f.question(spoofed...), "requirement", "rule=GET:read&rule=DELETE:write", "tenant", "acme")
	request.GetAttributes().GetRequest().GetHttp().Method = "DELETE"
	if got := reasonOf(check(t, conn, request)); got != "permission_denied" {
		t.Errorf("%s, want permission_denied: the method is the request's own", got)
	}
	request = demanding(withPath(f.question("x-api-key", "KEY"), "/../permission=x/?permission=read&tenant=other"), "tenant", "acme")
	if got := reasonOf(check(t, conn, request)); got != "allowed" {
		t.Errorf("%s, want allowed: nothing is demanded by the path", got)
	}
}

func TestWhatIsMissingIsRefused(t *testing.T) {
	f := newFixture(t, everyPlace, func(s *settings) { s.TrustedProxies = []string{"10.0.0.0/8"} })
	http := func(h *authv3.AttributeContext_HttpRequest) *authv3.CheckRequest {
		return &authv3.CheckRequest{Attributes: &authv3.AttributeContext{Request: &authv3.AttributeContext_Request{Http: h}}}
	}
	tests := map[string]*authv3.CheckRequest{
		"no attributes":      {},
		"empty attributes":   {Attributes: &authv3.AttributeContext{}},
		"no HTTP request":    {Attributes: &authv3.AttributeContext{Request: &authv3.AttributeContext_Request{}}},
		"empty HTTP request": http(&authv3.AttributeContext_HttpRequest{}),
		"no raw headers":     http(&authv3.AttributeContext_HttpRequest{HeaderMap: &corev3.HeaderMap{}}),
		"an empty raw header": http(&authv3.AttributeContext_HttpRequest{
			HeaderMap: &corev3.HeaderMap{Headers: []*corev3.HeaderValue{{}}},
		}),
		"an empty source":     {Attributes: &authv3.AttributeContext{Source: &authv3.AttributeContext_Peer{}}},
		"an empty address":    {Attributes: &authv3.AttributeContext{Source: &authv3.AttributeContext_Peer{Address: &corev3.Address{}}}},
		"an empty IP address": {Attributes: &authv3.AttributeContext{Source: peer("")}},
	}
	conn := f.serve(t)
	for name, request := range tests {
		t.Run(name, func(t *testing.T) {
			if got := reasonOf(check(t, conn, request)); got != "missing_credential" {
				t.Errorf("%s, want missing_credential", got)
			}
		})
	}
	if f.metrics.panicked() > 0 {
		t.Errorf("it panicked:\n%s", f.log)
	}
}
