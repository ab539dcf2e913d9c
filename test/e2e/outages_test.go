package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/test/stack"
)

// outage is a stack with two managers and two verifiers that reach the API server through a relay, so that
// they find it again after it was stopped and started.
type outage struct {
	*environment

	relay     *relay
	namespace string
}

// TestKeysAreServedAndIssuedWhateverEnds kills and stops parts of one stack, one after the other.
func TestKeysAreServedAndIssuedWhateverEnds(t *testing.T) {
	t.Parallel()
	o := startOutage(t)
	o.namespace = o.environment.namespace(t)
	key := o.issue(t, o.namespace, "steady", `{}`)
	revokedWhileAway := o.issue(t, o.namespace, "doomed", `{}`)
	distant := o.issue(t, o.namespace, "distant", `{allowedCIDRs: [192.0.2.0/24]}`)
	roaming := o.issue(t, o.namespace, "roaming", `{allowedCIDRs: [127.0.0.0/8, 192.0.2.0/24]}`)

	// Each of these needs the one before it.
	t.Run("the leader is killed while it issues a key", func(t *testing.T) { o.leaderIsKilled(t, key) })
	t.Run("the API server stops", func(t *testing.T) { o.apiServerStops(t, key) })
	t.Run("a verifier starts without the API server", func(t *testing.T) { o.verifierStartsAlone(t, key) })
	t.Run("the API server comes back", func(t *testing.T) { o.apiServerReturns(t, key, revokedWhileAway) })
	t.Run("networks change while no manager runs", func(t *testing.T) { o.networksChange(t, roaming, distant) })
	t.Run("a manager starts", func(t *testing.T) { o.managerStarts(t) })
	t.Run("a verifier is killed", func(t *testing.T) { o.verifierIsKilled(t, key) })
}

func startOutage(t *testing.T) *outage {
	t.Helper()
	o := &outage{}
	o.environment = ownEnvironment(t, func(ctx context.Context, e *environment) error {
		config, err := e.AdminConfig()
		if err != nil {
			return err
		}
		o.relay = newRelay(t, hostOf(t, config))
		through := "https://" + o.relay.Address
		config.Host = through
		if err := e.connect(ctx, config); err != nil {
			return err
		}
		for _, n := range []string{"1", "2"} {
			err := errors.Join(
				e.addManager(ctx, stack.Options{Name: "manager-" + n, Server: through, Args: []string{"--publish-delay=10s"}}), // long enough to kill it within
				e.addVerifier(ctx, stack.Options{Name: "verifier-" + n, Server: through}))
			if err != nil {
				return err
			}
		}
		e.nginx, err = e.StartNginx(ctx, stack.NginxOptions{
			Verifiers: addressesOf(e.verifiers), Upstream: e.upstream.Address, Routes: routes,
		})
		return err
	})
	return o
}

// hostOf is the host:port of the API server.
func hostOf(t *testing.T, config *rest.Config) string {
	t.Helper()
	server, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	return server.Host
}

// leaderIsKilled kills the leader between recording a hash and publishing the key, so that the plaintext is
// lost, and expects the other manager to take over and issue anew. Meanwhile both verifiers serve.
func (o *outage) leaderIsKilled(t *testing.T, key string) {
	leader, other := o.leader(t)
	l := o.startLoad(t, o.nginx, key, 1)
	o.apply(t, o.namespace, "interrupted", `{}`)
	hash := o.awaitPending(t, "interrupted")
	killed := time.Now()
	if err := leader.Kill(); err != nil {
		t.Fatal(err)
	}
	o.apply(t, o.namespace, "after", `{}`)
	for _, name := range []string{"interrupted", "after"} {
		o.waitReady(t, o.namespace, name)
		o.awaitEverywhere(t, "", o.key(t, o.namespace, name), http.StatusOK)
	}
	t.Logf("the other manager had issued both keys %.1f s after the leader was killed", time.Since(killed).Seconds())
	l.end(t)
	if now, _ := o.leader(t); now != other {
		t.Errorf("%s leads, want %s", now.Name, other.Name)
	}
	for _, c := range o.credentials(t, "interrupted") {
		if c["hash"] == hash && c["state"] == string(v1alpha1.CredentialCurrent) {
			t.Error("the credential whose key was lost with the leader is the current one")
		}
	}
}

// leader waits until one of the managers that run leads, and returns it and one that does not.
func (o *outage) leader(t *testing.T) (leader, other *stack.Manager) {
	t.Helper()
	await(t, "a manager that leads", func(ctx context.Context) error {
		leader, other = nil, nil
		for _, m := range o.managers {
			leads, err := m.Leads(ctx)
			switch {
			case leads:
				leader = m
			case err == nil:
				other = m
			}
		}
		if leader == nil {
			return errors.New("none says so in its metrics")
		}
		return nil
	})
	return leader, other
}

// awaitPending waits until the hash of a first credential is recorded, and returns it.
func (o *outage) awaitPending(t *testing.T, name string) (hash any) {
	t.Helper()
	await(t, "a pending credential of "+name, func(context.Context) error {
		credentials := o.credentials(t, name)
		if len(credentials) == 0 {
			return errors.New("there is none")
		}
		hash = credentials[0]["hash"]
		if state := credentials[0]["state"]; state != string(v1alpha1.CredentialPending) {
			return fmt.Errorf("it is %v already", state)
		}
		return nil
	})
	return hash
}

