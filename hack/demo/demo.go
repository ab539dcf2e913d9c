package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/test/stack"
)

// The sample that most steps are about (config/samples/phoenix_site24x7-monitor.yaml).
const (
	namespace = "phoenix"
	apiKey    = "site24x7-monitor"
	tenant    = "acme"
)

// demo is what the steps work on.
type demo struct {
	stack    *stack.Stack
	out      *screen
	upstream *stack.Upstream
	nginx    *stack.Nginx

	key string // of site24x7-monitor; never shown
}

// mismatch is what a step says that did not see what it should.
func mismatch(want, got string, args ...any) error {
	return fmt.Errorf("expected: %s\n  but saw: %s", want, fmt.Sprintf(got, args...))
}

// play sets up and runs every step, until one does not see what it should.
func (d *demo) play(ctx context.Context) error {
	began := time.Now()
	d.out.say("%s", d.out.paint(bold, "apikey-operator demo"))
	d.out.say("Everything here is real: etcd, kube-apiserver, nginx, and the two programs built from this checkout.")
	if err := d.setUp(ctx); err != nil {
		return err
	}
	for _, step := range []struct {
		title string
		do    func(context.Context) error
	}{
		{"ApiKeys applied with kubectl, under policies that allow what they ask for, become Ready", d.becomesReady},
		{"What no policy allows is refused", d.refusedByPolicy},
		{"Its key is in a Secret, its hash in the status", d.hasSecret},
		{"nginx lets the key through, and the upstream learns whose it is", d.passesWithKey},
		{"Without a key: 401", d.refusedWithoutKey},
		{"A permission that the key does not have: 403", d.refusedWithoutPermission},
		{"A tenant that the client makes up does not survive", d.forgedTenantIsReplaced},
		{"Rotate without a gap, and stop the old key when it has leaked", d.rotate},
		{"Suspend, and resume", d.suspendAndResume},
		{"Revoke, for good", d.revoke},
		{"Delete: the key ends, and its Secret goes", d.deleteApiKey},
	} {
		d.out.step(step.title)
		if err := step.do(ctx); err != nil {
			return err
		}
	}
	d.out.say("\n%s", d.out.paint(green, fmt.Sprintf("All %d steps saw what they should (%d checks, %.0f s).",
		d.out.steps, d.out.checks, time.Since(began).Seconds())))
	return nil
}

// kubectl shows a command, runs it and shows what it printed.
func (d *demo) kubectl(ctx context.Context, args ...string) error {
	d.out.command("kubectl " + strings.Join(quoted(args), " "))
	printed, err := d.stack.Kubectl(ctx, args...)
	d.out.output(printed)
	return err
}

// quoted puts arguments in quotes that a shell would take apart.
func quoted(args []string) []string {
	shown := make([]string, len(args))
	for i, arg := range args {
		shown[i] = arg
		if strings.ContainsAny(arg, `{}"' $`) {
			shown[i] = "'" + arg + "'"
		}
	}
	return shown
}

// field reads a field of an object, without showing that it does.
func (d *demo) field(ctx context.Context, object, path string) (string, error) {
	return d.stack.Kubectl(ctx, "get", object, "--namespace", namespace, "--output=jsonpath={"+path+"}")
}

func (d *demo) becomesReady(ctx context.Context) error {
	began := time.Now()
	if err := d.kubectl(ctx, "apply", "-k", "config/samples"); err != nil {
		return err
	}
	err := d.kubectl(ctx, "wait", "--for=condition=Ready", "apikey", "--all", "--namespace", namespace, "--timeout=60s")
	if err != nil {
		return mismatch("all ApiKeys Ready within 60 s", "%v", err)
	}
	took := time.Since(began)
	if err := d.kubectl(ctx, "get", "apikeys", "--namespace", namespace); err != nil {
		return err
	}
	state, err := d.field(ctx, "apikey/"+apiKey, ".status.state")
	if err != nil {
		return err
	}
	if state != "Active" {
		return mismatch("state Active", "state %q", state)
	}
	d.out.ok("Ready and Active %.1f s after kubectl apply", took.Seconds())
	return nil
}

func (d *demo) hasSecret(ctx context.Context) error {
	d.out.command("kubectl get secret " + apiKey + " --namespace " + namespace + " --output='jsonpath={.data.api-key}' | base64 -d")
	key, err := d.readKey(ctx, apiKey, "api-key")
	if err != nil {
		return mismatch("a Secret with a key", "%v", err)
	}
	d.key = key
	hint, err := d.field(ctx, "apikey/"+apiKey, ".status.hint")
	if err != nil {
		return err
	}
	if start := strings.TrimSuffix(hint, "…"); start == hint || len(start) < 8 || !strings.HasPrefix(key, start) {
		return mismatch("a hint in the status that shows how the key begins", "the hint %q", hint)
	}
	d.out.output(fmt.Sprintf("%s (%d characters; only its hint is shown here)", hint, len(key)))
	hash, err := d.field(ctx, "apikey/"+apiKey, ".status.credentials[0].hash")
	if err != nil {
		return err
	}
	if want := keys.HashV1(key).Encode(); hash != want {
		return mismatch("the key's hash "+want+" in the status", "%q", hash)
	}
	d.out.ok("the status holds its hash and nothing else of it: %s…", hash[:16])
	return nil
}

