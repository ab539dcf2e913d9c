package e2e

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/test/stack"
	"github.com/apikey-operator/apikey-operator/test/stack/audit"
)

func TestARouteLetsThroughOnlyWhatItDemands(t *testing.T) {
	t.Parallel()
	shared.kubectl(t, "create", "namespace", wellKnownNamespace)
	full := shared.issue(t, wellKnownNamespace, "full",
		`{tenant: acme, permissions: [read, "customers:*"], scopes: {category: [general, special]}}`)
	other := shared.issue(t, shared.namespace(t), "other", `{tenant: globex, permissions: [customers:view]}`)
	all := shared.issue(t, shared.namespace(t), "all", `{permissions: ["*"]}`)

	for name, c := range map[string]struct {
		call       call
		wantStatus int
		wantReason string
	}{
		"a permission that is held":                  {call{path: "/read/", key: full}, 200, ""},
		"a permission that is missing":               {call{path: "/read/", key: other}, 403, "permission_denied"},
		"no key where a permission is demanded":      {call{path: "/read/"}, 401, "missing_credential"},
		"two permissions, one by a wildcard":         {call{path: "/read-and-view/", key: full}, 200, ""},
		"two permissions, one missing":               {call{path: "/read-and-view/", key: other}, 403, "permission_denied"},
		"everything by the wildcard alone":           {call{path: "/admin/", key: all}, 200, ""},
		"a rule for the method, permission held":     {call{path: "/rules/", key: full}, 200, ""},
		"a rule's second method":                     {call{method: "HEAD", path: "/rules/", key: other}, 403, "permission_denied"},
		"another rule for another method":            {call{method: "POST", path: "/rules/", key: full, body: "{}"}, 200, ""},
		"a rule whose permission is missing":         {call{method: "DELETE", path: "/rules/", key: full}, 403, "permission_denied"},
		"a rule whose permission the wildcard gives": {call{method: "DELETE", path: "/rules/", key: all}, 200, ""},
		"a method that no rule names":                {call{method: "PATCH", path: "/rules/", key: all}, 403, "permission_denied"},
		"a rule for all other methods":               {call{method: "PROPFIND", path: "/rules-for-all/", key: all}, 200, ""},
		"the first rule that matches decides":        {call{path: "/rules-for-all/", key: full}, 200, ""},
		"the tenant":                                 {call{path: "/acme/", key: full}, 200, ""},
		"another tenant":                             {call{path: "/acme/", key: other}, 403, "tenant_mismatch"},
		"no tenant":                                  {call{path: "/acme/", key: all}, 403, "tenant_mismatch"},
		"a scope that includes the value":            {call{path: "/general/", key: full}, 200, ""},
		"a scope without the value":                  {call{path: "/secret-category/", key: full}, 403, "scope_mismatch"},
		"a scope that the key does not have":         {call{path: "/region/", key: full}, 403, "scope_mismatch"},
		"no scopes at all":                           {call{path: "/general/", key: all}, 403, "scope_mismatch"},
		"the namespace":                              {call{path: "/of-namespace/", key: full}, 200, ""},
		"another namespace":                          {call{path: "/of-namespace/", key: all}, 403, "namespace_mismatch"},
		"a requirement that is no requirement":       {call{path: "/mistake/", key: all}, 403, "invalid_requirement"},
		"the same without a key":                     {call{path: "/mistake/"}, 403, "invalid_requirement"},
		"demands in the client's own query":          {call{path: "/read/?permission=customers:view", key: other}, 403, "permission_denied"},
		"dot segments towards an open route":         {call{path: "/any/../read/", key: other}, 403, "permission_denied"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shared.expect(t, c.call, c.wantStatus, c.wantReason)
		})
	}
}

func TestTheKeyIsFoundWhereClientsPutIt(t *testing.T) {
	t.Parallel()
	namespace := shared.namespace(t)
	key := shared.issue(t, namespace, "client", `{}`)
	other := shared.issue(t, namespace, "other", `{suspended: true}`)

	for name, c := range map[string]struct {
		headers    http.Header
		wantStatus int
		wantReason string
	}{
		"X-API-Key":                            {http.Header{"X-API-Key": {key}}, 200, ""},
		"x-api-key":                            {http.Header{"x-api-key": {key}}, 200, ""},
		"Bearer":                               {http.Header{"Authorization": {"Bearer " + key}}, 200, ""},
		"bearer":                               {http.Header{"Authorization": {"bearer " + key}}, 200, ""},
		"ApiKey":                               {http.Header{"Authorization": {"ApiKey " + key}}, 200, ""},
		"APIKEY":                               {http.Header{"Authorization": {"APIKEY " + key}}, 200, ""},
		"the bare key":                         {http.Header{"Authorization": {key}}, 200, ""},
		"Basic is no credential":               {http.Header{"Authorization": {"Basic dXNlcjpwYXNz"}}, 401, "missing_credential"},
		"X-API-Key comes before Authorization": {http.Header{"X-API-Key": {other}, "Authorization": {"Bearer " + key}}, 401, "suspended"},
		"the same key twice":                   {http.Header{"X-API-Key": {key, key}}, 200, ""},
		"two keys":                             {http.Header{"X-API-Key": {key, other}}, 401, "malformed_credential"},
		"a name with underscores is dropped":   {http.Header{"X_API_Key": {key}}, 401, "missing_credential"},
		"the query, which is off":              {http.Header{}, 401, "missing_credential"},
		"a cookie, which is off":               {http.Header{"Cookie": {"api_key=" + key}}, 401, "missing_credential"},
		"longer than any key":                  {http.Header{"X-API-Key": {strings.Repeat("k", 513)}}, 401, "malformed_credential"},
		"bytes that are not ASCII":             {http.Header{"X-API-Key": {key + "ä"}}, 401, "malformed_credential"},
		"a cut key":                            {http.Header{"X-API-Key": {key[:len(key)-1]}}, 401, "unknown_key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shared.expect(t, call{path: "/any/?api_key=x", headers: c.headers}, c.wantStatus, c.wantReason)
		})
	}
}

