package policy

import (
	"context"
	"errors"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

// staffed is a cluster in which payments has four ApiKeys that ask for something, and search one.
func staffed(t *testing.T) *cluster {
	c := newCluster(t)
	c.namespaces["payments"] = map[string]string{"team": "payments"}
	c.namespaces["search"] = map[string]string{"team": "search"}
	c.namespaces["empty"] = map[string]string{"team": "payments"}
	c.key("payments", "reader", `{permissions: [read]}`)
	c.key("payments", "writer", `{permissions: [read, write]}`)
	c.key("payments", "day", `{permissions: [read], expiresAt: "2027-01-11T12:00:00Z"}`)
	c.key("payments", "week", `{permissions: [read], expiresAt: "2027-01-17T12:00:00Z"}`)
	c.key("payments", "revoked", `{permissions: [read], revoked: true}`)
	c.key("payments", "odd", `{permissions: 1}`)
	c.key("payments", "going", `{permissions: [read]}`).SetDeletionTimestamp(&metav1.Time{Time: now})
	c.key("search", "reader", `{permissions: [read]}`)
	return c
}

func TestAPolicyCountsWhatItSelectsAndAdmits(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		spec                       string
		wantSelected, wantAdmitted int64
		wantLater                  time.Time
	}{
		"all of one team": {spec: `{namespaceSelector: {matchLabels: {team: payments}}, permissions: ["*"]}`, wantSelected: 4, wantAdmitted: 4},
		"all":             {spec: `{namespaceSelector: {}, permissions: [read]}`, wantSelected: 5, wantAdmitted: 4},
		"none":            {spec: `{namespaceSelector: {matchLabels: {team: nobody}}, permissions: ["*"]}`},
		"one that warns":  {spec: `{namespaceSelector: {}, permissions: [read], enforcement: Warn}`, wantSelected: 5, wantAdmitted: 4},
		"by a lifetime, and who is admitted next": {
			`{namespaceSelector: {}, permissions: [read], maxLifetime: 12h}`, 5, 0, now.Add(12 * time.Hour),
		},
		"one that warns of lifetimes, and who is admitted next": {
			`{namespaceSelector: {}, permissions: [read], maxLifetime: 12h, enforcement: Warn}`, 5, 0, now.Add(12 * time.Hour),
		},
		"one that cannot select": {spec: `{namespaceSelector: {matchExpressions: [{key: a, operator: In}]}, permissions: ["*"]}`, wantSelected: 5},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := staffed(t)
			got, err := NewBook(c, policy.DenyByDefault).accountFor(t.Context(), policyOf(c.typed("probe", tc.spec)), now)
			if err != nil || got.selected != tc.wantSelected || got.admitted != tc.wantAdmitted || !got.later.Equal(tc.wantLater) {
				t.Errorf("the account is %+v and the error %v, want %d selected, %d admitted, maybe another at %v",
					got, err, tc.wantSelected, tc.wantAdmitted, tc.wantLater)
			}
		})
	}
}

func TestLossesAreTheApiKeysThatAChangeTakesTheGrantFrom(t *testing.T) {
	t.Parallel()
	const (
		payments = `namespaceSelector: {matchLabels: {team: payments}}`
		standing = `{` + payments + `, permissions: [read]}` // admits three
	)
	cases := map[string]struct {
		before, after string // of the policy that is changed; empty for none
		others        map[string]string
		byDefault     policy.Default
		want          int
	}{
		"nothing, where nothing changes":         {before: standing, after: standing},
		"nothing, where there is no policy":      {},
		"nothing, where it is widened":           {before: standing, after: `{` + payments + `, permissions: [read, write]}`},
		"those whose permission goes":            {before: standing, after: `{` + payments + `, permissions: [write]}`, want: 3},
		"those whose lifetime gets too long":     {before: standing, after: `{` + payments + `, permissions: [read], maxLifetime: 48h}`, want: 2},
		"those of a policy that goes":            {before: standing, want: 3},
		"those of a policy that only warns now":  {before: standing, after: `{` + payments + `, permissions: [read], enforcement: Warn}`, want: 3},
		"those of a namespace it leaves":         {before: `{namespaceSelector: {}, permissions: [read]}`, after: standing, want: 1},
		"all, where it cannot be read any more":  {before: `{namespaceSelector: {}, permissions: [read]}`, after: `{namespaceSelector: {matchExpressions: [{key: a, operator: In}]}}`, want: 4},
		"nothing by a policy that only warns":    {before: `{` + payments + `, permissions: [read], enforcement: Warn}`},
		"nothing by a new one where none admits": {after: `{namespaceSelector: {}}`},
		"nothing that another policy grants":     {before: standing, others: map[string]string{"other": `{namespaceSelector: {}, permissions: ["*"]}`}},
		"nothing that another policy refuses":    {before: standing, others: map[string]string{"other": `{namespaceSelector: {}}`}, want: 3},
		"what the default grants until it is made": {
			after: `{` + payments + `, permissions: [read]}`, byDefault: policy.AllowByDefault, want: 1,
		},
		"nothing, where the default grants instead": {before: standing, byDefault: policy.AllowByDefault},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, told := range []string{"before", "after"} { // what the caches may say of the policy itself
				c := staffed(t)
				for name, spec := range tc.others {
					c.policy(name, spec)
				}
				var before, after *v1alpha1.ApiKeyPolicy
				if tc.before != "" {
					before = c.typed("probe", tc.before)
				}
				if tc.after != "" {
					after = c.typed("probe", tc.after)
				}
				if spec := map[string]string{"before": tc.before, "after": tc.after}[told]; spec != "" {
					c.policy("probe", spec)
				}
				got, err := NewBook(c, tc.byDefault).Losses(t.Context(), before, after, now)
				if err != nil || got != tc.want {
					t.Errorf("with the policy as it is %s: %d lose their grant and the error is %v, want %d", told, got, err, tc.want)
				}
			}
		})
	}
}

func TestCountingEndsWhenNobodyWaitsForIt(t *testing.T) {
	t.Parallel()
	c := staffed(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := NewBook(c, policy.DenyByDefault).Losses(ctx, c.typed("probe", `{namespaceSelector: {}}`), nil, now)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v, want that nobody waits", err)
	}
}
