package policy

import (
	"context"
	"time"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/controllers/apiobject"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

// account is what a policy does at present.
type account struct {
	selected, admitted int64
	later              time.Time // when time alone may change that; zero: never
}

// accountFor counts what a policy does in the namespaces that it selects. What is revoked or being deleted asks for
// nothing any more, and what does not decode cannot be asked.
func (b *Book) accountFor(ctx context.Context, p policy.Policy, now time.Time) (account, error) {
	var a account
	err := b.eachIn(ctx, now, []policy.Policy{p}, func(request policy.Request, namespace policy.Namespace) {
		a.selected++
		if p.Admits(request, namespace, now) {
			a.admitted++
			return
		}
		verdict := policy.Evaluate(request, namespace, []policy.Policy{p}, policy.DenyByDefault, now)
		if !verdict.Later.IsZero() && (a.later.IsZero() || verdict.Later.Before(a.later)) {
			a.later = verdict.Later
		}
	})
	return a, err
}

// Losses are how many ApiKeys have a grant at present that they would not have with a policy changed; nil for a policy
// that is not there before or after.
func (b *Book) Losses(ctx context.Context, before, after *v1alpha1.ApiKeyPolicy, now time.Time) (lost int, err error) {
	standing, err := b.policies(ctx)
	if err != nil {
		return 0, err
	}
	var changed []policy.Policy
	was, will := standing, standing
	if before != nil {
		p := policyOf(before)
		changed, was, will = append(changed, p), with(was, p), without(will, p.Name)
	}
	if after != nil {
		p := policyOf(after)
		changed, will = append(changed, p), with(will, p)
	} else if before == nil {
		return 0, nil
	}
	if before == nil {
		was = without(was, after.Name)
	}
	err = b.eachIn(ctx, now, changed, func(request policy.Request, namespace policy.Namespace) {
		if policy.Evaluate(request, namespace, was, b.byDefault, now).Admitted &&
			!policy.Evaluate(request, namespace, will, b.byDefault, now).Admitted {
			lost++
		}
	})
	return lost, err
}

func without(policies []policy.Policy, name string) []policy.Policy {
	var others []policy.Policy
	for _, p := range policies {
		if p.Name != name {
			others = append(others, p)
		}
	}
	return others
}

func with(policies []policy.Policy, p policy.Policy) []policy.Policy {
	return append(without(policies, p.Name), p)
}

// eachIn visits what the ApiKeys ask for that live where one of the policies has a say.
func (b *Book) eachIn(ctx context.Context, now time.Time, policies []policy.Policy, visit func(policy.Request, policy.Namespace)) error {
	return b.eachNamespace(ctx, policies, func(namespace policy.Namespace) error {
		keys, err := b.apiKeysIn(ctx, namespace.Name)
		for i := range keys {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			key, undecodable := apiobject.Decode(&keys[i])
			if undecodable == nil && key.DeletionTimestamp.IsZero() && !key.Spec.Revoked {
				visit(b.request(key, now), namespace)
			}
		}
		return err
	})
}
