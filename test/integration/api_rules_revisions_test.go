package integration

import (
	"fmt"
	"testing"
)

// revisionFields are the two revisions of a spec, and what is said to whoever lowers one from 3.
var revisionFields = map[string]string{
	"revision":    "spec.revision: Forbidden: may not be lowered or unset: put 3 back, or write a higher one to rotate again",
	"minRevision": "spec.minRevision: Forbidden: may not be lowered or unset, what it stopped stays stopped: put 3 back, or write a higher one to stop more credentials",
}

func TestRevisionBounds(t *testing.T) {
	t.Parallel()
	cases := map[string]specCase{}
	for field := range revisionFields {
		of := func(value string) string { return fmt.Sprintf(`{%q:%s}`, field, value) }
		for _, value := range []string{"null", "1", "2.0", "5e2", "500000000"} {
			cases[field+" "+value] = specCase{spec: of(value)}
		}
		for _, value := range []string{"0", "-1", "-9223372036854775808"} {
			cases[field+" "+value] = specCase{of(value), []string{"spec." + field, "greater than or equal to 1"}}
		}
		for _, value := range []string{"500000001", "9223372036854775807"} {
			cases[field+" "+value] = specCase{of(value), []string{"spec." + field, "less than or equal to 500000000"}}
		}
		for _, value := range []string{`"2"`, "true", "[2]", "1.5"} {
			cases[field+" "+value] = specCase{of(value), []string{"spec." + field, "must be of type int"}}
		}
	}
	checkSpecs(t, cases)
}

func TestRevisionsMayOnlyBeRaised(t *testing.T) {
	t.Parallel()
	cases := map[string]transitionCase{}
	for field, sentence := range revisionFields {
		of := func(value string) string { return fmt.Sprintf(`{%q:%s}`, field, value) }
		refused := []string{sentence}
		cases[field+" set"] = transitionCase{before: `{}`, after: of("3")}
		cases[field+" raised"] = transitionCase{before: of("3"), after: of("4")}
		cases[field+" raised to the highest"] = transitionCase{before: of("3"), after: of("500000000")}
		cases[field+" kept beside another change"] = transitionCase{before: of("3"), after: fmt.Sprintf(`{%q:3,"tenant":"other"}`, field)}
		cases[field+" lowered"] = transitionCase{of("3"), of("2"), refused}
		cases[field+" unset"] = transitionCase{of("3"), `{}`, refused}
		cases[field+" replaced by null"] = transitionCase{of("3"), of("null"), refused}
		cases[field+" lowered while revoking"] = transitionCase{of("3"), fmt.Sprintf(`{%q:2,"revoked":true}`, field), refused}
	}
	checkTransitions(t, cases)
}

func TestRevisionsCannotBeLoweredByRoundaboutWays(t *testing.T) {
	t.Parallel()
	as, namespace := admin(t), freshNamespace(t)
	for field, sentence := range revisionFields {
		name := "raised-" + map[string]string{"revision": "one", "minRevision": "two"}[field]
		stored := as.send(t, apply(namespace, name, "gitops", apiKey(name, fmt.Sprintf(`{"tenant":"acme",%q:3}`, field))))
		path := "/spec/" + field
		for title, r := range map[string]request{
			"replaced by an empty spec":           update(namespace, name, withSpec(t, stored, `{}`)),
			"merged null":                         patch(namespace, name, mergePatch, fmt.Sprintf(`{"spec":{%q:null}}`, field)),
			"merged a lower one":                  patch(namespace, name, mergePatch, fmt.Sprintf(`{"spec":{%q:1}}`, field)),
			"JSON patch removes it":               patch(namespace, name, jsonPatch, `[{"op":"remove","path":"`+path+`"}]`),
			"JSON patch removes and adds it":      patch(namespace, name, jsonPatch, `[{"op":"remove","path":"`+path+`"},{"op":"add","path":"`+path+`","value":2}]`),
			"JSON patch removes and remakes spec": patch(namespace, name, jsonPatch, `[{"op":"remove","path":"/spec"},{"op":"add","path":"/spec","value":{"tenant":"acme"}}]`),
			"applied without it by its owner":     apply(namespace, name, "gitops", apiKey(name, `{"tenant":"acme"}`)),
			"applied lower by force":              apply(namespace, name, "somebody", apiKey(name, fmt.Sprintf(`{%q:2}`, field))),
		} {
			t.Run(field+" "+title, func(t *testing.T) { as.sendRefused(t, r, sentence) })
		}
		if now := as.send(t, get(namespace, name)); now.GetResourceVersion() != stored.GetResourceVersion() {
			t.Errorf("the ApiKey changed to %v, want it as it was", now.Object["spec"])
		}
	}
}
