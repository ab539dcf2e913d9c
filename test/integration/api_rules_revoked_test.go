package integration

import "testing"

func TestRevokedCannotBeUnset(t *testing.T) {
	t.Parallel()
	const sentence = "spec.revoked: Forbidden: may not be unset, a revoked key stays revoked: put revoked: true back, or create another ApiKey"
	as, namespace := admin(t), freshNamespace(t)
	const name = "revoked"
	stored := as.send(t, apply(namespace, name, "gitops", apiKey(name, `{"tenant":"acme","revoked":true}`)))

	cases := map[string]struct {
		request request
		want    string // where it is not the sentence
	}{
		"replaced by false":                   {request: update(namespace, name, withSpec(t, stored, `{"tenant":"acme","revoked":false}`))},
		"replaced by null":                    {request: update(namespace, name, withSpec(t, stored, `{"tenant":"acme","revoked":null}`))},
		"replaced by a spec without it":       {request: update(namespace, name, withSpec(t, stored, `{"tenant":"acme"}`))},
		"replaced by an empty spec":           {request: update(namespace, name, withSpec(t, stored, `{}`))},
		"replaced by no spec":                 {update(namespace, name, withSpec(t, stored, `null`)), "spec: Required value"},
		"merged false":                        {request: patch(namespace, name, mergePatch, `{"spec":{"revoked":false}}`)},
		"merged null":                         {request: patch(namespace, name, mergePatch, `{"spec":{"revoked":null}}`)},
		"merged null for the spec":            {patch(namespace, name, mergePatch, `{"spec":null}`), "spec: Required value"},
		"JSON patch removes it":               {request: patch(namespace, name, jsonPatch, `[{"op":"remove","path":"/spec/revoked"}]`)},
		"JSON patch replaces it":              {request: patch(namespace, name, jsonPatch, `[{"op":"replace","path":"/spec/revoked","value":false}]`)},
		"JSON patch moves it away":            {request: patch(namespace, name, jsonPatch, `[{"op":"move","from":"/spec/revoked","path":"/spec/suspended"}]`)},
		"JSON patch removes and adds it":      {request: patch(namespace, name, jsonPatch, `[{"op":"remove","path":"/spec/revoked"},{"op":"add","path":"/spec/revoked","value":false}]`)},
		"JSON patch removes and remakes spec": {request: patch(namespace, name, jsonPatch, `[{"op":"remove","path":"/spec"},{"op":"add","path":"/spec","value":{"tenant":"acme"}}]`)},
		"applied without it by its owner":     {request: apply(namespace, name, "gitops", apiKey(name, `{"tenant":"acme"}`))},
		"applied as false by its owner":       {request: apply(namespace, name, "gitops", apiKey(name, `{"tenant":"acme","revoked":false}`))},
		"applied as false by force":           {request: apply(namespace, name, "somebody", apiKey(name, `{"revoked":false}`))},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			want := sentence
			if c.want != "" {
				want = c.want
			}
			as.sendRefused(t, c.request, want)
		})
	}

	if now := as.send(t, get(namespace, name)); now.GetResourceVersion() != stored.GetResourceVersion() {
		t.Errorf("the ApiKey changed to %v, want it as it was", now.Object["spec"])
	}
}

func TestRevokedMayBeSetAtAnyTime(t *testing.T) {
	t.Parallel()
	as, namespace := admin(t), freshNamespace(t)
	for name, spec := range map[string]string{"absent": `{}`, "unset": `{"revoked":false}`, "set": `{"revoked":true}`} {
		as.send(t, create(namespace, apiKey(name, spec)))
		as.send(t, patch(namespace, name, mergePatch, `{"spec":{"revoked":true}}`))
		as.send(t, patch(namespace, name, mergePatch, `{"spec":{"tenant":"other","suspended":true}}`))
		as.send(t, patch(namespace, name, mergePatch, `{"spec":{"suspended":null}}`))
	}
}

// Whoever is on call revokes by hand; the next sync from Git, where the field is not set, must not undo
// that, whichever way it applies.
func TestRevocationByHandSurvivesTheNextSync(t *testing.T) {
	t.Parallel()
	syncs := map[string][]string{
		"client-side apply": {"apply", "-f", "-"},
		"server-side apply": {"apply", "--server-side", "-f", "-"},
	}
	for name, sync := range syncs {
		t.Run(name, func(t *testing.T) {
			namespace := freshNamespace(t)
			sync = append([]string{"-n", namespace}, sync...)
			inGit := apiKey("monitor", `{"tenant":"acme"}`)
			kubectl(t, inGit, sync...)
			kubectl(t, "", "patch", "ak", "monitor", "-n", namespace, "--type=merge", "-p", `{"spec":{"revoked":true}}`)
			kubectl(t, apiKey("monitor", `{"tenant":"acme","owner":"sre"}`), sync...)

			if got := kubectl(t, "", "get", "ak", "monitor", "-n", namespace, "-o", "jsonpath={.spec.revoked} {.spec.owner}"); got != "true sre" {
				t.Errorf("after the sync revoked and owner are %q, want %q", got, "true sre")
			}
		})
	}
}
