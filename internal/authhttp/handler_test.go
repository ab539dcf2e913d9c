package authhttp

import (
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/valyala/fasthttp"

	"github.com/apikey-operator/apikey-operator/internal/authn"
	"github.com/apikey-operator/apikey-operator/internal/gate"
	"github.com/apikey-operator/apikey-operator/internal/index"
)

// exampleNetworks are those of examples (RFC 5737, RFC 3849).
var exampleNetworks = index.OnlyFrom(netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8::/32"))

const (
	plainChallenge   = `Bearer realm="apikey-operator"`
	invalidToken     = plainChallenge + `, error="invalid_token"`
	lackingAnyRule   = plainChallenge + `, error="insufficient_scope"`
	lackingTwoScopes = plainChallenge + `, error="insufficient_scope", scope="read admin"`
)

func TestSuccessOnNginxIs200WithAllIdentityHeadersAndNoBody(t *testing.T) {
	identity := map[string]string{
		"X-Apikey-Namespace": "phoenix", "X-Apikey-Name": "monitor", "X-Apikey-Tenant": "acme",
		"X-Apikey-Permissions": "read,customers:*", "X-Apikey-Scopes": "category=general|premium",
		"X-Apikey-Revision": "3", "Cache-Control": "no-store",
	}
	with := func(changes map[string]string) map[string]string {
		all := maps.Clone(identity)
		maps.Copy(all, changes)
		return all
	}
	tests := map[string]struct {
		query   string
		arrange func(*testing.T, *fixture)
		want    map[string]string
	}{
		"all filled in": {want: identity},
		"empty where there is nothing": {
			arrange: func(t *testing.T, f *fixture) {
				f.record.Tenant, f.record.Permissions, f.record.Scopes = "", nil, nil
				f.set(t, f.record)
			},
			want: with(map[string]string{"X-Apikey-Tenant": "", "X-Apikey-Permissions": "", "X-Apikey-Scopes": ""}),
		},
		"kept as long as the route allows": {
			query: "?permission=read&cache=60", want: with(map[string]string{"Cache-Control": "max-age=60"}),
		},
		"kept no longer than the key lives": {
			query: "?cache=300",
			arrange: func(t *testing.T, f *fixture) {
				f.record.NotAfter = noon.Add(10500 * time.Millisecond)
				f.set(t, f.record)
			},
			want: with(map[string]string{"Cache-Control": "max-age=10"}),
		},
		"not kept in the key's last second": {
			query: "?cache=300",
			arrange: func(t *testing.T, f *fixture) {
				f.record.NotAfter = noon.Add(999 * time.Millisecond)
				f.set(t, f.record)
			},
			want: identity,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			if tt.arrange != nil {
				tt.arrange(t, f)
			}
			ctx := f.ask(t, "/auth/nginx"+tt.query, "X-API-Key", f.key)
			if ctx.Response.StatusCode() != 200 || len(ctx.Response.Body()) != 0 {
				t.Errorf("status %d, body %q", ctx.Response.StatusCode(), ctx.Response.Body())
			}
			if diff := cmp.Diff(tt.want, headersOf(ctx)); diff != "" {
				t.Errorf("headers (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(map[string]int{"nginx/allowed": 1}, f.metrics.counts()); diff != "" {
				t.Errorf("counted (-want +got):\n%s", diff)
			}
			if f.log.String() != "" {
				t.Errorf("logged: %s", f.log)
			}
		})
	}
}

func TestRefusalsOnNginx(t *testing.T) {
	tests := map[string]struct {
		target        string
		headers       []string
		arrange       func(*fixture)
		wantStatus    int
		wantChallenge string
		wantReason    string
	}{
		"not ready": {
			arrange: func(f *fixture) { f.isReady = false }, wantStatus: 403, wantReason: "not_ready",
		},
		"a requirement that cannot be understood": {
			target: "?permisson=read", wantStatus: 403, wantReason: "invalid_requirement",
		},
		"no key": {
			headers: []string{"Accept", "*/*"}, wantStatus: 401, wantReason: "missing_credential", wantChallenge: plainChallenge,
		},
		"a malformed key": {
			headers: []string{"X-API-Key", "schlüssel"}, wantStatus: 401, wantReason: "malformed_credential", wantChallenge: invalidToken,
		},
		"an unknown key": {
			headers: []string{"X-API-Key", "nonsense"}, wantStatus: 401, wantReason: "unknown_key", wantChallenge: invalidToken,
		},
		"expired": {
			arrange:    func(f *fixture) { f.record.NotAfter = noon },
			wantStatus: 401, wantReason: "expired", wantChallenge: invalidToken,
		},
		"revoked": {
			arrange:    func(f *fixture) { f.record.Revoked = true },
			wantStatus: 401, wantReason: "revoked", wantChallenge: invalidToken,
		},
		"suspended": {
			arrange:    func(f *fixture) { f.record.Suspended = true },
			wantStatus: 401, wantReason: "suspended", wantChallenge: invalidToken,
		},
		"not granted": {
			arrange: func(f *fixture) { f.record.NotGranted = true }, wantStatus: 403, wantReason: "not_granted",
		},
		"from elsewhere": {
			headers:    []string{"X-API-Key", "KEY", "X-Real-IP", "198.51.100.1"},
			arrange:    func(f *fixture) { f.record.Networks = exampleNetworks },
			wantStatus: 403, wantReason: "address_not_allowed",
		},
		"from an address that is not known": {
			arrange: func(f *fixture) { f.record.Networks = exampleNetworks }, wantStatus: 403, wantReason: "address_not_allowed",
		},
		"a permission is lacking": {
			target: "?permission=read&permission=admin", wantStatus: 403, wantReason: "permission_denied", wantChallenge: lackingTwoScopes,
		},
		"a rule's permission is lacking": {
			target: "?permission=read&rule=GET:admin", headers: []string{"X-Original-Method", "GET", "X-API-Key", "KEY"},
			wantStatus: 403, wantReason: "permission_denied", wantChallenge: lackingTwoScopes,
		},
		"no rule is for the method": {
			target: "?rule=GET:read", headers: []string{"X-Original-Method", "POST", "X-API-Key", "KEY"},
			wantStatus: 403, wantReason: "permission_denied", wantChallenge: lackingAnyRule,
		},
		"another tenant":    {target: "?tenant=other", wantStatus: 403, wantReason: "tenant_mismatch"},
		"another scope":     {target: "?scope.category=x", wantStatus: 403, wantReason: "scope_mismatch"},
		"another namespace": {target: "?namespace=other", wantStatus: 403, wantReason: "namespace_mismatch"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			if tt.arrange != nil {
				tt.arrange(f)
				f.set(t, f.record)
			}
			if tt.headers == nil {
				tt.headers = []string{"X-API-Key", "KEY"}
			}
			for i := range tt.headers {
				tt.headers[i] = strings.ReplaceAll(tt.headers[i], "KEY", f.key)
			}
			want := map[string]string{"Cache-Control": "no-store", "X-Apikey-Reason": tt.wantReason}
			if tt.wantChallenge != "" {
				want["Www-Authenticate"] = tt.wantChallenge
			}
			target := "/auth/nginx" + tt.target
			if tt.target == "" {
				target += "?cache=60" // no refusal is kept, whatever the route allows
			}
			ctx := f.ask(t, target, tt.headers...)
			if ctx.Response.StatusCode() != tt.wantStatus || len(ctx.Response.Body()) != 0 {
				t.Errorf("status %d, body %q; want %d and none", ctx.Response.StatusCode(), ctx.Response.Body(), tt.wantStatus)
			}
			if diff := cmp.Diff(want, headersOf(ctx)); diff != "" {
				t.Errorf("headers (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(map[string]int{"nginx/" + tt.wantReason: 1}, f.metrics.counts()); diff != "" {
				t.Errorf("counted (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNginxUnderstandsTheStatusOfEveryReason(t *testing.T) {
	for r := range authn.ReasonCount {
		reason := authn.Reason(r)
		for _, d := range []dialect{nginx, noDialect} {
			status := d.status(reason)
			if (status == 200) != (reason == authn.Allowed) || status != 200 && status != 401 && status != 403 {
				t.Errorf("%s: %v is answered with %d", d.name, reason, status)
			}
		}
	}
}

func TestTheMethodComesOnlyFromTheHeaderThatNginxOverwrites(t *testing.T) {
	tests := map[string]struct {
		headers []string
		want    string
	}{
		"the original method":            {[]string{"X-Original-Method", "GET"}, "allowed"},
		"twice, the same":                {[]string{"X-Original-Method", "GET", "X-Original-Method", "GET"}, "allowed"},
		"another method":                 {[]string{"X-Original-Method", "DELETE"}, "permission_denied"},
		"not told":                       {nil, "permission_denied"},
		"told empty":                     {[]string{"X-Original-Method", ""}, "permission_denied"},
		"twice, different":               {[]string{"X-Original-Method", "GET", "X-Original-Method", "DELETE"}, "permission_denied"},
		"twice, different, the other":    {[]string{"X-Original-Method", "DELETE", "X-Original-Method", "GET"}, "permission_denied"},
		"a header of another proxy":      {[]string{"X-Forwarded-Method", "GET"}, "permission_denied"},
		"and it does not count besides":  {[]string{"X-Original-Method", "DELETE", "X-Forwarded-Method", "GET"}, "permission_denied"},
		"nor does an override":           {[]string{"X-Original-Method", "DELETE", "X-Http-Method-Override", "GET"}, "permission_denied"},
		"a method in lower case is none": {[]string{"X-Original-Method", "get"}, "permission_denied"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			ctx := f.ask(t, "/auth/nginx?rule=GET:read&rule=DELETE:admin", append(tt.headers, "X-API-Key", f.key)...)
			if got := reasonOf(ctx); got != tt.want {
				t.Errorf("reason = %q, want %q", got, tt.want)
			}
		})
	}
	t.Run("not even a rule for all methods matches one that is not known", func(t *testing.T) {
		f := newFixture(t)
		ctx := f.ask(t, "/auth/nginx?rule=*:read", "X-Original-Method", "GET", "X-Original-Method", "PUT", "X-API-Key", f.key)
		if got := reasonOf(ctx); got != "permission_denied" {
			t.Errorf("reason = %q", got)
		}
	})
}

func TestTheAddressComesOnlyFromTheHeaderThatNginxOverwrites(t *testing.T) {
	const inside, outside = "203.0.113.7", "198.51.100.1"
	tests := map[string]struct {
		headers []string
		want    string
	}{
		"inside":                           {[]string{"X-Real-IP", inside}, "allowed"},
		"inside, IPv6":                     {[]string{"X-Real-IP", "2001:db8::7"}, "allowed"},
		"inside, IPv4 in IPv6's clothes":   {[]string{"X-Real-IP", "::ffff:" + inside}, "allowed"},
		"inside, with the zone of a link":  {[]string{"X-Real-IP", "2001:db8::7%eth0"}, "allowed"},
		"outside":                          {[]string{"X-Real-IP", outside}, "address_not_allowed"},
		"outside, IPv6":                    {[]string{"X-Real-IP", "2001:db9::7"}, "address_not_allowed"},
		"twice, the same":                  {[]string{"X-Real-IP", inside, "X-Real-IP", inside}, "allowed"},
		"twice, different":                 {[]string{"X-Real-IP", inside, "X-Real-IP", outside}, "address_not_allowed"},
		"twice, different, the other way":  {[]string{"X-Real-IP", outside, "X-Real-IP", inside}, "address_not_allowed"},
		"twice, both inside":               {[]string{"X-Real-IP", inside, "X-Real-IP", "203.0.113.8"}, "address_not_allowed"},
		"not told":                         {nil, "address_not_allowed"},
		"told empty":                       {[]string{"X-Real-IP", ""}, "address_not_allowed"},
		"with a port":                      {[]string{"X-Real-IP", inside + ":443"}, "address_not_allowed"},
		"a list":                           {[]string{"X-Real-IP", inside + ", " + inside}, "address_not_allowed"},
		"a network":                        {[]string{"X-Real-IP", "203.0.113.0/24"}, "address_not_allowed"},
		"in brackets":                      {[]string{"X-Real-IP", "[2001:db8::7]"}, "address_not_allowed"},
		"a name":                           {[]string{"X-Real-IP", "localhost"}, "address_not_allowed"},
		"a socket's, which has none":       {[]string{"X-Real-IP", "unix:"}, "address_not_allowed"},
		"zeros in front":                   {[]string{"X-Real-IP", "203.0.113.007"}, "address_not_allowed"},
		"a zone alone":                     {[]string{"X-Real-IP", "%eth0"}, "address_not_allowed"},
		"IPv4 with a zone":                 {[]string{"X-Real-IP", inside + "%eth0"}, "address_not_allowed"},
		"a header that clients can send":   {[]string{"X-Forwarded-For", inside}, "address_not_allowed"},
		"and it does not count besides":    {[]string{"X-Real-IP", outside, "X-Forwarded-For", inside}, "address_not_allowed"},
		"nor does it take an address away": {[]string{"X-Real-IP", inside, "X-Forwarded-For", outside}, "allowed"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.record.Networks = exampleNetworks
			f.set(t, f.record)
			ctx := f.ask(t, "/auth/nginx?cache=60", append(tt.headers, "X-API-Key", f.key)...)
			if got := reasonOf(ctx); got != tt.want {
				t.Errorf("reason = %q, want %q", got, tt.want)
			}
			if got := string(ctx.Response.Header.Peek("Cache-Control")); got != "no-store" {
				t.Errorf("Cache-Control is %q: another client could be given the answer", got)
			}
		})
	}
}

func TestOnlyTheRawTargetCounts(t *testing.T) {
	tests := map[string]struct{ target, want string }{
		"the path":                         {"/auth/nginx", "allowed"},
		"the path and an empty query":      {"/auth/nginx?", "allowed"},
		"a slash behind":                   {"/auth/nginx/", "invalid_requirement"},
		"more path":                        {"/auth/nginx/x", "invalid_requirement"},
		"two slashes":                      {"//auth/nginx", "invalid_requirement"},
		"dot segments":                     {"/x/../auth/nginx", "invalid_requirement"},
		"dot segments behind":              {"/auth/nginx/../nginx", "invalid_requirement"},
		"an encoded letter":                {"/auth/%6Eginx", "invalid_requirement"},
		"an encoded question mark":         {"/auth/nginx%3Fpermission=read", "invalid_requirement"},
		"another case":                     {"/auth/Nginx", "invalid_requirement"},
		"the absolute form":                {"http://verifier/auth/nginx", "invalid_requirement"},
		"a fragment":                       {"/auth/nginx#x", "invalid_requirement"},
		"a fragment behind the query":      {"/auth/nginx?permission=read#x", "invalid_requirement"},
		"another path":                     {"/", "invalid_requirement"},
		"another dialect's, without path":  {"/auth/envoy/permission=read", "invalid_requirement"},
		"a second question mark":           {"/auth/nginx?permission=read?x", "invalid_requirement"},
		"a query that only looks the same": {"/auth/nginx?%70ermission=read", "allowed"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			ctx := f.ask(t, tt.target, "X-API-Key", f.key)
			if got := reasonOf(ctx); got != tt.want {
				t.Errorf("reason = %q, want %q", got, tt.want)
			}
			if want := 403; tt.want != "allowed" && ctx.Response.StatusCode() != want {
				t.Errorf("status = %d, want %d", ctx.Response.StatusCode(), want)
			}
		})
	}
}

func TestRequestIDs(t *testing.T) {
	longest := strings.Repeat("i", 128)
	tests := map[string]struct{ given, want string }{
		"one that is fit":            {"Req_1.a-B", "Req_1.a-B"},
		"the longest":                {longest, longest},
		"one that is too long":       {longest + "i", ""},
		"none":                       {"", ""},
		"a space":                    {"a b", ""},
		"a quote":                    {`a"b`, ""},
		"outside ASCII":              {"ä", ""},
		"something like a JSON line": {`{"a":1}`, ""},
	}
	generated := regexp.MustCompile(`^[0-9a-f]{16}$`)
	seen := map[string]bool{}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			for _, key := range []string{f.key, "wrong"} {
				ctx := f.ask(t, "/auth/nginx", "X-API-Key", key, "X-Request-ID", tt.given)
				got := string(ctx.Response.Header.Peek("X-Request-ID"))
				if tt.want != "" && got != tt.want {
					t.Errorf("X-Request-ID = %q, want it echoed", got)
				}
				if tt.want == "" && (!generated.MatchString(got) || seen[got]) {
					t.Errorf("X-Request-ID = %q, want a new one", got)
				}
				seen[got] = tt.want == ""
			}
		})
	}
}

