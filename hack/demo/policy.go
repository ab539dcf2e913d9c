package main

import (
	"context"
	"strings"
)

// refusedByPolicy asks for a permission that no policy allows in the namespace.
func (d *demo) refusedByPolicy(ctx context.Context) error {
	if err := d.kubectl(ctx, "get", "apikeypolicies"); err != nil {
		return err
	}
	err := d.patchSpec(ctx, `{"spec":{"permissions":["read","write"]}}`)
	if err == nil {
		return mismatch("the change refused", "that it was made")
	}
	const want = `PermissionNotAllowed: policy phoenix-monitoring does not allow this: spec.permissions: "write" is not allowed, only read`
	if !strings.Contains(err.Error(), want) {
		return mismatch(want, "%v", err)
	}
	d.out.output(want)
	d.out.ok("the admission webhook tells the author at once; without it the manager would grant nothing")
	return nil
}
