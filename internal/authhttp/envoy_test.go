package authhttp

import "testing"

// TestWhatAClientWritesBehindTheRequirementDoesNotReplaceIt is the one thing that the path prefix must withstand: the route's
// author wrote /auth/envoy/permission=admin, and the client everything behind it.
func TestWhatAClientWritesBehindTheRequirementDoesNotReplaceIt(t *testing.T) {
	for _, path := range []string{
		"/", "//", "/x", "/../permission=read/", "/../../envoy/permission=read/x", "/..%2fpermission=read/", "/%2e%2e/permission=read/",
		"/..;/permission=read/", `/..\permission=read/`, "/./../permission=read/", "/?permission=read", "/x?permission=read&permission=admin",
		"/auth/envoy/permission=read/", "/#/permission=read", "/%00/permission=read", "//auth/nginx?permission=read",
		"/../../nginx", "/../../../auth/nginx?permission=read", "/x/../../permission=read/y", "/*", "/http://verifier/auth/envoy/permission=read/",
	} {
		f := newFixture(t)
		if got := reasonOf(f.ask(t, "/auth/envoy/permission=admin"+path, "X-API-Key", f.key)); got != "permission_denied" {
			t.Errorf("%q: reason = %q", path, got)
		}
		if got := reasonOf(f.ask(t, "/auth/envoy/permission=read"+path, "X-API-Key", f.key)); got != "allowed" {
			t.Errorf("%q is not passed where it may: reason = %q", path, got)
		}
	}
}

func TestTheRequirementIsOneRawSegment(t *testing.T) {
	tests := map[string]struct{ target, want string }{
		"none":                             {"/auth/envoy/-/x", "allowed"},
		"one":                              {"/auth/envoy/permission=read/x", "allowed"},
		"several":                          {"/auth/envoy/permission=read&tenant=acme&cache=5/x", "allowed"},
		"one that is not met":              {"/auth/envoy/permission=read&tenant=other/x", "tenant_mismatch"},
		"encoded":                          {"/auth/envoy/scope.category=gener%61l/x", "allowed"},
		"an encoded slash is no end":       {"/auth/envoy/scope.category=a%2Fb/x", "scope_mismatch"},
		"an encoded slash, decoded too":    {"/auth/envoy/permission=read%2F..%2F-/x", "invalid_requirement"},
		"without a path behind":            {"/auth/envoy/permission=read", "invalid_requirement"},
		"with a query in place of a path":  {"/auth/envoy/permission=read?x=/", "invalid_requirement"},
		"an empty segment":                 {"/auth/envoy//x", "invalid_requirement"},
		"nothing":                          {"/auth/envoy/", "invalid_requirement"},
		"not even a slash":                 {"/auth/envoy", "invalid_requirement"},
		"two dashes":                       {"/auth/envoy/--/x", "invalid_requirement"},
		"a wildcard":                       {"/auth/envoy/permission=*/x", "invalid_requirement"},
		"dot segments in front":            {"/auth/../auth/envoy/-/x", "invalid_requirement"},
		"a query that looks like a demand": {"/auth/envoy/-/x?tenant=other", "allowed"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			if got := reasonOf(f.ask(t, tt.target, "X-API-Key", f.key)); got != tt.want {
				t.Errorf("reason = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestEnvoysMethodIsTheRequestsOwn(t *testing.T) {
	for method, want := range map[string]string{"GET": "allowed", "DELETE": "permission_denied", "PROPFIND": "permission_denied"} {
		f := newFixture(t)
		ctx := newRequest(t, "/auth/envoy/rule=GET:read&rule=DELETE:admin/x", "X-API-Key", f.key,
			"X-Forwarded-Method", "GET", "X-Original-Method", "GET", "X-Http-Method-Override", "GET")
		ctx.Request.Header.SetMethod(method)
		f.handle(ctx)
		if got := reasonOf(ctx); got != want {
			t.Errorf("%s: reason = %q, want %q", method, got, want)
		}
	}
}

func TestEnvoysQueryMayHoldTheKeyWhereThatIsSwitchedOn(t *testing.T) {
	for target, want := range map[string]string{
		"/auth/envoy/-/x?api_key=KEY":               "allowed",
		"/auth/envoy/permission=read/x?api_key=KEY": "allowed",
		"/auth/envoy/-/x":                           "missing_credential",
		"/auth/envoy/-/api_key=KEY":                 "missing_credential",
	} {
		f := newFixture(t, everyPlace)
		if got := reasonOf(f.ask(t, replaceKey(target, f.key))); got != want {
			t.Errorf("%s: reason = %q, want %q", target, got, want)
		}
	}
}