func TestAVerifierFindsTheKeyInOtherPlacesWhereItIsToldTo(t *testing.T) {
	t.Parallel()
	key := shared.issue(t, shared.namespace(t), "client", `{}`)
	v := startVerifier(t, "verifier-places", "--credential-query=token", "--credential-cookie=session",
		"--credential-header=X-Partner-Key", "--credential-authorization=false", "--realm=partners")
	nginx, err := shared.StartNginx(t.Context(), stack.NginxOptions{
		Name: "nginx-places", Verifiers: []string{v.Address}, Upstream: shared.upstream.Address, Routes: routes,
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		call       call
		wantStatus int
	}{
		"the query parameter":              {call{path: "/any/?page=1&token=" + key}, 200},
		"the query parameter, encoded":     {call{path: "/any/?token=" + audit.EscapeEach(key, "%%%02x")}, 200},
		"the cookie":                       {call{path: "/any/", headers: http.Header{"Cookie": {"a=b; session=" + key}}}, 200},
		"the header":                       {call{path: "/any/", headers: http.Header{"X-Partner-Key": {key}}}, 200},
		"the header comes before the rest": {call{path: "/any/?token=" + key, headers: http.Header{"X-Partner-Key": {"ak_x"}}}, 401},
		"another parameter":                {call{path: "/any/?api_key=" + key}, 401},
		"the header that is the default":   {call{path: "/any/", key: key}, 401},
		"Authorization, which is off":      {call{path: "/any/", headers: http.Header{"Authorization": {"Bearer " + key}}}, 401},
	} {
		t.Run(name, func(t *testing.T) {
			a, err := shared.try(t.Context(), nginx, c.call)
			if err != nil {
				t.Fatal(err)
			}
			if a.Status != c.wantStatus {
				t.Errorf("status %d, want %d", a.Status, c.wantStatus)
			}
			if challenge := a.Header.Get("WWW-Authenticate"); a.Status == 401 && !strings.Contains(challenge, `realm="partners"`) {
				t.Errorf("WWW-Authenticate is %q", challenge)
			}
		})
	}
}

// TestTwoKeysInAuthorizationAreRefusedByNginxItself is told by itself since nginx asks nobody then.
func TestTwoKeysInAuthorizationAreRefusedByNginxItself(t *testing.T) {
	t.Parallel()
	key := shared.issue(t, shared.namespace(t), "client", `{}`)
	a := shared.send(t, call{path: "/any/", headers: http.Header{"Authorization": {"Bearer " + key, "Bearer other"}}})
	if a.Status != http.StatusBadRequest {
		t.Errorf("status %d, want 400", a.Status)
	}
}

func TestAProxyMayKeepAnAnswerNoLongerThanTheRouteAndTheKeySay(t *testing.T) {
	t.Parallel()
	namespace := shared.namespace(t)
	lasting := shared.issue(t, namespace, "lasting", `{permissions: [read]}`)
	expiry := time.Now().Add(45 * time.Second).Truncate(time.Second)
	ending := shared.issue(t, namespace, "ending", `{permissions: [read], expiresAt: "`+expiry.UTC().Format(time.RFC3339)+`"}`)

	for name, c := range map[string]struct {
		call             call
		wantStatus       int
		wantCacheControl string
	}{
		"a route that allows a minute":     {call{path: "/cached/", key: lasting}, 200, "max-age=60"},
		"a route that allows five minutes": {call{path: "/cached-read/", key: lasting}, 200, "max-age=300"},
		"a route that says nothing":        {call{path: "/any/", key: lasting}, 200, "no-store"},
		"a refusal":                        {call{path: "/cached/"}, 401, "no-store"},
		"an unknown key":                   {call{path: "/cached/", key: "ak_unknown"}, 401, "no-store"},
	} {
		t.Run(name, func(t *testing.T) {
			a := shared.send(t, c.call)
			if a.Status != c.wantStatus {
				t.Errorf("status %d, want %d", a.Status, c.wantStatus)
			}
			if got := shared.decision(t, a).CacheControl; got != c.wantCacheControl {
				t.Errorf("Cache-Control %q, want %q", got, c.wantCacheControl)
			}
		})
	}

	t.Run("a key that ends before", func(t *testing.T) {
		before := time.Now()
		a := shared.send(t, call{path: "/cached/", key: ending})
		got := shared.decision(t, a).CacheControl
		seconds, err := strconv.Atoi(strings.TrimPrefix(got, "max-age="))
		if err != nil {
			t.Fatalf("Cache-Control %q is no max-age", got)
		}
		if most := expiry.Sub(before); seconds < 1 || time.Duration(seconds)*time.Second > most {
			t.Errorf("max-age=%d outlives the key, which ends in %s", seconds, most)
		}
	})
}
