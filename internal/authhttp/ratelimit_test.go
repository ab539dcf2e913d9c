package authhttp

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/apikey-operator/apikey-operator/internal/index"
)

func TestAKeyIsRefusedBeyondItsRateLimitAndSaysWhenToComeAgain(t *testing.T) {
	for target, wantStatus := range map[string]int{"/auth/nginx?cache=60": 403, "/auth/forward": 429, "/auth/envoy/-/x": 429} {
		t.Run(target, func(t *testing.T) {
			f := newFixture(t)
			f.record.RateLimit = index.RateLimit{Requests: 2, Period: time.Minute, Burst: 2}
			f.set(t, f.record)
			type seen struct {
				Status                                                int
				Reason, Policy, State, RetryAfter, CacheControl, Name string
			}
			look := func() seen {
				ctx := f.ask(t, target, "X-API-Key", f.key)
				header := func(name string) string { return string(ctx.Response.Header.Peek(name)) }
				return seen{
					ctx.Response.StatusCode(), reasonOf(ctx), header("RateLimit-Policy"), header("RateLimit"), header("Retry-After"),
					header("Cache-Control"), header("X-Apikey-Name"),
				}
			}
			const policy = `"apikey";q=2;w=60`
			want := []seen{
				{200, "allowed", policy, `"apikey";r=1;t=30`, "", "no-store", "monitor"},
				{200, "allowed", policy, `"apikey";r=0;t=60`, "", "no-store", "monitor"},
				{wantStatus, "rate_limited", policy, `"apikey";r=0;t=30`, "30", "no-store", ""},
			}
			if diff := cmp.Diff(want, []seen{look(), look(), look()}); diff != "" {
				t.Errorf("answers (-want +got):\n%s", diff)
			}
			f.clock = f.clock.Add(30 * time.Second)
			if got := look(); got.Reason != "allowed" {
				t.Errorf("after the time that Retry-After says it is %+v", got)
			}
		})
	}
}

func TestOnlyRequestsThatWouldPassCountAgainstALimit(t *testing.T) {
	f := newFixture(t)
	f.record.RateLimit = index.RateLimit{Requests: 1, Period: time.Hour, Burst: 1}
	f.set(t, f.record)
	for range 5 {
		if got := reasonOf(f.ask(t, "/auth/nginx?permission=admin", "X-API-Key", f.key)); got != "permission_denied" {
			t.Fatalf("reason = %q", got)
		}
	}
	for _, want := range []string{"allowed", "rate_limited"} {
		if got := reasonOf(f.ask(t, "/auth/nginx", "X-API-Key", f.key)); got != want {
			t.Errorf("reason = %q, want %q", got, want)
		}
	}
}

func TestAKeyWithoutALimitIsNotCounted(t *testing.T) {
	f := newFixture(t)
	ctx := f.ask(t, "/auth/forward", "X-API-Key", f.key)
	if got := ctx.Response.Header.Peek("RateLimit"); reasonOf(ctx) != "allowed" || len(got) > 0 {
		t.Errorf("RateLimit is %q", got)
	}
}

func TestALimitThatWasRaisedOrLiftedCountsAtOnce(t *testing.T) {
	f := newFixture(t)
	f.record.RateLimit = index.RateLimit{Requests: 1, Period: time.Hour, Burst: 1}
	f.set(t, f.record)
	f.ask(t, "/auth/nginx", "X-API-Key", f.key)
	if got := reasonOf(f.ask(t, "/auth/nginx", "X-API-Key", f.key)); got != "rate_limited" {
		t.Fatalf("reason = %q", got)
	}
	f.record.RateLimit = index.RateLimit{}
	f.set(t, f.record)
	if got := reasonOf(f.ask(t, "/auth/nginx", "X-API-Key", f.key)); got != "allowed" {
		t.Errorf("reason = %q", got)
	}
}
