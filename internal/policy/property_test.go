package policy_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/apikey-operator/apikey-operator/internal/permission"
	. "github.com/apikey-operator/apikey-operator/internal/policy"
)

// The values are few, so that policies and requests have to do with one another.
var (
	somePermissions = []string{"*", "a", "a:*", "a:b", "a:b:*", "a.b", "b", "b:*"}
	someTenants     = []string{"acme", "globex"}
	someScopes      = []string{"category", "region"}
	someValues      = []string{"x", "y", "z"}
	somePeriods     = []time.Duration{time.Second, 7 * time.Second, time.Minute}
	someDurations   = []time.Duration{0, time.Second, time.Hour, day, 30 * day}
)

func drawSome[V any](t *rapid.T, from []V, most int, what string) []V {
	return rapid.SliceOfN(rapid.SampledFrom(from), 0, most).Draw(t, what)
}

func drawOne[V any](t *rapid.T, from []V, what string) V {
	return rapid.SampledFrom(from).Draw(t, what)
}

func drawBool(t *rapid.T, what string) bool { return rapid.Bool().Draw(t, what) }

func drawRate(t *rapid.T) RateLimit {
	if drawBool(t, "no rate limit") {
		return RateLimit{}
	}
	number := rapid.Int64Range(1, 20)
	return RateLimit{number.Draw(t, "requests"), drawOne(t, somePeriods, "period"), number.Draw(t, "burst")}
}

func drawScopes(t *rapid.T, names, values []string) map[string][]string {
	scopes := map[string][]string{}
	for _, name := range drawSome(t, names, 2, "scopes") {
		scopes[name] = rapid.SliceOfN(rapid.SampledFrom(values), 1, 3).Draw(t, "values")
	}
	return scopes
}

func drawRequest(t *rapid.T) Request {
	r := Request{
		Permissions: drawSome(t, somePermissions, 3, "permissions"),
		Tenant:      drawOne(t, append([]string{""}, someTenants...), "tenant"),
		Scopes:      drawScopes(t, someScopes, someValues),
		Rotation:    Rotation{drawOne(t, someDurations, "every"), drawOne(t, someDurations, "grace")},
		RateLimit:   drawRate(t),
		Format:      Format{drawOne(t, []string{"", "p_", "q_"}, "prefix"), drawOne(t, []int{0, 24, 32, 64}, "bytes")},
		Import:      rapid.IntRange(0, 4).Draw(t, "import") == 0,
	}
	if drawBool(t, "expires") {
		r.ExpiresAt = now.Add(drawOne(t, someDurations, "lifetime"))
	}
	return r
}

func drawPolicy(t *rapid.T, name string) Policy {
	p := Policy{
		Name:         name,
		Selector:     drawOne(t, []labels{{}, {}, {"team": "payments"}, {"team": "search"}}, "selector"),
		WarnOnly:     rapid.IntRange(0, 4).Draw(t, "warns") == 0,
		Permissions:  drawSome(t, somePermissions, 4, "permissions"),
		Scopes:       drawScopes(t, append([]string{Any, Any}, someScopes...), append([]string{Any, Any}, someValues...)),
		AllowImport:  drawBool(t, "imports"),
		MaxLifetime:  drawOne(t, append([]time.Duration{0, 0, 0}, someDurations...), "maxLifetime"),
		MaxRateLimit: drawRate(t),
		Format:       Format{drawOne(t, []string{"", "", "p_"}, "prefix"), drawOne(t, []int{0, 0, 32}, "bytes")},
	}
	switch rapid.IntRange(0, 3).Draw(t, "tenants") {
	case 0:
		p.Tenants = rapid.SliceOfN(rapid.SampledFrom(append([]string{Any}, someTenants...)), 1, 2).Draw(t, "tenants")
	case 1:
		p.TenantLabel = drawOne(t, []string{"example.com/tenant", "example.com/tenant", "example.com/empty", "example.com/none"}, "label")
	}
	if rapid.IntRange(0, 3).Draw(t, "rotation") == 0 {
		p.RequireRotation = &RequiredRotation{}
		if drawBool(t, "with maxEvery") {
			p.RequireRotation.MaxEvery = new(drawOne(t, someDurations[1:], "maxEvery"))
		}
		if drawBool(t, "with maxGrace") {
			p.RequireRotation.MaxGrace = new(drawOne(t, someDurations, "maxGrace"))
		}
	}
	if rapid.IntRange(0, 9).Draw(t, "unreadable") == 0 {
		unreadable(&p)
	}
	return p
}

func drawPolicies(t *rapid.T) []Policy {
	var policies []Policy
	for i := range rapid.IntRange(0, 4).Draw(t, "policies") {
		policies = append(policies, drawPolicy(t, fmt.Sprintf("policy-%d", i)))
	}
	return policies
}

func drawDefault(t *rapid.T) Default {
	return drawOne(t, []Default{DenyByDefault, AllowByDefault}, "default")
}

