package policy_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	. "github.com/apikey-operator/apikey-operator/internal/policy"
)

// now is when all requests are judged, where a test does not say otherwise.
var now = time.Date(2027, 1, 10, 12, 0, 0, 0, time.UTC)

// labels select the namespaces that have all of them.
type labels map[string]string

func (l labels) Selects(of map[string]string) bool {
	for name, value := range l {
		if got, ok := of[name]; !ok || got != value {
			return false
		}
	}
	return true
}

// phoenix is the namespace of all requests.
var phoenix = Namespace{Name: "phoenix", Labels: map[string]string{"team": "payments", "example.com/tenant": "acme", "example.com/empty": ""}}

var everywhere = labels{}

// named is a policy that selects all namespaces, changed.
func named(name string, changes ...func(*Policy)) Policy {
	p := Policy{Name: name, Selector: everywhere}
	for _, change := range changes {
		change(&p)
	}
	return p
}

func permissions(of ...string) func(*Policy) { return func(p *Policy) { p.Permissions = of } }

func selecting(l labels) func(*Policy) { return func(p *Policy) { p.Selector = l } }

func warnOnly(p *Policy) { p.WarnOnly = true }

func unreadable(p *Policy) { *p = Policy{Name: p.Name, Unreadable: "it does not decode"} }

func evaluate(r Request, policies ...Policy) Verdict {
	return Evaluate(r, phoenix, policies, DenyByDefault, now)
}

// codes are those of a finding, in its order.
func codes(f Finding) []Code {
	var all []Code
	for _, r := range f.Reasons {
		all = append(all, r.Code)
	}
	return all
}

// policyCase is one policy and one request.
type policyCase struct {
	policy Policy // its name and selector may be left out
	asked  Request
	want   []Code // why it is refused; none where it is admitted
}

// check judges each request by its policy alone.
func check(t *testing.T, cases map[string]policyCase) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		c := cases[name]
		t.Run(name, func(t *testing.T) {
			c.policy.Name, c.policy.Selector = "probe", everywhere
			v := evaluate(c.asked, c.policy)
			if got := codes(v.Refusal); !slices.Equal(got, c.want) {
				t.Errorf("refused for %v, want %v; in words: %s", got, c.want, v.Refusal)
			}
			wantPolicy := "probe"
			if len(c.want) > 0 {
				wantPolicy = ""
			}
			if admitted := len(c.want) == 0; v.Admitted != admitted || v.Policy != wantPolicy {
				t.Errorf("admitted: %t by %q, want %t by %q", v.Admitted, v.Policy, admitted, wantPolicy)
			}
		})
	}
}