func (d *demo) passesWithKey(ctx context.Context) error {
	answer, err := d.curl(ctx, request{path: "/reports/today", key: d.key})
	if err != nil {
		return err
	}
	if err := answer.expect(http.StatusOK); err != nil {
		return err
	}
	want := map[string]string{
		"X-Apikey-Namespace":   namespace,
		"X-Apikey-Name":        apiKey,
		"X-Apikey-Tenant":      tenant,
		"X-Apikey-Permissions": "read",
		"X-Apikey-Scopes":      "category=general",
		"X-Apikey-Revision":    "1",
	}
	for _, name := range stack.IdentityHeaders {
		got := strings.Join(answer.echo.Headers[name], ", ")
		d.out.output(name + ": " + got)
		if got != want[name] {
			return mismatch(name+": "+want[name]+" at the upstream", "%q", got)
		}
	}
	d.out.ok("200, and these headers reached the upstream")
	return nil
}

func (d *demo) refusedWithoutKey(ctx context.Context) error {
	answer, err := d.refused(ctx, request{path: "/reports/today"}, http.StatusUnauthorized)
	if err != nil {
		return err
	}
	challenge := answer.header.Get("WWW-Authenticate")
	d.out.output("WWW-Authenticate: " + challenge)
	if !strings.HasPrefix(challenge, "Bearer ") {
		return mismatch("a WWW-Authenticate that asks for a Bearer", "%q", challenge)
	}
	d.out.ok("401, and the upstream was not asked")
	return nil
}

func (d *demo) refusedWithoutPermission(ctx context.Context) error {
	if _, err := d.refused(ctx, request{path: "/admin/users", key: d.key}, http.StatusForbidden); err != nil {
		return err
	}
	d.out.ok("403, and the upstream was not asked: the route demands the permission admin, the key has read")
	return nil
}

// refused sends a request that must be refused before it reaches the upstream.
func (d *demo) refused(ctx context.Context, r request, want int) (answer, error) {
	before := d.upstream.Requests()
	a, err := d.curl(ctx, r)
	if err != nil {
		return a, err
	}
	if err := a.expect(want); err != nil {
		return a, err
	}
	if reached := d.upstream.Requests() - before; reached != 0 {
		return a, mismatch("that the upstream is not asked", "%d requests there", reached)
	}
	return a, nil
}

func (d *demo) forgedTenantIsReplaced(ctx context.Context) error {
	answer, err := d.curl(ctx, request{path: "/reports/today", key: d.key, header: "X-Apikey-Tenant: globex"})
	if err != nil {
		return err
	}
	if err := answer.expect(http.StatusOK); err != nil {
		return err
	}
	got := strings.Join(answer.echo.Headers["X-Apikey-Tenant"], ", ")
	d.out.output("X-Apikey-Tenant: " + got)
	if got != tenant {
		return mismatch("X-Apikey-Tenant: "+tenant+" at the upstream", "%q", got)
	}
	d.out.ok("the upstream was told %s, not globex", tenant)
	return nil
}

func (d *demo) suspendAndResume(ctx context.Context) error {
	for _, change := range []struct {
		patch string
		want  int
	}{
		{`{"spec":{"suspended":true}}`, http.StatusUnauthorized},
		{`{"spec":{"suspended":null}}`, http.StatusOK},
	} {
		if err := d.patchSpec(ctx, change.patch); err != nil {
			return err
		}
		if err := d.await(ctx, request{path: "/reports/today", key: d.key}, change.want); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) deleteApiKey(ctx context.Context) error {
	const name, secret = "billing-sync", "billing-sync-credentials"
	key, err := d.readKey(ctx, secret, "API_KEY")
	if err != nil {
		return err
	}
	r := request{path: "/invoices/2027", key: key}
	answer, err := d.curl(ctx, r)
	if err != nil {
		return err
	}
	if err := answer.expect(http.StatusOK); err != nil {
		return err
	}
	d.out.ok("200: the key of %s holds invoices:*, and the route demands invoices:list", name)
	if err := d.kubectl(ctx, "delete", "apikey", name, "--namespace", namespace); err != nil {
		return err
	}
	if err := d.await(ctx, r, http.StatusUnauthorized); err != nil {
		return err
	}
	err = stack.Await(ctx, "Secret "+secret+" to go", awaitTimeout, func(ctx context.Context) error {
		found, err := d.stack.Kubectl(ctx, "get", "secret", secret, "--namespace", namespace, "--ignore-not-found", "--output=name")
		if err == nil && found != "" {
			err = errors.New("it is still there")
		}
		return err
	})
	if err != nil {
		return mismatch("Secret "+secret+" removed with its ApiKey", "%v", err)
	}
	d.out.ok("Secret %s is gone", secret)
	return nil
}
