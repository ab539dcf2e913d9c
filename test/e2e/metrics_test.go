package e2e

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

// scrape returns every series of a process by its name and labels, as they are written.
func scrape(t *testing.T, address string) map[string]float64 {
	t.Helper()
	series, err := stack.Scrape(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	return series
}

func TestAVerifierCountsItsDecisionsByDialectAndReason(t *testing.T) {
	t.Parallel()
	key := shared.issue(t, shared.namespace(t), "counted", `{}`)
	v := startVerifier(t, "verifier-counting")
	nginx, err := shared.StartNginx(t.Context(), stack.NginxOptions{
		Name: "nginx-counting", Verifiers: []string{v.Address}, Upstream: shared.upstream.Address, Routes: routes,
	})
	if err != nil {
		t.Fatal(err)
	}
	const decisions = "apikey_operator_verifier_decisions_total"
	const allowed = decisions + `{dialect="nginx",reason="allowed"}`
	before := scrape(t, v.Metrics)
	if _, there := before[allowed]; !there {
		t.Errorf("%s is not there before the first decision, so its first increase would not show", allowed)
	}
	for _, c := range []call{
		{path: "/any/", key: key}, {path: "/any/", key: key}, {path: "/cached/", key: key},
		{path: "/any/"}, {path: "/read/"},
		{path: "/admin/", key: key},
		{path: "/any/", key: "ak_unknown"},
		{path: "/mistake/", key: key},
	} {
		if _, err := shared.try(t.Context(), nginx, c); err != nil {
			t.Fatal(err)
		}
	}
	after := scrape(t, v.Metrics)

	got := map[string]float64{}
	for name, value := range after {
		if increase := value - before[name]; strings.HasPrefix(name, decisions) && increase != 0 {
			got[name] = increase
		}
	}
	want := map[string]float64{
		allowed: 3,
		decisions + `{dialect="nginx",reason="missing_credential"}`:  2,
		decisions + `{dialect="nginx",reason="permission_denied"}`:   1,
		decisions + `{dialect="nginx",reason="unknown_key"}`:         1,
		decisions + `{dialect="nginx",reason="invalid_requirement"}`: 1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("increases (-want +got):\n%s", diff)
	}
	const duration = "apikey_operator_verifier_decision_duration_seconds_count"
	if increase := after[duration] - before[duration]; increase != 8 {
		t.Errorf("%s rose by %g, want 8", duration, increase)
	}
}

func TestAVerifierTellsTheSizeOfItsIndexAndWhenItLastHeardFromTheAPIServer(t *testing.T) {
	t.Parallel()
	before := time.Now()
	shared.issue(t, shared.namespace(t), "indexed", `{}`)
	for _, v := range shared.verifiers {
		metrics := scrape(t, v.Metrics)
		for _, name := range []string{"index_credentials", "index_apikeys", "index_bytes"} {
			if metrics["apikey_operator_verifier_"+name] < 1 {
				t.Errorf("%s: %s is %g", v.Name, name, metrics["apikey_operator_verifier_"+name])
			}
		}
		last := metrics["apikey_operator_verifier_last_event_timestamp_seconds"]
		if last < float64(before.Unix()) || last > float64(time.Now().Unix()+1) {
			t.Errorf("%s: the last event was at %f, and an ApiKey was issued after %d", v.Name, last, before.Unix())
		}
	}
}

func TestTheManagerCountsItsKeysAndWhyTheyWereIssued(t *testing.T) {
	t.Parallel()
	namespace := shared.namespace(t)
	before := scrape(t, shared.managers[0].Metrics)
	old := shared.issue(t, namespace, "counted", `{}`)
	shared.kubectl(t, "delete", "secret", "counted", "--namespace", namespace)
	fresh := shared.awaitKey(t, namespace, "counted", old)
	shared.waitReady(t, namespace, "counted")
	shared.expect(t, call{path: "/any/", key: fresh}, http.StatusOK, "")
	after := scrape(t, shared.managers[0].Metrics)
	for name, least := range map[string]float64{
		`apikey_operator_credentials_published_total{cause="Issued"}`:     1,
		`apikey_operator_credentials_published_total{cause="SecretLost"}`: 1,
	} {
		// Other tests issue keys as well.
		if increase := after[name] - before[name]; increase < least {
			t.Errorf("%s rose by %g, want at least %g", name, increase, least)
		}
	}
	if got := after[`apikey_operator_apikeys{state="Active"}`]; got < 1 {
		t.Errorf("%g ApiKeys are active", got)
	}
}