// admittedRequest draws a request and policies of which one admits it. Where chance has it otherwise, a policy is
// added that asks for just what is asked.
func admittedRequest(t *rapid.T) (Request, []Policy) {
	r, policies := drawRequest(t), drawPolicies(t)
	if Evaluate(r, phoenix, policies, DenyByDefault, now).Admitted {
		return r, policies
	}
	p := Policy{
		Name: "fits", Selector: everywhere, Permissions: r.Permissions, Scopes: r.Scopes, AllowImport: r.Import,
		MaxRateLimit: r.RateLimit, Format: r.Format,
	}
	if r.Tenant != "" {
		p.Tenants = []string{r.Tenant}
	}
	if !r.ExpiresAt.IsZero() {
		p.MaxLifetime = max(time.Second, r.ExpiresAt.Sub(now))
	}
	if r.Rotation.Interval > 0 && !r.Import {
		p.RequireRotation = &RequiredRotation{&r.Rotation.Interval, &r.Rotation.Grace}
	}
	return r, append(policies, p)
}

func TestTheOrderOfPoliciesDoesNotMatter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r, policies, byDefault := drawRequest(t), drawPolicies(t), drawDefault(t)
		shuffled := rapid.Permutation(policies).Draw(t, "order")
		want, got := Evaluate(r, phoenix, policies, byDefault, now), Evaluate(r, phoenix, shuffled, byDefault, now)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("in another order the verdict is another (-want +got):\n%s", diff)
		}
	})
}

func TestAPolicyAdmitsJustWhatItAdmitsAlone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r, policies := drawRequest(t), drawPolicies(t)
		v := Evaluate(r, phoenix, policies, DenyByDefault, now)
		var admitting, warning []string
		for _, p := range policies {
			admits := p.Admits(r, phoenix, now)
			switch {
			case !p.Selects(phoenix.Labels):
			case p.WarnOnly && !admits:
				warning = append(warning, p.Name)
			case !p.WarnOnly && admits:
				admitting = append(admitting, p.Name)
			}
			alone := Evaluate(r, phoenix, []Policy{p}, DenyByDefault, now)
			if want := admits && p.Selects(phoenix.Labels) && !p.WarnOnly; alone.Admitted != want {
				t.Fatalf("%s alone admits: %t, want %t", p.Name, alone.Admitted, want)
			}
		}
		if v.Admitted != (len(admitting) > 0) || v.Admitted && v.Policy != slices.Min(admitting) {
			t.Fatalf("admitted: %t by %s, and those that admit are %v", v.Admitted, v.Policy, admitting)
		}
		var warned []string
		for _, w := range v.Warnings {
			warned = append(warned, w.Policy)
		}
		if !slices.Equal(warned, warning) {
			t.Fatalf("the warnings are of %v, want %v", warned, warning)
		}
	})
}

func TestAVerdictSaysWhyOrThatItIsAdmitted(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v := Evaluate(drawRequest(t), phoenix, drawPolicies(t), drawDefault(t), now)
		if v.Admitted != (len(v.Refusal.Reasons) == 0) || v.Admitted && (v.Refusal.Policy != "" || !v.Later.IsZero()) {
			t.Fatalf("admitted: %t, with the refusal %+v, maybe later at %v", v.Admitted, v.Refusal, v.Later)
		}
		for _, reason := range v.Refusal.Reasons {
			if reason.Code == "" || reason.Text == "" {
				t.Fatalf("a reason says nothing: %+v", reason)
			}
		}
	})
}

func TestAFurtherPermissionOfAPolicyTakesNothingAway(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r, policies := admittedRequest(t)
		i := rapid.IntRange(0, len(policies)-1).Draw(t, "widened")
		policies[i].Permissions = append(slices.Clone(policies[i].Permissions), drawOne(t, somePermissions, "further"))
		if v := Evaluate(r, phoenix, policies, DenyByDefault, now); !v.Admitted {
			t.Fatalf("what was admitted is not any more: %s", v.Refusal)
		}
	})
}

func TestAFurtherPolicyTakesNothingAwayThatPolicyGave(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r, policies := admittedRequest(t)
		policies = append(policies, drawPolicy(t, "further"))
		if v := Evaluate(r, phoenix, policies, DenyByDefault, now); !v.Admitted {
			t.Fatalf("what was admitted is not any more: %s", v.Refusal)
		}
	})
}

