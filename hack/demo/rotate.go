package main

import (
	"context"
	"errors"
	"net/http"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

// rotate asks for another credential, reads it from the Secret the moment it is there, and expects that both keys
// work; and then that a leaked one is stopped at once.
func (d *demo) rotate(ctx context.Context) error {
	old := d.key
	if err := d.patchSpec(ctx, `{"spec":{"revision":2}}`); err != nil {
		return err
	}
	fresh, err := d.awaitOtherKey(ctx, old)
	if err != nil {
		return err
	}
	for _, key := range []string{fresh, old} {
		answer, err := d.curl(ctx, request{path: "/reports/today", key: key})
		if err != nil {
			return err
		}
		if err := answer.expect(http.StatusOK); err != nil {
			return err
		}
	}
	d.out.ok("the new key worked as soon as the Secret held it, and the old one works for its grace period")

	d.out.say("   The old key has leaked: nothing below revision 2 may work any more.")
	if err := d.patchSpec(ctx, `{"spec":{"minRevision":2}}`); err != nil {
		return err
	}
	if err := d.await(ctx, request{path: "/reports/today", key: old}, http.StatusUnauthorized); err != nil {
		return err
	}
	answer, err := d.curl(ctx, request{path: "/reports/today", key: fresh})
	if err != nil {
		return err
	}
	if err := answer.expect(http.StatusOK); err != nil {
		return err
	}
	d.out.ok("the old key is refused, the new one is not")
	d.key = fresh
	return nil
}

func (d *demo) patchSpec(ctx context.Context, patch string) error {
	return d.kubectl(ctx, "patch", "apikey", apiKey, "--namespace", namespace, "--type=merge", "--patch="+patch)
}

// awaitOtherKey reads the Secret until it holds another key.
func (d *demo) awaitOtherKey(ctx context.Context, old string) (string, error) {
	var key string
	err := stack.Await(ctx, "another key in the Secret", awaitTimeout, func(ctx context.Context) error {
		var err error
		if key, err = d.readKey(ctx, apiKey, "api-key"); err == nil && key == old {
			err = errors.New("it is still the old one")
		}
		return err
	})
	if err != nil {
		return "", mismatch("another key in the Secret", "%v", err)
	}
	return key, nil
}
