package permission_test

import (
	"strings"
	"testing"

	"github.com/apikey-operator/apikey-operator/internal/permission"
)

func TestCovers(t *testing.T) {
	cases := map[string]struct {
		held, asked string
		want        bool
	}{
		"itself":                                 {"read", "read", true},
		"another word does not":                  {"read", "write", false},
		"a longer word does not":                 {"read", "reading", false},
		"case matters":                           {"Read", "read", false},
		"the wildcard covers all":                {"*", "customers:view", true},
		"the wildcard covers wildcards":          {"*", "customers:*", true},
		"a wildcard covers one segment below":    {"customers:*", "customers:view", true},
		"a wildcard covers deeper ones":          {"customers:*", "customers:view:own", true},
		"a wildcard covers a mixed path below":   {"customers:*", "customers:view.own", true},
		"a wildcard covers itself":               {"customers:*", "customers:*", true},
		"a wildcard covers a narrower one":       {"customers:*", "customers:view:*", true},
		"a wildcard does not cover its parent":   {"customers:*", "customers", false},
		"a wildcard does not cover a wider one":  {"customers:view:*", "customers:*", false},
		"a wildcard does not cover everything":   {"customers:*", "*", false},
		"a wildcard stops at the segment's end":  {"customers:*", "customersx:view", false},
		"the separators differ":                  {"customers:*", "customers.view", false},
		"the separators differ, the other way":   {"customers.*", "customers:view", false},
		"a narrower one does not cover a parent": {"customers:view", "customers", false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := permission.Covers(c.held, c.asked); got != c.want {
				t.Errorf("Covers(%q, %q) = %t, want %t", c.held, c.asked, got, c.want)
			}
		})
	}
}

func TestValidity(t *testing.T) {
	cases := map[string]struct {
		permission              string
		wantValid, wantConcrete bool
	}{
		"a word":                         {"read", true, true},
		"segments":                       {"customers:view.own", true, true},
		"digits, dashes and underscores": {"a_1-b:C", true, true},
		"the wildcard":                   {"*", true, false},
		"a wildcard at the end":          {"customers:*", true, false},
		"a wildcard after a dot":         {"customers.*", true, false},
		"64 characters":                  {strings.Repeat("a", 64), true, true},
		"64 with a wildcard":             {strings.Repeat("a", 62) + ":*", true, false},
		"empty":                          {"", false, false},
		"65 characters":                  {strings.Repeat("a", 65), false, false},
		"65 with a wildcard":             {strings.Repeat("a", 63) + ":*", false, false},
		"a wildcard in the middle":       {"a:*:b", false, false},
		"a wildcard within a segment":    {"a:b*", false, false},
		"two wildcards":                  {"**", false, false},
		"a wildcard after nothing":       {":*", false, false},
		"an empty segment":               {"a::b", false, false},
		"a leading separator":            {":a", false, false},
		"a trailing separator":           {"a:", false, false},
		"a space":                        {"a b", false, false},
		"a comma":                        {"a,b", false, false},
		"a letter outside ASCII":         {"é", false, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := permission.Valid(c.permission); got != c.wantValid {
				t.Errorf("Valid(%q) = %t, want %t", c.permission, got, c.wantValid)
			}
			if got := permission.Concrete(c.permission); got != c.wantConcrete {
				t.Errorf("Concrete(%q) = %t, want %t", c.permission, got, c.wantConcrete)
			}
		})
	}
}
