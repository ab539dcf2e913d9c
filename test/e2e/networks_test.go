package e2e

import (
	"net/http"
	"slices"
	"testing"
)

// Every client of these tests comes from 127.0.0.1.

func TestAKeyIsRefusedFromOutsideItsNetworks(t *testing.T) {
	t.Parallel()
	namespace := shared.namespace(t)
	issued := shared.issueAll(t, namespace, map[string]string{
		"here":           `{allowedCIDRs: [127.0.0.0/8]}`,
		"here-among-all": `{allowedCIDRs: [192.0.2.0/24, "2001:db8::/32", 127.0.0.1/32]}`,
		"elsewhere":      `{allowedCIDRs: [192.0.2.0/24], permissions: [read]}`,
		"all-of-ipv6":    `{allowedCIDRs: ["::/0"]}`,
	})
	shared.expect(t, call{path: "/any/", key: issued["here"]}, http.StatusOK, "")
	shared.expect(t, call{path: "/any/", key: issued["here-among-all"]}, http.StatusOK, "")
	shared.expect(t, call{path: "/any/", key: issued["elsewhere"]}, http.StatusForbidden, "address_not_allowed")
	shared.expect(t, call{path: "/any/", key: issued["all-of-ipv6"]}, http.StatusForbidden, "address_not_allowed")
	// From elsewhere, nobody learns what the key may do.
	shared.expect(t, call{path: "/admin/", key: issued["elsewhere"]}, http.StatusForbidden, "address_not_allowed")
	shared.expect(t, call{path: "/admin/", key: issued["here"]}, http.StatusForbidden, "permission_denied")
}

func TestAClientCannotSayWhereItComesFrom(t *testing.T) {
	t.Parallel()
	namespace := shared.namespace(t)
	issued := shared.issueAll(t, namespace, map[string]string{
		"here":      `{allowedCIDRs: [127.0.0.0/8]}`,
		"elsewhere": `{allowedCIDRs: [192.0.2.0/24]}`,
	})
	claims := func() http.Header {
		inside := []string{"192.0.2.1"}
		return http.Header{
			"X-Real-IP": inside, "X-Forwarded-For": inside, "Forwarded": {"for=192.0.2.1"}, "X-Client-IP": inside,
			"X-Original-Forwarded-For": inside, "True-Client-IP": inside, "CF-Connecting-IP": inside, "X-Cluster-Client-IP": inside,
		}
	}
	for disguise, dress := range disguises {
		t.Run(disguise, func(t *testing.T) {
			t.Parallel()
			shared.expect(t, call{path: "/any/", key: issued["elsewhere"], headers: dress(claims())}, http.StatusForbidden, "address_not_allowed")
			a := shared.expect(t, call{path: "/any/", key: issued["here"], headers: dress(claims())}, http.StatusOK, "")
			if a.Echo != nil && !slices.Equal(a.Echo.Headers.Values("X-Real-Ip"), []string{"127.0.0.1"}) {
				t.Errorf("X-Real-IP at the upstream is %q", a.Echo.Headers.Values("X-Real-Ip"))
			}
		})
	}
}

func TestAnswersToKeysWithNetworksOrALimitAreNotKept(t *testing.T) {
	t.Parallel()
	namespace := shared.namespace(t)
	issued := shared.issueAll(t, namespace, map[string]string{
		"plain":   `{}`,
		"here":    `{allowedCIDRs: [127.0.0.0/8]}`,
		"limited": `{rateLimit: {requests: 1000, period: 1s}}`,
	})
	for name, want := range map[string]string{"plain": "max-age=60", "here": "no-store", "limited": "no-store"} {
		a := shared.expect(t, call{path: "/cached/", key: issued[name]}, http.StatusOK, "")
		if got := shared.decision(t, a).CacheControl; got != want {
			t.Errorf("%s: Cache-Control is %q, want %q", name, got, want)
		}
	}
}

func TestChangedNetworksTakeEffectThroughNginx(t *testing.T) {
	t.Parallel()
	namespace := shared.namespace(t)
	key := shared.issue(t, namespace, "moving", `{}`)
	request := call{path: "/any/", key: key}
	shared.expect(t, request, http.StatusOK, "")
	shared.patch(t, namespace, "moving", `{"allowedCIDRs":["192.0.2.0/24"]}`)
	shared.awaitStatus(t, request, http.StatusForbidden)
	shared.expect(t, request, http.StatusForbidden, "address_not_allowed")
	shared.patch(t, namespace, "moving", `{"allowedCIDRs":["127.0.0.0/8"]}`) // which the manager grants
	shared.awaitStatus(t, request, http.StatusOK)
}
