package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// revoke revokes the key while requests with it are sent as fast as they are answered, and tells when the
// first of them was refused.
func (d *demo) revoke(ctx context.Context) error {
	r := request{path: "/reports/today", key: d.key}
	ctx, cancel := context.WithTimeout(ctx, awaitTimeout)
	defer cancel()
	announced, err := d.watchForRevocation(ctx)
	if err != nil {
		return err
	}
	refused := make(chan refusal, 1)
	go func() { refused <- d.sendUntilRefused(ctx, r) }()

	d.out.command("while " + r.command(d.nginx.URL("")) + "; do :; done &")
	began := time.Now()
	if err := d.patchSpec(ctx, `{"spec":{"revoked":true}}`); err != nil {
		return err
	}
	first := <-refused
	if first.err != nil {
		return mismatch("the key refused after it was revoked", "%v", first.err)
	}
	if err := first.answer.expect(http.StatusUnauthorized); err != nil {
		return err
	}
	if first.at.Before(began) || first.allowed == 0 {
		return mismatch("the key accepted until it was revoked", "a refusal before that")
	}
	d.out.output("HTTP/1.1 " + statusText(first.answer.status))
	told, ok := <-announced
	if !ok {
		return mismatch("the API server to announce the change", "that its watch ended")
	}
	d.out.ok("first refusal %d ms after the API server had announced the change", max(first.at.Sub(told).Milliseconds(), 0))
	d.out.ok("%d ms after kubectl was started, and after %d requests that were let through", first.at.Sub(began).Milliseconds(), first.allowed)
	return d.cannotBeUnrevoked(ctx)
}

// watchForRevocation sends the time at which the API server told its watchers of the revocation, and closes
// the channel.
func (d *demo) watchForRevocation(ctx context.Context) (<-chan time.Time, error) {
	config, err := d.stack.AdminConfig()
	if err != nil {
		return nil, err
	}
	kube, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	watcher, err := kube.Resource(v1alpha1.ApiKeyResource).Namespace(namespace).
		Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + apiKey})
	if err != nil {
		return nil, fmt.Errorf("watch the ApiKey: %w", err)
	}
	announced := make(chan time.Time, 1)
	go func() {
		defer close(announced)
		defer watcher.Stop()
		for event := range watcher.ResultChan() {
			object, ok := event.Object.(*unstructured.Unstructured)
			if !ok {
				return
			}
			if revoked, _, _ := unstructured.NestedBool(object.Object, "spec", "revoked"); revoked {
				announced <- time.Now()
				return
			}
		}
	}()
	return announced, nil
}

// refusal is the first answer other than 200.
type refusal struct {
	answer  answer
	at      time.Time
	allowed int // requests before it
	err     error
}

func (d *demo) sendUntilRefused(ctx context.Context, r request) refusal {
	for allowed := 0; ; allowed++ {
		a, err := d.send(ctx, r)
		if err != nil || a.status != http.StatusOK {
			return refusal{answer: a, at: time.Now(), allowed: allowed, err: err}
		}
	}
}

// cannotBeUnrevoked expects the API server to refuse, in a sentence that says why.
func (d *demo) cannotBeUnrevoked(ctx context.Context) error {
	args := []string{"patch", "apikey", apiKey, "--namespace", namespace, "--type=merge", `--patch={"spec":{"revoked":null}}`}
	d.out.command("kubectl " + strings.Join(quoted(args), " "))
	_, err := d.stack.Kubectl(ctx, args...)
	if err == nil {
		return mismatch("a refusal to unset revoked", "that it was unset")
	}
	const want = "a revoked key stays revoked"
	_, sentence, _ := strings.Cut(err.Error(), "is invalid: ")
	d.out.output(sentence)
	if !strings.Contains(sentence, want) {
		return mismatch("a refusal that says: "+want, "%v", err)
	}
	d.out.ok("the API server refuses to unset it")
	return nil
}