func TestAnInvalidRequirementIsLoggedOnceAndCountedEachTime(t *testing.T) {
	f := newFixture(t)
	for range 3 {
		f.ask(t, "/auth/nginx?permission=customers:*&tenant=acme", "X-API-Key", f.key)
		f.ask(t, "/auth/nginx?api_key="+f.key, "X-API-Key", f.key)
		f.ask(t, "/auth/other?"+f.key, "X-API-Key", f.key)
	}
	if f.metrics.invalidRequirements != 9 {
		t.Errorf("counted %d, want 9", f.metrics.invalidRequirements)
	}
	log := f.log.String()
	if got := strings.Count(log, "\n"); got != 3 {
		t.Errorf("%d lines, want one for each of 3 mistakes:\n%s", got, log)
	}
	for _, want := range []string{
		"permission=customers:*&tenant=acme", "parameter 1 of the requirement: permission: use segments", "api_key=…", "/auth/nginx",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
	if strings.Contains(log, f.key) {
		t.Errorf("the log holds the key:\n%s", log)
	}
}

func TestOnlyAnAnswerToAKeyInAHeaderMayBeKept(t *testing.T) {
	tests := map[string]struct {
		headers []string
		want    string
	}{
		"in its own header":     {[]string{"X-API-Key", "KEY"}, "max-age=60"},
		"in Authorization":      {[]string{"Authorization", "Bearer KEY"}, "max-age=60"},
		"in a cookie":           {[]string{"Cookie", "api_key=KEY"}, "no-store"},
		"in the original query": {[]string{"X-Original-URL", "http://a.test/?api_key=KEY"}, "no-store"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, func(s *settings) { s.Cookie, s.QueryParameter = "api_key", "api_key" })
			for i := range tt.headers {
				tt.headers[i] = strings.ReplaceAll(tt.headers[i], "KEY", f.key)
			}
			answer := f.ask(t, "/auth/nginx?cache=60", tt.headers...)
			if got := string(answer.Response.Header.Peek("Cache-Control")); reasonOf(answer) != "allowed" || got != tt.want {
				t.Errorf("%s with Cache-Control %q, want allowed with %q", reasonOf(answer), got, tt.want)
			}
		})
	}
}

