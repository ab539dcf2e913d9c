package authhttp

import (
	"bytes"
	"regexp"
	"testing"
)

// FuzzTarget takes raw targets apart and holds that to a model in other words.
func FuzzTarget(f *testing.F) {
	for _, seed := range []string{
		"/auth/nginx", "/auth/nginx?permission=read", "/auth/nginx?a?b", "/auth/nginx/", "/auth/forward?rule=GET:read", "/auth/envoy/-/",
		"/auth/envoy/permission=read/../permission=x/", "/auth/envoy//", "/auth/envoy/-", "/auth/envoy/a%2Fb/c", "//auth/nginx", "*", "",
		"/auth/envoy/?/", "/auth/envoy/-?/",
	} {
		f.Add([]byte(seed))
	}
	withQuery := map[string]*regexp.Regexp{
		"nginx":   regexp.MustCompile(`(?s)^/auth/nginx(?:\?(.*))?$`),
		"forward": regexp.MustCompile(`(?s)^/auth/forward(?:\?(.*))?$`),
	}
	withSegment := regexp.MustCompile(`(?s)^/auth/envoy/([^/]+)(/.*)$`)
	f.Fuzz(func(t *testing.T, target []byte) {
		matched := 0
		for i := range dialects {
			d := &dialects[i]
			requirement, rest, ok := d.match(target)
			if ok {
				matched++
			}
			model, inPath := withQuery[d.name], false
			if model == nil {
				model, inPath = withSegment, true
			}
			parts := model.FindSubmatch(target)
			if ok != (parts != nil) {
				t.Fatalf("%s: %q matches: %v", d.name, target, ok)
			}
			if !ok {
				continue
			}
			want := parts[1]
			if inPath && string(want) == "-" {
				want = nil
			}
			if !bytes.Equal(requirement, want) || inPath && !bytes.Equal(rest, parts[2]) || !inPath && rest != nil {
				t.Fatalf("%s: %q is %q and %q", d.name, target, requirement, rest)
			}
		}
		if matched > 1 {
			t.Fatalf("%q is %d dialects'", target, matched)
		}
	})
}

// FuzzTheClientsPartOfTheTarget has a client write anything behind a requirement, as Envoy passes it on: its path, from the
// first slash. The requirement stays the route author's.
func FuzzTheClientsPartOfTheTarget(f *testing.F) {
	for _, seed := range []string{"", "../permission=x/", "/auth/envoy/permission=x/", "..%2fpermission=x", "?permission=x", "\x00", "#/permission=x/"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		for _, author := range []string{"permission=admin", "rule=GET:read&tenant=acme", "-"} {
			want := author
			if author == "-" {
				want = ""
			}
			requirement, rest, ok := envoy.match([]byte("/auth/envoy/" + author + "/" + path))
			if !ok || string(requirement) != want || string(rest) != "/"+path {
				t.Fatalf("behind %q, %q makes it %q and %q, %v", author, path, requirement, rest, ok)
			}
		}
	})
}
