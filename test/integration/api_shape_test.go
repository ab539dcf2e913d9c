package integration

import (
	"encoding/json"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

func TestDefaults(t *testing.T) {
	t.Parallel()
	as, namespace := admin(t), freshNamespace(t)
	cases := map[string]struct {
		spec, wantSpec string
	}{
		"an empty spec stays empty":                {spec: `{}`, wantSpec: `{}`},
		"a secret that is named gets its data key": {spec: `{"secret":{"name":"a"}}`, wantSpec: `{"secret":{"key":"api-key","name":"a"}}`},
		"a format with a prefix stays as it is":    {spec: `{"format":{"prefix":"sk_"}}`, wantSpec: `{"format":{"prefix":"sk_"}}`},
		"nulls count as not given":                 {spec: `{"secret":{"key":null},"format":null}`, wantSpec: `{"secret":{"key":"api-key"}}`},
		"a reference gets its data key":            {spec: `{"source":{"secretRef":{"name":"a"}}}`, wantSpec: `{"source":{"secretRef":{"key":"api-key","name":"a"}}}`},
		"a rotation is left as it was written":     {spec: `{"rotation":{"every":"90m","gracePeriod":"0s"}}`, wantSpec: `{"rotation":{"every":"90m","gracePeriod":"0s"}}`},
	}
	number := 0
	for title, c := range cases {
		number++
		name := objectName(number)
		t.Run(title, func(t *testing.T) {
			stored := as.send(t, create(namespace, apiKey(name, c.spec)))
			if got := asJSON(stored.Object["spec"]); got != c.wantSpec {
				t.Errorf("spec %s, want %s", got, c.wantSpec)
			}
			if got, want := asJSON(stored.Object["status"]), `{"observedGeneration":-1}`; got != want {
				t.Errorf("status %s, want %s: the manager has not looked yet", got, want)
			}
		})
	}
}

// A write to the status that changes nothing else must not look like a change of the spec, or the
// manager would chase its own writes.
func TestGenerationCountsChangesOfTheSpecOnly(t *testing.T) {
	t.Parallel()
	admin, manager, namespace := admin(t), manager(t), freshNamespace(t)
	stored := admin.send(t, create(namespace, apiKey("counted", `{}`)))
	stored = manager.send(t, updateStatus(namespace, "counted", withStatus(t, stored, issued)))
	if got := stored.GetGeneration(); got != 1 {
		t.Errorf("generation %d after a write to the status, want 1", got)
	}
	stored = admin.send(t, patch(namespace, "counted", mergePatch, `{"spec":{"suspended":true}}`))
	if got := stored.GetGeneration(); got != 2 {
		t.Errorf("generation %d after a change of the spec, want 2", got)
	}
}

// shown makes two ApiKeys, one of them with a status, in a namespace of their own.
func shown(t *testing.T) (namespace string) {
	t.Helper()
	admin, manager, namespace := admin(t), manager(t), freshNamespace(t)
	stored := admin.send(t, create(namespace, apiKey("monitor",
		`{"tenant":"acme","owner":"sre@phoenix.example","permissions":["read","customers:*"],"expiresAt":"2099-01-10T23:59:59Z"}`)))
	manager.send(t, updateStatus(namespace, "monitor", withStatus(t, stored, `{"observedGeneration":1,"state":"Active","hint":"sk_live_9f3k…","nextRotationTime":"2099-01-02T03:00:00Z"}`)))
	admin.send(t, create(namespace, apiKey("plain", `{}`)))
	return namespace
}

// columns cuts kubectl's table at runs of two or more spaces, which is how kubectl separates columns.
func columns(line string) []string {
	var cells []string
	for _, cell := range strings.Split(line, "  ") {
		if cell = strings.TrimSpace(cell); cell != "" {
			cells = append(cells, cell)
		}
	}
	return cells
}

func TestColumnsOfKubectlGet(t *testing.T) {
	t.Parallel()
	namespace := shown(t)
	// The age is cut off: it depends on when this runs.
	withoutAge := func(row []string) []string { return append(row[:6:6], row[7:]...) }
	cases := map[string]struct {
		args       []string
		wantHeader []string
		wantRow    []string
	}{
		"by the short name": {
			args:       []string{"get", "ak", "monitor"},
			wantHeader: []string{"NAME", "TENANT", "STATE", "HINT", "EXPIRES", "NEXT ROTATION", "AGE"},
			wantRow:    []string{"monitor", "acme", "Active", "sk_live_9f3k…", "2099-01-10T23:59:59Z", "2099-01-02T03:00:00Z"},
		},
		"by the plural, wide": {
			args:       []string{"get", "apikeys", "monitor", "-o", "wide"},
			wantHeader: []string{"NAME", "TENANT", "STATE", "HINT", "EXPIRES", "NEXT ROTATION", "AGE", "OWNER", "CREATED BY", "PERMISSIONS"},
			wantRow:    []string{"monitor", "acme", "Active", "sk_live_9f3k…", "2099-01-10T23:59:59Z", "2099-01-02T03:00:00Z", "sre@phoenix.example", "admin", `["read","customers:*"]`},
		},
		"by the singular": {
			args:       []string{"get", "apikey", "monitor"},
			wantHeader: []string{"NAME", "TENANT", "STATE", "HINT", "EXPIRES", "NEXT ROTATION", "AGE"},
			wantRow:    []string{"monitor", "acme", "Active", "sk_live_9f3k…", "2099-01-10T23:59:59Z", "2099-01-02T03:00:00Z"},
		},
	}
	for title, c := range cases {
		t.Run(title, func(t *testing.T) {
			lines := strings.Split(strings.TrimSpace(kubectl(t, "", append(c.args, "-n", namespace)...)), "\n")
			if len(lines) != 2 {
				t.Fatalf("got %q, want a header and one row", lines)
			}
			row := columns(lines[1])
			if len(row) < 7 {
				t.Fatalf("row %q has fewer than 7 columns", row)
			}
			if diff := cmp.Diff(c.wantHeader, columns(lines[0])); diff != "" {
				t.Errorf("header (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.wantRow, withoutAge(row)); diff != "" {
				t.Errorf("row (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCategoryListsApiKeysAndPolicies(t *testing.T) {
	t.Parallel()
	namespace := shown(t)
	got := strings.Fields(kubectl(t, "", "get", "security", "-n", namespace, "-o", "name"))
	want := []string{"apikey.apikey-operator.dev/monitor", "apikey.apikey-operator.dev/plain"}
	if standing := "apikeypolicy.apikey-operator.dev/everything-for-a-tenant"; !slices.Contains(got, standing) {
		t.Errorf("kubectl get security lists %q, want %s among them", got, standing)
	}
	got = slices.DeleteFunc(got, func(name string) bool { return strings.HasPrefix(name, "apikeypolicy.") }) // those of other tests
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("kubectl get security (-want +got):\n%s", diff)
	}
}

func TestFieldSelectors(t *testing.T) {
	t.Parallel()
	as, namespace := admin(t), shown(t)
	cases := map[string]struct {
		selector string
		want     []string
	}{
		"by tenant":                      {selector: "spec.tenant=acme", want: []string{"monitor"}},
		"by the absence of a tenant":     {selector: "spec.tenant=", want: []string{"plain"}},
		"by another tenant":              {selector: "spec.tenant=other", want: nil},
		"by state":                       {selector: "status.state=Active", want: []string{"monitor"}},
		"by every other state":           {selector: "status.state!=Active", want: []string{"plain"}},
		"by hint, as found in a log":     {selector: "status.hint=sk_live_9f3k…", want: []string{"monitor"}},
		"by tenant and state, both true": {selector: "spec.tenant=acme,status.state=Active", want: []string{"monitor"}},
		"by tenant and state, one false": {selector: "spec.tenant=acme,status.state=Revoked", want: nil},
	}
	for title, c := range cases {
		t.Run(title, func(t *testing.T) {
			found := &v1alpha1.ApiKeyList{}
			if err := json.Unmarshal(as.sendForBody(t, list(namespace, c.selector)), found); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, key := range found.Items {
				got = append(got, key.Name)
			}
			sort.Strings(got)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("ApiKeys with %s (-want +got):\n%s", c.selector, diff)
			}
		})
	}
	as.sendRefused(t, list(namespace, "spec.owner=sre"), "field label not supported: spec.owner")
}

func TestSamplesAreAcceptedAndLeaveIncidentsAlone(t *testing.T) {
	t.Parallel()
	t.Cleanup(func() { removeApiKeys(t, "phoenix") })
	for _, samples := range []string{"../../config/samples", "../../config/samples/imports"} {
		kubectl(t, "", "apply", "-k", samples)
		rendered := kubectl(t, "", "kustomize", samples)
		for _, field := range []string{"suspended", "revoked", "revision", "minRevision"} {
			if strings.Contains(rendered, field+":") {
				t.Errorf("a sample of %s sets %s: whoever copies it undoes with the next sync what was done in an incident", samples, field)
			}
		}
	}
}

// Placeholders look like the variables of kustomize, which must leave them to us.
func TestPlaceholdersOfASampleSurviveKustomize(t *testing.T) {
	t.Parallel()
	const want = "API_KEY=$(KEY)"
	if rendered := kubectl(t, "", "kustomize", "../../config/samples"); !strings.Contains(rendered, want) {
		t.Errorf("the samples are rendered as\n%s\nwant %s in them", rendered, want)
	}
}

// It is not run beside those tests that change the installation and change it back.
func TestApplyingTheInstallationAgainChangesNothing(t *testing.T) {
	for _, line := range strings.Split(strings.TrimSpace(kubectl(t, "", "apply", "-k", "../../config/default")), "\n") {
		// Of a budget kubectl sends the selector each time, which replaces the stored one by the same: nothing is stored.
		if budget, sent := strings.CutSuffix(line, " configured"); sent && strings.HasPrefix(budget, "poddisruptionbudget.policy/") {
			name := strings.TrimPrefix(budget, "poddisruptionbudget.policy/")
			if got := kubectl(t, "", "get", "poddisruptionbudget", name, "-n", systemNamespace, "-o=jsonpath={.metadata.generation}"); got == "1" {
				continue
			}
		}
		if !strings.HasSuffix(line, " unchanged") {
			t.Errorf("applied again: %q, want it unchanged, or tools that compare will see drift for ever", line)
		}
	}
}
