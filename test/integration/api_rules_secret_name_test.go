package integration

import "testing"

// issued is a status with one credential, as the manager records it.
const issued = `{"observedGeneration":1,"credentials":[{"revision":1,"state":"Pending","hash":"v1:0000000000000000000000000000000000000000000000000000000000000000","hint":"ak_0000…","issuedAt":"2026-11-01T00:00:00Z"}]}`

func TestSecretNameIsFixedOnceIssued(t *testing.T) {
	t.Parallel()
	const sentence = "spec.secret.name: Forbidden: may not change once a credential was issued: put the old name back, or create another ApiKey"
	admin, manager, namespace := admin(t), manager(t), freshNamespace(t)

	// In every spec NAME stands for the ApiKey's own name.
	cases := map[string]struct {
		before, after string
		status        string
		wantRefused   bool
	}{
		"free before the manager looked":           {before: `{"secret":{"name":"a"}}`, after: `{"secret":{"name":"b"}}`},
		"free while nothing is issued":             {before: `{"secret":{"name":"a"}}`, after: `{"secret":{"name":"b"}}`, status: `{"observedGeneration":1,"state":"Pending"}`},
		"free with an empty list of credentials":   {before: `{"secret":{"name":"a"}}`, after: `{}`, status: `{"credentials":[]}`},
		"may stay":                                 {before: `{"secret":{"name":"a"}}`, after: `{"tenant":"acme","secret":{"name":"a"}}`, status: issued},
		"the key may change":                       {before: `{"secret":{"name":"a"}}`, after: `{"secret":{"name":"a","key":"token"}}`, status: issued},
		"empty may become the ApiKey's own name":   {before: `{"secret":{"name":""}}`, after: `{"secret":{"name":"NAME"}}`, status: issued},
		"the own name may become empty":            {before: `{"secret":{"name":"NAME"}}`, after: `{"secret":{"name":""}}`, status: issued},
		"the own name may be left out":             {before: `{"secret":{"name":"NAME"}}`, after: `{"secret":{}}`, status: issued},
		"the secret with the own name may go":      {before: `{"secret":{"name":"NAME"}}`, after: `{}`, status: issued},
		"absent may become the own name":           {before: `{}`, after: `{"secret":{"name":"NAME"}}`, status: issued},
		"another name":                             {before: `{"secret":{"name":"a"}}`, after: `{"secret":{"name":"b"}}`, status: issued, wantRefused: true},
		"another name after none":                  {before: `{}`, after: `{"secret":{"name":"b"}}`, status: issued, wantRefused: true},
		"another name after an empty one":          {before: `{"secret":{"name":""}}`, after: `{"secret":{"name":"b"}}`, status: issued, wantRefused: true},
		"an empty name after another":              {before: `{"secret":{"name":"a"}}`, after: `{"secret":{"name":""}}`, status: issued, wantRefused: true},
		"a null name after another":                {before: `{"secret":{"name":"a"}}`, after: `{"secret":{"name":null}}`, status: issued, wantRefused: true},
		"the name removed":                         {before: `{"secret":{"name":"a"}}`, after: `{"secret":{"key":"token"}}`, status: issued, wantRefused: true},
		"the whole secret removed":                 {before: `{"secret":{"name":"a"}}`, after: `{"tenant":"acme"}`, status: issued, wantRefused: true},
		"the own name after another":               {before: `{"secret":{"name":"a"}}`, after: `{"secret":{"name":"NAME"}}`, status: issued, wantRefused: true},
		"another name in the same write as revoke": {before: `{"secret":{"name":"a"}}`, after: `{"revoked":true,"secret":{"name":"b"}}`, status: issued, wantRefused: true},
	}
	number := 0
	for title, c := range cases {
		number++
		name := objectName(number)
		t.Run(title, func(t *testing.T) {
			stored := admin.send(t, create(namespace, apiKey(name, named(c.before, name))))
			if c.status != "" {
				stored = manager.send(t, updateStatus(namespace, name, withStatus(t, stored, c.status)))
			}
			change := update(namespace, name, withSpec(t, stored, named(c.after, name)))
			if c.wantRefused {
				admin.sendRefused(t, change, sentence)
				return
			}
			admin.send(t, change)
		})
	}
}

func TestSecretNameCannotBeChangedByRoundaboutWays(t *testing.T) {
	t.Parallel()
	const sentence = "spec.secret.name: Forbidden"
	admin, manager, namespace := admin(t), manager(t), freshNamespace(t)
	const name = "fixed"
	stored := admin.send(t, apply(namespace, name, "gitops", apiKey(name, `{"secret":{"name":"a"}}`)))
	stored = manager.send(t, updateStatus(namespace, name, withStatus(t, stored, issued)))

	for title, r := range map[string]request{
		"JSON patch removes the name":       patch(namespace, name, jsonPatch, `[{"op":"remove","path":"/spec/secret/name"}]`),
		"JSON patch removes the secret":     patch(namespace, name, jsonPatch, `[{"op":"remove","path":"/spec/secret"}]`),
		"JSON patch replaces the spec":      patch(namespace, name, jsonPatch, `[{"op":"replace","path":"/spec","value":{}}]`),
		"merged null for the secret":        patch(namespace, name, mergePatch, `{"spec":{"secret":null}}`),
		"merged with a status without any":  patch(namespace, name, mergePatch, `{"spec":{"secret":{"name":"b"}},"status":null}`),
		"replaced with a status without it": update(namespace, name, with(t, stored, "status", `{}`, "spec", `{"secret":{"name":"b"}}`)),
		"its owner gives it up":             apply(namespace, name, "gitops", apiKey(name, `{"tenant":"acme"}`)),
		"somebody takes it by force":        apply(namespace, name, "somebody", apiKey(name, `{"secret":{"name":"b"}}`)),
	} {
		t.Run(title, func(t *testing.T) { admin.sendRefused(t, r, sentence) })
	}
}
