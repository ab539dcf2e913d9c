package authn

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var allowUnexported = cmp.AllowUnexported(Requirement{}, rule{}, scopeValue{})

func TestParseRequirementReads(t *testing.T) {
	tests := map[string]struct {
		query string
		want  Requirement
	}{
		"nothing demanded": {"", Requirement{}},
		"several permissions": {
			"permission=customers:view&permission=orders.read",
			Requirement{permissions: []string{"customers:view", "orders.read"}, demanded: "customers:view orders.read"},
		},
		"a rule splits at its first colon": {
			"rule=GET,HEAD:customers:view:own",
			Requirement{rules: []rule{{[]string{"GET", "HEAD"}, "customers:view:own", "customers:view:own"}}},
		},
		"rules add to permissions whatever the order": {
			"rule=PATCH:edit&permission=read&rule=*:view",
			Requirement{
				permissions: []string{"read"},
				rules:       []rule{{[]string{"PATCH"}, "edit", "read edit"}, {nil, "view", "read view"}},
				demanded:    "read",
			},
		},
		"methods that are not letters alone": {
			"rule=M-SEARCH,X_1:read",
			Requirement{rules: []rule{{[]string{"M-SEARCH", "X_1"}, "read", "read"}}},
		},
		"everything else": {
			"tenant=acme&scope.category=general&scope.category=b/c@d&scope.a.b-c_d=1&namespace=phoenix&cache=300",
			Requirement{
				tenant: "acme", namespace: "phoenix", cacheSeconds: 300,
				scopes: []scopeValue{{"category", "general"}, {"category", "b/c@d"}, {"a.b-c_d", "1"}},
			},
		},
		"percent-encoding in names and values": {
			"permi%73sion=customers%3aview&scope%2ecategory=a%2Fb",
			Requirement{
				permissions: []string{"customers:view"}, demanded: "customers:view",
				scopes: []scopeValue{{"category", "a/b"}},
			},
		},
		"the shortest cache": {"cache=1", Requirement{cacheSeconds: 1}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := ParseRequirement(tt.query)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&tt.want, got, allowUnexported); diff != "" {
				t.Errorf("requirement (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseRequirementRefuses(t *testing.T) {
	tests := map[string]struct{ query, wantErr string }{
		"an unknown name":                     {"permissions=read", "parameter 1 of the requirement: its name is not one of"},
		"a name in capitals":                  {"Permission=read", "its name"},
		"no name":                             {"=read", "its name"},
		"a parameter that is nothing":         {"permission=read&", "parameter 2"},
		"a key where a name should be":        {"ak_000000000000", "its name"},
		"an empty permission":                 {"permission=", "permission: use segments"},
		"a permission without a value":        {"permission", "permission: use segments"},
		"a wildcard":                          {"permission=*", "without a wildcard"},
		"a wildcard as the last segment":      {"permission=customers:*", "without a wildcard"},
		"a permission with an empty segment":  {"permission=a::b", "use segments"},
		"a permission that ends in a colon":   {"permission=a:", "use segments"},
		"a permission with a space":           {"permission=a+b", "use segments"},
		"two permissions in one":              {"permission=a,b", "use segments"},
		"a permission of 65 characters":       {"permission=" + strings.Repeat("a", 65), "at most 64"},
		"a rule without a colon":              {"rule=GET", "METHODS:PERMISSION"},
		"an empty rule":                       {"rule=", "METHODS:PERMISSION"},
		"a rule without methods":              {"rule=:read", "methods in capitals"},
		"a rule without a permission":         {"rule=GET:", "use segments"},
		"a rule with a wildcard":              {"rule=GET:*", "without a wildcard"},
		"a rule with a method in lower case":  {"rule=get:read", "methods in capitals"},
		"a rule with an empty method":         {"rule=GET,,HEAD:read", "methods in capitals"},
		"a rule for all methods and one more": {"rule=*,GET:read", "methods in capitals"},
		"a rule after one for all methods":    {"rule=*:read&rule=DELETE:admin", "never applies"},
		"a second rule for all methods":       {"rule=*:read&rule=*:admin", "never applies"},
		"a second rule for a method":          {"rule=DELETE:read&rule=DELETE:admin", "never applies"},
		"a rule whose methods are all taken":  {"rule=GET:read&rule=PUT,DELETE:write&rule=GET,DELETE:admin", "never applies"},
		"a rule with a space":                 {"rule=GET, HEAD:read", "methods in capitals"},
		"an empty tenant":                     {"tenant=", "tenant: no key can have"},
		"a tenant that no key can have":       {"tenant=-acme", "no key can have"},
		"a tenant twice":                      {"tenant=acme&tenant=acme", "parameter 2 of the requirement: tenant: it is given twice"},
		"an empty namespace":                  {"namespace=", "no key can have"},
		"a namespace in capitals":             {"namespace=Phoenix", "no key can have"},
		"a namespace twice":                   {"namespace=a&namespace=b", "it is given twice"},
		"a scope without a name":              {"scope.=general", "its name"},
		"a scope without a dot":               {"scope=general", "its name"},
		"a scope in capitals":                 {"scope.Category=general", "its name"},
		"a scope without a value":             {"scope.category=", "no key can have"},
		"a scope with two values in one":      {"scope.category=a|b", "no key can have"},
		"a cache of nothing":                  {"cache=", "from 1 to 300"},
		"a cache of no seconds":               {"cache=0", "from 1 to 300"},
		"a cache of too many seconds":         {"cache=301", "from 1 to 300"},
		"a negative cache":                    {"cache=-1", "from 1 to 300"},
		"a cache with a sign":                 {"cache=%2B5", "from 1 to 300"},
		"a cache with a leading zero":         {"cache=05", "from 1 to 300"},
		"a cache with a unit":                 {"cache=5s", "from 1 to 300"},
		"a cache beyond all numbers":          {"cache=99999999999999999999", "from 1 to 300"},
		"a cache twice":                       {"cache=5&cache=5", "it is given twice"},
		"a value that is encoded wrongly":     {"tenant=%zz", "its value is encoded wrongly"},
		"a value that ends within a byte":     {"tenant=acme%2", "its value is encoded wrongly"},
		"a name that is encoded wrongly":      {"ten%ant=acme", "its name is encoded wrongly"},
		"a zero byte":                         {"tenant=acme%00", "no key can have"},
		"a line break behind":                 {"tenant=acme%0a", "no key can have"},
		"a semicolon between parameters":      {"tenant=acme;cache=5", "no key can have"},
		"a fragment":                          {"tenant=acme#x", "no key can have"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := ParseRequirement(tt.query)
			if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
				t.Errorf("err = %v, want one that contains %q", err, tt.wantErr)
			}
			if got != nil {
				t.Errorf("requirement %+v along with an error", got)
			}
		})
	}
}

func TestTheErrorOfARequirementDoesNotRepeatAKeyInTheWrongPlace(t *testing.T) {
	const key = "ak_YHJSKWDa6oz1al1yMhwzwM8llg7hJNUca2J5RoW8xP10TptXr"
	for _, query := range []string{
		key, key + "=1", "api_key=" + key, "permission=*" + key, "tenant=-" + key, "rule=" + key, "rule=" + key + ":read",
		"scope." + key + "=x", "scope.a=-" + key, "namespace=" + key, "cache=" + key, "a%=" + key, "tenant=%" + key,
	} {
		_, err := ParseRequirement(query)
		if err == nil {
			t.Errorf("%q was accepted", query)
		} else if strings.Contains(err.Error(), key[3:]) {
			t.Errorf("%q: %v", query, err)
		}
	}
}

func FuzzParseRequirement(f *testing.F) {
	for _, query := range []string{
		"", "permission=read", "rule=GET,HEAD:customers:view&rule=*:admin", "tenant=acme&namespace=phoenix&cache=30",
		"scope.category=general", "permission=%72ead", "permission=%", "&", "==&=", "cache=1&cache=1", "rule=:",
	} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		r, err := ParseRequirement(query)
		if (r == nil) == (err == nil) {
			t.Fatalf("requirement %v with error %v", r, err)
		}
		if err != nil {
			return
		}
		if strings.ContainsAny(r.demanded, "*\"\r\n\\") || r.cacheSeconds < 0 || r.cacheSeconds > 300 {
			t.Fatalf("%q gives %+v", query, r)
		}
		again, err := ParseRequirement(query)
		if err != nil || !cmp.Equal(r, again, allowUnexported) {
			t.Fatalf("%q gives %+v, then %+v and %v", query, r, again, err)
		}
	})
}
