package e2e

import (
	"context"
	"fmt"
	"net/http"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

// spend asks a verifier so many times in turn with others, and gives the statuses.
func spend(t *testing.T, key string, times int, verifiers ...*stack.Verifier) (statuses []int) {
	t.Helper()
	for i := range times {
		answer := askForward(t, verifiers[i%len(verifiers)], key)
		statuses = append(statuses, answer.StatusCode)
		if limited := answer.StatusCode == http.StatusTooManyRequests; limited != (answer.Header.Get("Retry-After") != "") {
			t.Errorf("%d with Retry-After %q", answer.StatusCode, answer.Header.Get("Retry-After"))
		}
		if answer.Header.Get("RateLimit") == "" || answer.Header.Get("RateLimit-Policy") == "" {
			t.Errorf("the answer does not tell of the limit: %v", answer.Header)
		}
	}
	return statuses
}

// askForward asks a verifier itself, as Traefik would for a GET.
func askForward(t *testing.T, v *stack.Verifier, key string) *http.Response {
	t.Helper()
	return rawRequest(t, v.Address, "GET /auth/forward HTTP/1.1\r\nHost: verifier\r\nX-Forwarded-Method: GET\r\n"+
		"X-Forwarded-Uri: /\r\nX-Forwarded-For: 127.0.0.1\r\nX-API-Key: "+key+"\r\nConnection: close\r\n\r\n")
}

func TestEachVerifierCountsRequestsForItself(t *testing.T) {
	t.Parallel()
	key := shared.issue(t, shared.namespace(t), "limited", `{rateLimit: {requests: 1, period: 24h, burst: 2}}`)
	for _, v := range shared.verifiers {
		if diff := cmp.Diff([]int{200, 200, 429, 429}, spend(t, key, 4, v)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", v.Name, diff)
		}
	}
}

// TestVerifiersShareOneCountInRedisAndGoOnWithoutIt kills a real redis-server and brings it back.
func TestVerifiersShareOneCountInRedisAndGoOnWithoutIt(t *testing.T) {
	t.Parallel()
	issued := shared.issueAll(t, shared.namespace(t), map[string]string{
		"limited": `{rateLimit: {requests: 1, period: 24h, burst: 3}}`,
		"later":   `{rateLimit: {requests: 1, period: 24h, burst: 3}}`,
		"free":    `{}`,
	})
	redis, err := stack.NewRedis(t.Context(), tools.Redis, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = redis.Stop(patience) })
	var verifiers []*stack.Verifier
	for i := range 2 {
		verifiers = append(verifiers, startVerifier(t, fmt.Sprintf("counting-%d", i), "--rate-limit-store=redis",
			"--redis-address="+redis.Address, "--redis-timeout=1s"))
	}
	if diff := cmp.Diff([]int{200, 200, 200, 429, 429}, spend(t, issued["limited"], 5, verifiers...)); diff != "" {
		t.Errorf("two verifiers together (-want +got):\n%s", diff)
	}

	if err := redis.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-redis.Exited()
	for _, v := range verifiers {
		if diff := cmp.Diff([]int{200, 200, 200, 429}, spend(t, issued["limited"], 4, v)); diff != "" {
			t.Errorf("%s without Redis (-want +got):\n%s", v.Name, diff)
		}
		if got := askForward(t, v, issued["free"]).StatusCode; got != http.StatusOK {
			t.Errorf("%s answers a key without a limit with %d", v.Name, got)
		}
	}

	if err := redis.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, v := range verifiers {
		before := counted(t, v)
		await(t, v.Name+" to count in Redis again", func(context.Context) error {
			askForward(t, v, issued["limited"])
			if counted(t, v) == before {
				return fmt.Errorf("it still counts for itself")
			}
			return nil
		})
	}
	if diff := cmp.Diff([]int{200, 200, 200, 429}, spend(t, issued["later"], 4, verifiers...)); diff != "" {
		t.Errorf("two verifiers together, with Redis back (-want +got):\n%s", diff)
	}
}

// counted is how many requests of a verifier Redis has counted.
func counted(t *testing.T, v *stack.Verifier) float64 {
	t.Helper()
	metrics, err := stack.Scrape(t.Context(), v.Metrics)
	if err != nil {
		t.Fatal(err)
	}
	return metrics[`apikey_operator_verifier_rate_limit_answers_total{by="shared"}`]
}