// narrowings ask for less, each in one way. A tenant and a scope that a policy names must be given, so leaving
// them out is none.
var narrowings = map[string]func(*rapid.T, *Request){
	"without a permission": func(t *rapid.T, r *Request) {
		if n := len(r.Permissions); n > 0 {
			i := rapid.IntRange(0, n-1).Draw(t, "permission")
			r.Permissions = slices.Delete(slices.Clone(r.Permissions), i, i+1)
		}
	},
	"with a narrower permission": func(_ *rapid.T, r *Request) {
		r.Permissions = slices.Clone(r.Permissions)
		for i, p := range r.Permissions {
			switch {
			case p == permission.Wildcard:
				r.Permissions[i] = "c:*"
			case strings.HasSuffix(p, permission.Wildcard):
				r.Permissions[i] = strings.TrimSuffix(p, permission.Wildcard) + "c"
			}
		}
	},
	"without a value of a scope": func(_ *rapid.T, r *Request) {
		r.Scopes = maps.Clone(r.Scopes)
		for name, values := range r.Scopes {
			r.Scopes[name] = values[:1]
		}
	},
	"with an earlier expiry": func(t *rapid.T, r *Request) {
		if !r.ExpiresAt.IsZero() {
			r.ExpiresAt = r.ExpiresAt.Add(-drawOne(t, someDurations, "earlier"))
		}
	},
	"with an expiry by now": func(_ *rapid.T, r *Request) { r.ExpiresAt = now },
	"rotated more often":    func(_ *rapid.T, r *Request) { r.Rotation.Interval = min(r.Rotation.Interval, time.Second) },
	"without grace":         func(_ *rapid.T, r *Request) { r.Rotation.Grace = 0 },
	"with a lower rate": func(_ *rapid.T, r *Request) {
		if r.RateLimit != (RateLimit{}) {
			r.RateLimit = RateLimit{1, time.Minute, 1}
		}
	},
	"with a longer key":    func(_ *rapid.T, r *Request) { r.Format.Bytes = max(r.Format.Bytes, 64) },
	"without a format":     func(_ *rapid.T, r *Request) { r.Format = Format{} },
	"generated, not taken": func(_ *rapid.T, r *Request) { r.Import = false },
}

func TestWhoAsksForLessIsAdmittedAsWell(t *testing.T) {
	t.Parallel()
	for name, narrow := range narrowings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				r, policies := admittedRequest(t)
				narrow(t, &r)
				if v := Evaluate(r, phoenix, policies, DenyByDefault, now); !v.Admitted {
					t.Fatalf("the narrower request is refused: %s", v.Refusal)
				}
			})
		})
	}
}

func TestTimeOnlyAdmitsAndOnlyWhenItWasForetold(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r, policies, byDefault := drawRequest(t), drawPolicies(t), drawDefault(t)
		at := now
		before := Evaluate(r, phoenix, policies, byDefault, at)
		for range 6 {
			next := at.Add(time.Duration(rapid.Int64Range(1, int64(40*day)).Draw(t, "goes by")))
			if !before.Later.IsZero() && drawBool(t, "to the time foretold") {
				next = before.Later.Add(-time.Duration(rapid.IntRange(0, 1).Draw(t, "less")))
				next = slices.MaxFunc([]time.Time{next, at}, time.Time.Compare)
			}
			after := Evaluate(r, phoenix, policies, byDefault, next)
			if before.Admitted && !after.Admitted {
				t.Fatalf("time took away what was admitted: %s", after.Refusal)
			}
			foretold := !before.Later.IsZero() && !next.Before(before.Later)
			if after.Admitted != before.Admitted && !foretold {
				t.Fatalf("admitted from %v on, and at %v it was foretold for %v", next, at, before.Later)
			}
			at, before = next, after
		}
	})
}

// The sets of permissions that two may stand for are compared as such: all that there are of three segments. The
// segment c stands in no permission, so nothing but a wildcard covers it.
func TestOnePermissionIsAllowedJustWhereAllThatItStandsForIs(t *testing.T) {
	t.Parallel()
	var concrete []string
	for _, first := range []string{"a", "b", "c"} {
		concrete = append(concrete, first)
		for _, separator := range []string{":", "."} {
			for _, second := range []string{"a", "b", "c"} {
				concrete = append(concrete, first+separator+second, first+separator+second+":b", first+separator+second+":c", first+separator+second+".c")
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		p := Policy{Permissions: drawSome(t, somePermissions, 3, "held")}
		asked := drawOne(t, somePermissions, "asked")
		want := !slices.ContainsFunc(concrete, func(c string) bool {
			byPolicy := slices.ContainsFunc(p.Permissions, func(held string) bool { return permission.Covers(held, c) })
			return permission.Covers(asked, c) && !byPolicy
		})
		if got := p.Admits(Request{Permissions: []string{asked}}, phoenix, now); got != want {
			t.Fatalf("%q is allowed by %q: %t, want %t", asked, p.Permissions, got, want)
		}
	})
}

// What a limit lets through at most in a time is what may come at once and what follows until then.
func TestOneRateLimitIsAllowedJustWhereItNeverLetsThroughMore(t *testing.T) {
	t.Parallel()
	// In units of 1/420 of a request, of which 1, 7 and 60 s hold whole numbers for each second.
	through := func(l RateLimit, seconds int64) int64 {
		return 420*l.Burst + seconds*l.Requests*420/int64(l.Period/time.Second)
	}
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.Int64Range(1, 20)
		draw := func() RateLimit {
			return RateLimit{number.Draw(t, "requests"), drawOne(t, somePeriods, "period"), number.Draw(t, "burst")}
		}
		most, asked := draw(), draw()
		want := true
		for _, seconds := range []int64{0, 1, 60, 1_000_000} {
			want = want && through(asked, seconds) <= through(most, seconds)
		}
		p := Policy{MaxRateLimit: most}
		if got := p.Admits(Request{RateLimit: asked}, phoenix, now); got != want {
			t.Fatalf("%s is allowed by at most %s: %t, want %t", asked, most, got, want)
		}
	})
}
