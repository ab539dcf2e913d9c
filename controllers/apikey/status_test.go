package apikey

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

func TestAWithdrawnGrantKeepsUntilWhenTheKeyWouldHaveWorked(t *testing.T) {
	soon := time.Date(2027, 1, 10, 12, 0, 0, 0, time.UTC)
	never, later := time.Time{}, soon.Add(time.Hour)
	granted := func(until time.Time) *v1alpha1.Grant {
		return &v1alpha1.Grant{Permissions: []v1alpha1.Permission{"read"}, ExpiresAt: toTime(until)}
	}
	until := func(t time.Time) *v1alpha1.Grant { return &v1alpha1.Grant{ExpiresAt: toTime(t)} }
	issued := lifecycle.Plan{Credentials: []lifecycle.Credential{{State: lifecycle.Current, Hash: "a"}}}
	expired := lifecycle.Plan{Expired: true}
	cases := map[string]struct {
		was  *v1alpha1.Grant
		asks time.Time
		plan lifecycle.Plan
		want *v1alpha1.Grant
	}{
		"it had no end":                                   {granted(never), never, issued, nil},
		"it had an end":                                   {granted(soon), soon, issued, until(soon)},
		"the end that is asked for is later":              {granted(soon), later, issued, until(soon)},
		"no end is asked for any more":                    {granted(soon), never, issued, until(soon)},
		"the end that is asked for is sooner":             {granted(later), soon, issued, until(soon)},
		"an end is asked for where there was none":        {granted(never), soon, issued, until(soon)},
		"it was withdrawn before":                         {until(soon), later, issued, until(soon)},
		"it was withdrawn before without an end":          {nil, soon, issued, until(soon)},
		"there never was one, and nothing was issued":     {nil, soon, lifecycle.Plan{}, nil},
		"the key expired":                                 {granted(later), soon, expired, until(soon)},
		"the key expired, and there never was one":        {nil, soon, expired, until(soon)},
		"the key expired, with another end than was kept": {until(soon), later, expired, until(later)},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			key := &v1alpha1.ApiKey{}
			key.Spec.ExpiresAt, key.Status.Grant = toTime(c.asks), c.was
			c.plan.Denied = lifecycle.DeniedByPolicy
			if diff := cmp.Diff(c.want, grantOf(view{key: key}, c.plan)); diff != "" {
				t.Errorf("grant (-want +got):\n%s", diff)
			}
		})
	}
}

// TestWhatIsGrantedWhileItCannotBeToldWhetherTheKeyExpired keeps the end on record, without which it never could be told.
func TestWhatIsGrantedWhileItCannotBeToldWhetherTheKeyExpired(t *testing.T) {
	was := time.Date(2027, 1, 10, 12, 0, 0, 0, time.UTC)
	granted := func(until time.Time) *v1alpha1.Grant {
		return &v1alpha1.Grant{Permissions: []v1alpha1.Permission{"read"}, ExpiresAt: toTime(until)}
	}
	cases := map[string]struct{ was, want *v1alpha1.Grant }{
		"after a grant":           {granted(was), granted(was)},
		"after one without end":   {granted(time.Time{}), granted(time.Time{})},
		"after one was withdrawn": {&v1alpha1.Grant{ExpiresAt: toTime(was)}, granted(was)},
		"after none":              {nil, granted(time.Time{})},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			key := &v1alpha1.ApiKey{}
			key.Spec.Permissions, key.Spec.ExpiresAt = []v1alpha1.Permission{"read"}, toTime(was.Add(time.Hour))
			key.Status.Grant = c.was
			if diff := cmp.Diff(c.want, grantOf(view{key: key}, lifecycle.Plan{Undecided: true})); diff != "" {
				t.Errorf("grant (-want +got):\n%s", diff)
			}
		})
	}
}