func TestABugRefusesTheRequestAndNothingElse(t *testing.T) {
	tests := map[string]func(*fixture){
		"in the clock":        func(f *fixture) { f.now = func() time.Time { panic("the clock is " + f.key) } },
		"in readiness":        func(f *fixture) { f.ready = func() bool { panic(f.key) } },
		"after the answer":    func(f *fixture) { f.metrics.decided = onFirstOf(2, func() { panic(f.key) }) },
		"an array too short":  func(f *fixture) { f.ready = func() bool { return f.key[len(f.key):][0] == 'x' } },
		"a goexit-like error": func(f *fixture) { f.ready = func() bool { panic(fmt.Errorf("about %s", f.key)) } },
	}
	for name, arrange := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			arrange(f)
			for range 2 * gate.MaxLoggedPanics {
				ctx := f.ask(t, "/auth/nginx", "X-API-Key", f.key)
				want := map[string]string{"Cache-Control": "no-store", "X-Apikey-Reason": "not_ready", "Connection": "close"}
				if diff := cmp.Diff(want, headersOf(ctx)); diff != "" || ctx.Response.StatusCode() != 403 {
					t.Fatalf("status %d, headers (-want +got):\n%s", ctx.Response.StatusCode(), diff)
				}
			}
			if f.metrics.panics != 2*gate.MaxLoggedPanics {
				t.Errorf("counted %d", f.metrics.panics)
			}
			log := f.log.String()
			if lines := strings.Count(log, "\n"); lines != gate.MaxLoggedPanics || !strings.Contains(log, "authhttp") {
				t.Errorf("%d lines, want %d with a stack", lines, gate.MaxLoggedPanics)
			}
			if strings.Contains(log, f.key) {
				t.Error("the log holds the key")
			}
		})
	}
}