func (o *outage) credentials(t *testing.T, name string) []map[string]any {
	t.Helper()
	list, _, err := unstructured.NestedSlice(o.get(t, o.namespace, name).Object, "status", "credentials")
	if err != nil {
		t.Fatal(err)
	}
	var credentials []map[string]any
	for _, item := range list {
		c, ok := item.(map[string]any)
		if !ok {
			t.Fatalf("a credential is a %T", item)
		}
		credentials = append(credentials, c)
	}
	return credentials
}

// apiServerStops stops the managers too: nothing but the verifiers is left.
func (o *outage) apiServerStops(t *testing.T, key string) {
	for _, m := range o.managers {
		if err := m.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	o.managers = nil
	l := o.startLoad(t, o.nginx, key, 1)
	if err := o.StopControlPlane(); err != nil {
		t.Fatal(err)
	}
	l.awaitMore(t, 500)
	l.end(t)
	o.awaitEverywhere(t, "", key, http.StatusOK)
	o.awaitEverywhere(t, "", "ak_unknown", http.StatusUnauthorized)
	for _, v := range o.verifiers {
		if err := v.Ready(t.Context()); err != nil {
			t.Errorf("%s is no longer ready: %v", v.Name, err)
		}
	}
}

func (o *outage) verifierStartsAlone(t *testing.T, key string) {
	// The token was made before, as the kubelet's copy of one is there without the API server.
	v, err := o.LaunchVerifier(t.Context(), verifierOptions(stack.Options{Name: "verifier-late", TokenOf: o.verifiers[0].Name}))
	if err != nil {
		t.Fatal(err)
	}
	o.verifiers = append(o.verifiers, v)
	for range 20 {
		if v.Ready(t.Context()) == nil {
			t.Fatal("a verifier that has seen no ApiKey says that it is ready")
		}
		if got := askVerifier(t, v, "", key); got.StatusCode != http.StatusForbidden || got.Header.Get("X-Apikey-Reason") != "not_ready" {
			t.Fatalf("a verifier that has seen no ApiKey answers %d, %q", got.StatusCode, got.Header.Get("X-Apikey-Reason"))
		}
	}
}

// apiServerReturns starts the API server on another port.
func (o *outage) apiServerReturns(t *testing.T, key, doomed string) {
	if err := o.StartControlPlane(t.Context()); err != nil {
		t.Fatal(err)
	}
	config, err := o.AdminConfig()
	if err != nil {
		t.Fatal(err)
	}
	o.relay.PointAt(hostOf(t, config))
	returned := time.Now()
	late := o.verifiers[2]
	await(t, "the verifier that started without the API server to be ready", late.Ready)
	t.Logf("a verifier that had started without the API server was ready after %.1f s", time.Since(returned).Seconds())

	if err := o.AwaitWritable(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.patch(t, o.namespace, "doomed", `{"revoked":true}`)
	o.awaitEverywhere(t, "", doomed, http.StatusUnauthorized)
	t.Logf("a revocation was in force in all verifiers %.1f s after the API server came back", time.Since(returned).Seconds())
	o.awaitEverywhere(t, "", key, http.StatusOK)
}

// networksChange narrows from where one key may be used, which is in force at once, and widens it for another, which is
// not, as nobody grants it.
func (o *outage) networksChange(t *testing.T, roaming, distant string) {
	here, there := call{path: "/any/", key: roaming}, call{path: "/any/", key: distant}
	o.expect(t, here, http.StatusOK, "")
	o.expect(t, there, http.StatusForbidden, "address_not_allowed")
	o.patch(t, o.namespace, "distant", `{"allowedCIDRs":["127.0.0.0/8"]}`)
	o.patch(t, o.namespace, "roaming", `{"allowedCIDRs":["192.0.2.0/24"]}`)
	took := o.awaitStatus(t, here, http.StatusForbidden)
	t.Logf("narrowed networks were in force through nginx after %d ms, without a manager", took.Milliseconds())
	o.expect(t, here, http.StatusForbidden, "address_not_allowed")
	o.expect(t, there, http.StatusForbidden, "address_not_allowed") // its change was heard of before the other
	o.patch(t, o.namespace, "roaming", `{"allowedCIDRs":["127.0.0.1/32"]}`)
	o.awaitStatus(t, here, http.StatusOK)
}

// managerStarts starts one anew, as a Deployment would.
func (o *outage) managerStarts(t *testing.T) {
	if err := o.addManager(t.Context(), stack.Options{Name: "manager-3", Server: "https://" + o.relay.Address}); err != nil {
		t.Fatal(err)
	}
	fresh := o.issue(t, o.namespace, "fresh", `{}`)
	o.awaitEverywhere(t, "", fresh, http.StatusOK)
}

func (o *outage) verifierIsKilled(t *testing.T, key string) {
	l := o.startLoad(t, o.nginx, key, 1)
	if err := o.verifiers[0].Kill(); err != nil {
		t.Fatal(err)
	}
	l.awaitMore(t, 100) // nginx asks the other one
	l.end(t)
}
