package authhttp

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/apikey-operator/apikey-operator/internal/authn"
	"github.com/apikey-operator/apikey-operator/internal/gate"
)

func TestForwardBelievesTheHeadersThatItsProxiesOverwriteAlone(t *testing.T) {
	const rules = "/auth/forward?rule=GET:read&rule=DELETE:admin"
	tests := map[string]struct {
		target  string
		headers []string
		want    string
	}{
		"the original method":             {rules, []string{"X-Forwarded-Method", "GET"}, "allowed"},
		"another method":                  {rules, []string{"X-Forwarded-Method", "DELETE"}, "permission_denied"},
		"twice, different":                {rules, []string{"X-Forwarded-Method", "GET", "X-Forwarded-Method", "DELETE"}, "permission_denied"},
		"not told":                        {rules, nil, "permission_denied"},
		"a header of nginx":               {rules, []string{"X-Original-Method", "GET"}, "permission_denied"},
		"and it does not count besides":   {rules, []string{"X-Forwarded-Method", "DELETE", "X-Original-Method", "GET"}, "permission_denied"},
		"an override does not count":      {rules, []string{"X-Forwarded-Method", "DELETE", "X-Http-Method-Override", "GET"}, "permission_denied"},
		"with nothing demanded":           {"/auth/forward", nil, "allowed"},
		"a requirement that is not met":   {"/auth/forward?tenant=other", nil, "tenant_mismatch"},
		"a requirement in the client's":   {"/auth/forward?tenant=other", []string{"X-Forwarded-Uri", "/?tenant=acme"}, "tenant_mismatch"},
		"a path that is longer":           {"/auth/forward/", nil, "invalid_requirement"},
		"dot segments before it":          {"/x/../auth/forward", nil, "invalid_requirement"},
		"the requirement as a segment":    {"/auth/forward/permission=read/", nil, "invalid_requirement"},
		"a nonsensical requirement":       {"/auth/forward?permision=read", nil, "invalid_requirement"},
		"the absolute form of the target": {"http://verifier/auth/forward", nil, "invalid_requirement"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			ctx := f.ask(t, tt.target, append(tt.headers, "X-API-Key", f.key)...)
			if got := reasonOf(ctx); got != tt.want {
				t.Errorf("reason = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestForwardFindsTheKeyInTheQueryThatTheProxyTells(t *testing.T) {
	tests := map[string]struct {
		headers []string
		want    string
	}{
		"the query":               {[]string{"X-Forwarded-Uri", "/x?api_key=KEY"}, "allowed"},
		"nginx's header":          {[]string{"X-Original-Url", "/x?api_key=KEY"}, "missing_credential"},
		"twice, different":        {[]string{"X-Forwarded-Uri", "/x?api_key=KEY", "X-Forwarded-Uri", "/x"}, "missing_credential"},
		"the query of the target": {nil, "missing_credential"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, everyPlace)
			for i := range tt.headers {
				tt.headers[i] = replaceKey(tt.headers[i], f.key)
			}
			if got := reasonOf(f.ask(t, "/auth/forward", tt.headers...)); got != tt.want {
				t.Errorf("reason = %q, want %q", got, tt.want)
			}
		})
	}
}

// TestTheClientsAddressBehindProxies is about /auth/forward and /auth/envoy/ alike: what stands left of the address that the
// last trusted proxy saw is the client's word.
func TestTheClientsAddressBehindProxies(t *testing.T) {
	const inside, outside = "203.0.113.7", "198.51.100.1"
	trust := func(s *settings) { s.TrustedProxies = []string{"10.0.0.0/8"} }
	tests := map[string]struct {
		change  func(*settings)
		headers []string
		want    string
	}{
		"inside":                             {nil, []string{"X-Forwarded-For", inside}, "allowed"},
		"outside":                            {nil, []string{"X-Forwarded-For", outside}, "address_not_allowed"},
		"made up, left of the client's":      {nil, []string{"X-Forwarded-For", inside + ", " + outside}, "address_not_allowed"},
		"made up, in a line before":          {nil, []string{"X-Forwarded-For", inside, "X-Forwarded-For", outside}, "address_not_allowed"},
		"nobody tells":                       {nil, nil, "address_not_allowed"},
		"nginx's header":                     {nil, []string{"X-Real-IP", inside}, "address_not_allowed"},
		"behind a proxy that is not trusted": {nil, []string{"X-Forwarded-For", inside + ", 10.0.0.1"}, "address_not_allowed"},
		"behind one that is":                 {trust, []string{"X-Forwarded-For", inside + ", 10.0.0.1"}, "allowed"},
		"made up, behind one that is":        {trust, []string{"X-Forwarded-For", inside + ", " + outside + ", 10.0.0.1"}, "address_not_allowed"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for _, target := range []string{"/auth/forward?cache=60", "/auth/envoy/cache=60/x"} {
				var changes []func(*settings)
				if tt.change != nil {
					changes = append(changes, tt.change)
				}
				f := newFixture(t, changes...)
				f.record.Networks = exampleNetworks
				f.set(t, f.record)
				ctx := f.ask(t, target, append(tt.headers, "X-API-Key", f.key)...)
				if got := reasonOf(ctx); got != tt.want {
					t.Errorf("%s: reason = %q, want %q", target, got, tt.want)
				}
				if got := string(ctx.Response.Header.Peek("Cache-Control")); got != "no-store" {
					t.Errorf("%s: Cache-Control is %q: another client could be given the answer", target, got)
				}
			}
		})
	}
}

// TestRefusalsSayWhyInABody is about /auth/forward and /auth/envoy/, whose proxies hand it on (RFC 9457).
func TestRefusalsSayWhyInABody(t *testing.T) {
	tests := map[string]struct {
		requirement string
		arrange     func(*fixture)
		withoutKey  bool
		wantStatus  int
		wantReason  string
	}{
		"no key":            {withoutKey: true, wantStatus: 401, wantReason: "missing_credential"},
		"revoked":           {arrange: func(f *fixture) { f.record.Revoked = true }, wantStatus: 401, wantReason: "revoked"},
		"a permission":      {requirement: "permission=admin", wantStatus: 403, wantReason: "permission_denied"},
		"a nonsense":        {requirement: "nonsense", wantStatus: 403, wantReason: "invalid_requirement"},
		"not ready":         {arrange: func(f *fixture) { f.isReady = false }, wantStatus: 503, wantReason: "not_ready"},
		"another namespace": {requirement: "namespace=other", wantStatus: 403, wantReason: "namespace_mismatch"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			segment := tt.requirement
			if segment == "" {
				segment = "-"
			}
			for dialect, target := range map[string]string{
				"forward": "/auth/forward?" + tt.requirement, "envoy": "/auth/envoy/" + segment + "/original",
			} {
				f := newFixture(t)
				if tt.arrange != nil {
					tt.arrange(f)
					f.set(t, f.record)
				}
				var headers []string
				if !tt.withoutKey {
					headers = []string{"X-API-Key", f.key}
				}
				ctx := f.ask(t, target, headers...)
				if got := ctx.Response.StatusCode(); got != tt.wantStatus {
					t.Errorf("%s: status %d, want %d", dialect, got, tt.wantStatus)
				}
				if got := string(ctx.Response.Header.ContentType()); got != "application/problem+json" {
					t.Errorf("%s: Content-Type is %q", dialect, got)
				}
				var problem struct {
					Type, Title, Detail, Reason string
					Status                      int
				}
				if err := json.Unmarshal(ctx.Response.Body(), &problem); err != nil {
					t.Fatalf("%s: %v", dialect, err)
				}
				if problem.Reason != tt.wantReason || problem.Status != tt.wantStatus || problem.Title == "" || problem.Detail == "" ||
					problem.Type != "https://github.com/apikey-operator/apikey-operator/blob/main/docs/verifier.md#"+tt.wantReason {
					t.Errorf("%s: the body says %+v", dialect, problem)
				}
				if got := reasonOf(ctx); got != tt.wantReason {
					t.Errorf("%s: X-Apikey-Reason is %q", dialect, got)
				}
				if diff := cmp.Diff(map[string]int{dialect + "/" + tt.wantReason: 1}, f.metrics.counts()); diff != "" {
					t.Errorf("%s: counted (-want +got):\n%s", dialect, diff)
				}
			}
		})
	}
}

func TestEveryReasonHasABodyOfItsOwn(t *testing.T) {
	seen := map[string]bool{}
	for r := range authn.ReasonCount {
		reason := authn.Reason(r)
		body := string(gate.Problem(reason))
		if (body == "") != (reason == authn.Allowed) || seen[body] {
			t.Errorf("%v: %q", reason, body)
		}
		seen[body] = true
	}
}

func TestSuccessHasNoBodyInAnyDialect(t *testing.T) {
	for _, target := range []string{"/auth/nginx", "/auth/forward", "/auth/envoy/-/"} {
		f := newFixture(t)
		ctx := f.ask(t, target, "X-API-Key", f.key)
		if ctx.Response.StatusCode() != 200 || len(ctx.Response.Body()) != 0 || ctx.Response.Header.ContentLength() != 0 {
			t.Errorf("%s: %d, body %q, Content-Length %d", target, ctx.Response.StatusCode(), ctx.Response.Body(), ctx.Response.Header.ContentLength())
		}
		if got := string(ctx.Response.Header.Peek("X-Apikey-Tenant")); got != "acme" {
			t.Errorf("%s: X-Apikey-Tenant is %q", target, got)
		}
	}
}