// onFirstOf does something at each first of so many calls.
func onFirstOf(n int, do func()) func() {
	calls := 0
	return func() {
		if calls++; calls%n == 1 {
			do()
		}
	}
}

func TestAnErrorHandlerThatPanicsRefusesToo(t *testing.T) {
	f := newFixture(t)
	calls := 0
	f.metrics.decided = func() {
		if calls++; calls == 1 {
			panic("first")
		}
	}
	ctx := newRequest(t, "/")
	f.handleError(ctx, fasthttp.ErrBodyTooLarge)
	if ctx.Response.StatusCode() != 403 || f.metrics.panics != 1 {
		t.Errorf("status %d, %d panics", ctx.Response.StatusCode(), f.metrics.panics)
	}
}

func TestAnsweringDoesNotAllocate(t *testing.T) {
	tests := map[string]struct {
		target   string
		headers  []string
		change   func(*settings)
		networks bool
	}{
		"allowed by header":        {"/auth/nginx?permission=customers:view&cache=60", []string{"X-API-Key", "KEY"}, func(*settings) {}, false},
		"allowed by authorization": {"/auth/nginx?rule=GET:read", []string{"Authorization", "Bearer KEY"}, func(*settings) {}, false},
		"allowed by query":         {"/auth/nginx", []string{"X-Original-URL", "https://a/?b=c&api_key=KEY"}, everyPlace, false},
		"allowed by cookie":        {"/auth/nginx", []string{"Cookie", "a=b; api_key=KEY"}, everyPlace, false},
		"allowed by address":       {"/auth/nginx", []string{"X-API-Key", "KEY"}, func(*settings) {}, true},
		"refused":                  {"/auth/nginx?tenant=other", []string{"X-API-Key", "KEY"}, func(*settings) {}, false},
		"without a key":            {"/auth/nginx", nil, func(*settings) {}, false},
		"an invalid requirement":   {"/auth/nginx?nonsense", []string{"X-API-Key", "KEY"}, func(*settings) {}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, tt.change)
			for i := range tt.headers {
				tt.headers[i] = strings.ReplaceAll(tt.headers[i], "KEY", f.key)
			}
			tt.headers = append(tt.headers, "X-Original-Method", "GET", "X-Request-ID", "0123456789abcdef", "Accept", "*/*",
				"X-Real-IP", "2001:db8:1234:5678:9abc:def0:1234:5678")
			if tt.networks {
				f.record.Networks = exampleNetworks
				f.set(t, f.record)
			}
			ctx := newRequest(t, tt.target, tt.headers...)
			allocs := testing.AllocsPerRun(100, func() {
				ctx.Response.Reset()
				f.handle(ctx)
			})
			if allocs != 0 {
				t.Errorf("%v allocations, want none", allocs)
			}
		})
	}
}

func BenchmarkHandle(b *testing.B) {
	f := newFixture(b)
	ctx := newRequest(b, "/auth/nginx?permission=customers:view", "X-API-Key", f.key, "X-Original-Method", "GET",
		"X-Original-URL", "https://example.test/customers/1", "X-Request-ID", "0123456789abcdef",
		"X-Real-IP", "192.0.2.1", "X-Forwarded-For", "192.0.2.1", "Accept", "*/*")
	b.ReportAllocs()
	for b.Loop() {
		ctx.Response.Reset()
		f.handle(ctx)
	}
}
