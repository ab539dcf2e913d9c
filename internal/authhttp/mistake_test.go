package authhttp

import (
	"strings"
	"testing"
)

func TestAProxyOnThePathOfAnotherKindIsToldOfOnce(t *testing.T) {
	tests := map[string]struct {
		target   string
		headers  []string
		wantLine bool
	}{
		"Traefik on nginx's path":             {"/auth/nginx", []string{"X-Forwarded-Method", "GET"}, true},
		"nginx on Traefik's path":             {"/auth/forward", []string{"X-Original-Method", "GET"}, true},
		"nginx, whose client sends Traefik's": {"/auth/nginx", []string{"X-Original-Method", "GET", "X-Forwarded-Method", "GET"}, false},
		"Traefik, whose client sends nginx's": {"/auth/forward", []string{"X-Forwarded-Method", "GET", "X-Original-Method", "GET"}, false},
		"Envoy, whose client sends both":      {"/auth/envoy/-/", []string{"X-Forwarded-Method", "GET", "X-Original-Method", "GET"}, false},
		"nobody who tells a method":           {"/auth/nginx", nil, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			for range 3 {
				if got := reasonOf(f.ask(t, tt.target, append(tt.headers, "X-API-Key", f.key)...)); got != "allowed" {
					t.Errorf("reason = %q: what looks wrong decides nothing", got)
				}
			}
			lines := strings.Count(f.log.String(), "another kind of proxy")
			if want := map[bool]int{true: 1, false: 0}[tt.wantLine]; lines != want {
				t.Errorf("%d lines, want %d:\n%s", lines, want, f.log)
			}
		})
	}
}
