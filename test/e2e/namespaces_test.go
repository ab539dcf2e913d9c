package e2e

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/test/stack"
	"github.com/apikey-operator/apikey-operator/test/stack/recorder"
)

// The namespaces of a stack that has rights in the first two alone.
const teamA, teamB, outside = "team-a", "team-b", "outside"

// withoutSecrets is a namespace in which a manager may see ApiKeys and no Secrets.
const withoutSecrets = "without-secrets"

// confined is an environment whose manager and verifier have no right in the whole cluster, and are watched.
type confined struct {
	*environment

	asked *recorder.Recorder
}

// newConfined starts a control plane with the definitions and Roles alone, and on it a manager and a verifier.
func newConfined(t *testing.T) *confined {
	t.Helper()
	s, err := stack.New(tools)
	if err != nil {
		t.Fatal(err)
	}
	e := &confined{environment: &environment{Stack: s}}
	t.Cleanup(func() {
		if e.witness != nil {
			if err := e.audit(context.Background(), t.Output()); err != nil {
				t.Error(err)
			}
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		if e.asked != nil {
			_ = e.asked.Close() // the last, since a manager without its lease ends by itself
		}
	})
	if err := e.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return e
}

func (e *confined) start(ctx context.Context) error {
	if err := e.StartControlPlane(ctx); err != nil {
		return err
	}
	if err := e.InstallWithRolesOnly(ctx, teamA, teamB); err != nil {
		return err
	}
	if _, err := e.Kubectl(ctx, "create", "namespace", outside); err != nil {
		return err
	}
	config, err := e.AdminConfig()
	if err != nil {
		return err
	}
	if err := e.connect(ctx, config); err != nil {
		return err
	}
	if e.asked, err = recorder.Start(ctx, e.Stack); err != nil {
		return err
	}
	const watch = "--watch-namespaces=" + teamA + "," + teamB
	return errors.Join(
		e.addManager(ctx, stack.Options{Server: e.asked.URL, Args: []string{watch, "--default-policy=allow", "--webhook-bind-address=0"}}),
		e.addVerifier(ctx, stack.Options{Server: e.asked.URL, Args: []string{watch}}))
}

// TestRolesAloneAreEnoughForTheNamespacesThatAreWatched needs no right in the whole cluster, and asks for none.
func TestRolesAloneAreEnoughForTheNamespacesThatAreWatched(t *testing.T) {
	t.Parallel()
	e := newConfined(t)
	e.apply(t, outside, "k", `{}`)
	for _, namespace := range []string{teamA, teamB} {
		t.Run(namespace, func(t *testing.T) { e.expectWholeLife(t, namespace) })
	}
	t.Run("what asks for more than the default allows is refused", func(t *testing.T) {
		e.apply(t, teamA, "all", `{permissions: ["*"]}`)
		e.apply(t, teamA, "imported", `{source: {hash: {sha256: "`+strings.Repeat("ab", 32)+`"}}}`)
		e.awaitState(t, teamA, "all", v1alpha1.StateDenied)
		e.awaitState(t, teamA, "imported", v1alpha1.StateDenied)
	})
	t.Run("events are written", func(t *testing.T) {
		await(t, "an event", func(ctx context.Context) error {
			printed, err := e.Kubectl(ctx, "get", "events.events.k8s.io", "--namespace", teamB, "-o", "jsonpath={.items[*].reason}")
			if err == nil && !strings.Contains(printed, string(v1alpha1.CauseSecretLost)) {
				err = fmt.Errorf("there are %q", printed)
			}
			return err
		})
	})
	e.expectUntouched(t, outside, "k")
	e.expectNothingForbidden(t)
	t.Run("a namespace without a Role keeps others from being ready, and is named", e.expectUnready)
}

// expectUnready starts a manager and a verifier that are to look after a namespace in which they have no right.
func (e *confined) expectUnready(t *testing.T) {
	const watch = "--watch-namespaces=" + teamA + "," + outside
	v, err := e.LaunchVerifier(t.Context(), verifierOptions(stack.Options{Name: "verifier-without-right", Args: []string{watch}}))
	if err != nil {
		t.Fatal(err)
	}
	m := e.launchManagerFor(t, "manager-without-right", outside)
	e.allowApiKeysAlone(t, withoutSecrets)
	blind := e.launchManagerFor(t, "manager-without-secrets", withoutSecrets)
	const noApiKeys = `"apikeys" in API group "apikey-operator.dev" in the namespace "` + outside
	for _, p := range []struct {
		name         string
		ready        func(context.Context) error
		wantMayNot   string // list
		wantNotReady string
	}{
		{v.Name, v.Ready, noApiKeys, "the ApiKeys of namespace " + outside + " were not all seen yet"},
		{m.Name, m.Ready, noApiKeys, "informed failed"},
		{blind.Name, blind.Ready, `"secrets" in API group "" in the namespace "` + withoutSecrets, "informed failed"},
	} {
		await(t, p.name+" to say what it may not do", func(context.Context) error {
			log, err := os.ReadFile(filepath.Join(e.LogDir(), p.name+".log"))
			said := strings.ReplaceAll(string(log), `\`, "") // as it was before it became JSON
			if err == nil && !strings.Contains(said, "cannot list resource "+p.wantMayNot) {
				err = errors.New("its log does not say it yet")
			}
			return err
		})
		await(t, p.name+" to have seen all else", func(ctx context.Context) error {
			err := p.ready(ctx)
			if err == nil {
				t.Fatalf("%s is ready", p.name)
			}
			if strings.Contains(err.Error(), p.wantNotReady) {
				return nil
			}
			return err
		})
	}
	if err := errors.Join(v.Stop(patience), m.Stop(patience), blind.Stop(patience)); err != nil {
		t.Error(err) // also before they have seen all, they end when they are told to
	}
}

// launchManagerFor starts a manager that is to look after a namespace beside one in which it has its rights.
func (e *confined) launchManagerFor(t *testing.T, name, namespace string) *stack.Manager {
	t.Helper()
	m, err := e.LaunchManager(t.Context(), stack.Options{
		Name: name, LogLevel: "DEBUG",
		Args: []string{"--watch-namespaces=" + teamA + "," + namespace, "--default-policy=allow", "--webhook-bind-address=0"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// allowApiKeysAlone makes a namespace in which the manager may see ApiKeys, and no Secrets.
func (e *confined) allowApiKeysAlone(t *testing.T, namespace string) {
	t.Helper()
	const role = "sees-apikeys"
	e.kubectl(t, "create", "namespace", namespace)
	e.kubectl(t, "create", "role", role, "--namespace", namespace, "--verb=get,list,watch", "--resource=apikeys.apikey-operator.dev")
	e.kubectl(t, "create", "rolebinding", role, "--namespace", namespace, "--role", role, "--serviceaccount", stack.SystemNamespace+":"+stack.ManagerAccount)
}

// expectWholeLife issues a key, rotates it, heals it and revokes it.
func (e *confined) expectWholeLife(t *testing.T, namespace string) {
	const name = "k"
	first := e.issue(t, namespace, name, `{permissions: [read]}`)
	awaitVerifier(t, e.verifiers[0], "permission=read&namespace="+namespace, first, http.StatusOK)

	e.patch(t, namespace, name, `{"revision":2}`)
	second := e.awaitKey(t, namespace, name, first)
	awaitVerifier(t, e.verifiers[0], "permission=read", second, http.StatusOK)
	awaitVerifier(t, e.verifiers[0], "permission=read", first, http.StatusOK) // in its grace period
	await(t, "the rotation to be on record", func(ctx context.Context) error {
		current, err := e.Kubectl(ctx, "get", "apikey", name, "--namespace", namespace, "-o", `jsonpath={.status.credentials[?(@.state=="Current")].revision}`)
		if err == nil && current != "2" {
			err = fmt.Errorf("the current revision is %q", current)
		}
		return err
	})

	e.kubectl(t, "delete", "secret", name, "--namespace", namespace)
	third := e.awaitKey(t, namespace, name, second)
	awaitVerifier(t, e.verifiers[0], "permission=read", third, http.StatusOK)

	e.patch(t, namespace, name, `{"revoked":true}`)
	awaitVerifier(t, e.verifiers[0], "permission=read", third, http.StatusUnauthorized)
	e.awaitState(t, namespace, name, v1alpha1.StateRevoked)
}

// expectUntouched looks at an ApiKey that nobody is in charge of.
func (e *confined) expectUntouched(t *testing.T, namespace, name string) {
	t.Helper()
	status, _ := e.get(t, namespace, name).Object["status"].(map[string]any)
	if len(status) > 1 || status["observedGeneration"] != int64(-1) {
		t.Errorf("the ApiKey in a namespace that is not watched has the status %v", status)
	}
	if secrets := e.kubectl(t, "get", "secrets", "--namespace", namespace, "-o", "name"); secrets != "" {
		t.Errorf("there are Secrets in a namespace that is not watched: %s", secrets)
	}
	forged := e.forge(t, namespace, name, "")
	// What follows comes to the verifier later than the status that it must not hear of.
	e.issue(t, teamA, "later", `{}`)
	if response := askVerifier(t, e.verifiers[0], "", forged); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("a key of a namespace that is not watched was answered %d", response.StatusCode)
	}
}

// expectNothingForbidden looks at what manager and verifier asked of the API server, and at their logs.
func (e *confined) expectNothingForbidden(t *testing.T) {
	t.Helper()
	asked := map[string]int{}
	for _, r := range e.asked.Take() {
		switch {
		case r.Code == http.StatusForbidden:
			t.Errorf("it was forbidden to %s %s in namespace %q", r.Verb, r.Resource, r.Namespace)
		case r.Namespace == "" && !strings.HasPrefix(r.Resource, "/"): // discovery is for all
			t.Errorf("they asked to %s %s in the whole cluster", r.Verb, r.Resource)
		}
		asked[r.Verb+" "+r.Resource+" "+r.Namespace]++
	}
	for _, want := range []string{"watch apikeys " + teamA, "watch apikeys " + teamB, "create secrets " + teamB, "update leases " + stack.SystemNamespace} {
		if asked[want] == 0 {
			t.Errorf("nobody was seen to %s, so what was seen proves nothing: %v", want, asked)
		}
	}
	for _, name := range []string{e.managers[0].Name, e.verifiers[0].Name} {
		log, err := os.ReadFile(filepath.Join(e.LogDir(), name+".log"))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(log)) {
			if strings.Contains(strings.ToLower(line), "forbidden") {
				t.Errorf("the log of the %s says %s", name, line)
			}
		}
	}
}

// forge gives an ApiKey a credential that the manager did not issue, as a user or where none is given as the
// administrator, and returns the key.
func (e *confined) forge(t *testing.T, namespace, name, user string) string {
	t.Helper()
	plaintext, err := keys.Generate(rand.Reader, keys.Format{Prefix: "ak_", Bytes: 32})
	if err != nil {
		t.Fatal(err)
	}
	key := string(plaintext.Reveal())
	now := time.Now().UTC().Format(time.RFC3339)
	status := fmt.Sprintf(`{"status":{"observedGeneration":1,"state":"Active","grant":{"permissions":["admin"],"tenant":"acme"},"credentials":[`+
		`{"revision":1,"state":"Current","hash":%q,"hint":"ak_…","issuedAt":%q}]}}`, keys.HashV1(key).Encode(), now)
	args := []string{"patch", "apikey", name, "--namespace", namespace, "--subresource=status", "--type=merge", "--patch", status}
	if user != "" {
		args = append(args, "--as", user)
	}
	e.kubectl(t, args...)
	return key
}

// In such an installation no admission policy stands between RBAC and the status, which verifiers believe.
func TestWithRolesAloneWhoeverMayWriteAStatusMakesKeysForItsNamespaceAndNoOther(t *testing.T) {
	t.Parallel()
	e := newConfined(t)
	const user = "status-writer"
	e.kubectl(t, "create", "role", user, "--namespace", teamA, "--verb=get,create,update,patch", "--resource=apikeys.apikey-operator.dev,apikeys.apikey-operator.dev/status")
	e.kubectl(t, "create", "rolebinding", user, "--namespace", teamA, "--role", user, "--user", user)
	e.awaitMay(t, user, "patch", "apikeys/status", teamA)
	e.kubectlWithInput(t, manifest(teamA, "forged", `{permissions: [admin], tenant: acme}`), "create", "-f", "-", "--as", user)
	key := e.forge(t, teamA, "forged", user)

	v := e.verifiers[0]
	awaitVerifier(t, v, "permission=admin&tenant=acme&namespace="+teamA, key, http.StatusOK)
	if response := askVerifier(t, v, "namespace="+teamB, key); response.StatusCode != http.StatusForbidden {
		t.Errorf("for another namespace it was answered %d, want %d", response.StatusCode, http.StatusForbidden)
	}
	_, err := e.Kubectl(t.Context(), "patch", "apikey", "k", "--namespace", teamB, "--subresource=status", "--type=merge", "--patch", `{"status":{"hint":"x"}}`, "--as", user)
	if err == nil || !strings.Contains(err.Error(), "Forbidden") {
		t.Errorf("a status in another namespace: %v, want it forbidden", err)
	}
	// The manager goes on from what it finds: it publishes a key of its own, and the forged one is left its grace period.
	e.waitReady(t, teamA, "forged")
	if published := e.key(t, teamA, "forged"); published == key {
		t.Error("the Secret holds the forged key")
	}
	if states := e.kubectl(t, "get", "apikey", "forged", "--namespace", teamA, "-o", "jsonpath={.status.credentials[*].state}"); !slices.Contains(strings.Fields(states), "Current") {
		t.Errorf("the credentials are %s", states)
	}
}
