package admission_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	"pgregory.net/rapid"

	"github.com/apikey-operator/apikey-operator/internal/admission"
)

const (
	createdBy = "apikey-operator.dev/created-by"
	changedBy = "apikey-operator.dev/changed-by"
)

// annotated is an ApiKey with annotations; nil for no map at all.
func annotated(spec string, annotations map[string]string) string {
	metadata := `{"name":"k"}`
	if annotations != nil {
		data, err := json.Marshal(annotations)
		if err != nil {
			panic(err) // strings can be marshalled
		}
		metadata = fmt.Sprintf(`{"name":"k","annotations":%s}`, data)
	}
	return fmt.Sprintf(`{"apiVersion":"apikey-operator.dev/v1alpha1","kind":"ApiKey","metadata":%s,"spec":%s}`, metadata, spec)
}

type storedKey struct {
	Metadata struct {
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
	Spec json.RawMessage `json:"spec"`
}

// stamp gives what is stored of an object.
func (d *desk) stamp(t *testing.T, r *admissionv1.AdmissionRequest) storedKey {
	t.Helper()
	answer := d.ask(t, admission.MutateApiKeyPath, r)
	if !answer.Allowed {
		t.Fatal("it is refused")
	}
	object := r.Object.Raw
	if len(answer.Patch) > 0 {
		patch, err := jsonpatch.DecodePatch(answer.Patch)
		if err != nil {
			t.Fatal(err)
		}
		options := jsonpatch.NewApplyOptions()
		options.EscapeHTML = false
		if object, err = patch.ApplyWithOptions(object, options); err != nil {
			t.Fatalf("apply %s: %v", answer.Patch, err)
		}
	}
	var stored storedKey
	if err := json.Unmarshal(object, &stored); err != nil {
		t.Fatal(err)
	}
	return stored
}

func TestAnApiKeySaysWhoCreatedItAndWhoLastChangedItsSpec(t *testing.T) {
	type marks = map[string]string
	const a, b = `{"permissions":["read"]}`, `{"permissions":["write"]}`
	cases := map[string]struct {
		request *admissionv1.AdmissionRequest
		want    marks
	}{
		"a new one":                      {create(annotated(a, nil)), marks{createdBy: "jane", changedBy: "jane"}},
		"a new one with annotations":     {create(annotated(a, marks{"x": "y"})), marks{"x": "y", createdBy: "jane", changedBy: "jane"}},
		"a new one with an empty map":    {create(annotated(a, marks{})), marks{createdBy: "jane", changedBy: "jane"}},
		"a new one in another's name":    {create(annotated(a, marks{createdBy: "joe", changedBy: "joe"})), marks{createdBy: "jane", changedBy: "jane"}},
		"a changed spec":                 {update(annotated(a, marks{createdBy: "joe", changedBy: "joe"}), annotated(b, marks{createdBy: "joe", changedBy: "joe"})), marks{createdBy: "joe", changedBy: "jane"}},
		"a changed spec, marks left out": {update(annotated(a, marks{createdBy: "joe", changedBy: "joe"}), annotated(b, nil)), marks{createdBy: "joe", changedBy: "jane"}},
		"a changed spec of an unknown":   {update(annotated(a, nil), annotated(b, nil)), marks{changedBy: "jane"}},
		"a claim on an unknown":          {update(annotated(a, nil), annotated(b, marks{createdBy: "jane"})), marks{changedBy: "jane"}},
		"a label":                        {update(annotated(a, marks{createdBy: "joe", changedBy: "jim"}), annotated(a, marks{createdBy: "joe", changedBy: "jim", "x": "y"})), marks{createdBy: "joe", changedBy: "jim", "x": "y"}},
		"marks that are left out":        {update(annotated(a, marks{createdBy: "joe", changedBy: "jim"}), annotated(a, nil)), marks{createdBy: "joe", changedBy: "jim"}},
		"marks that are rewritten":       {update(annotated(a, marks{createdBy: "joe", changedBy: "jim"}), annotated(a, marks{createdBy: "jane", changedBy: "jane"})), marks{createdBy: "joe", changedBy: "jim"}},
		"marks on an unknown":            {update(annotated(a, nil), annotated(a, marks{createdBy: "jane", changedBy: "jane"})), marks{}},
		"an unknown that stays unknown":  {update(annotated(a, nil), annotated(a, nil)), nil},
		"the same spec in another order": {update(annotated(`{"tenant":"a","owner":"b"}`, nil), annotated(`{"owner":"b", "tenant":"a"}`, nil)), nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := (&desk{}).open().stamp(t, c.request)
			if diff := cmp.Diff(c.want, got.Metadata.Annotations); diff != "" {
				t.Errorf("the annotations differ (-want +got):\n%s", diff)
			}
		})
	}
}

func TestARestoreSaysItself(t *testing.T) {
	d := (&desk{restoring: []string{"velero", "jane"}}).open()
	sent := map[string]string{createdBy: "joe"}
	got := d.stamp(t, create(annotated(`{}`, sent)))
	if diff := cmp.Diff(sent, got.Metadata.Annotations); diff != "" {
		t.Errorf("the annotations differ (-want +got):\n%s", diff)
	}
}

func TestNothingIsPatchedWhereTheMarksAreRight(t *testing.T) {
	right := annotated(`{}`, map[string]string{createdBy: "jane", changedBy: "jane"})
	for name, r := range map[string]*admissionv1.AdmissionRequest{
		"on creation": create(right), "on an update": update(right, right), "on deletion": request(admissionv1.Delete, right, ""),
	} {
		if answer := (&desk{}).open().ask(t, admission.MutateApiKeyPath, r); answer.Patch != nil || answer.PatchType != nil {
			t.Errorf("%s the patch is %s", name, answer.Patch)
		}
	}
}

// TestAStampLeavesAllElseAsItWasSent holds for any spec and any annotations, names with / and ~ among them.
func TestAStampLeavesAllElseAsItWasSent(t *testing.T) {
	d := (&desk{}).open()
	names := rapid.SampledFrom([]string{"a", "a/b", "a~b", "a~1b", createdBy, changedBy, createdBy + "~0"})
	annotations := rapid.OneOf(rapid.Just[map[string]string](nil), rapid.MapOfN(names, rapid.String(), 0, 5))
	texts := rapid.SampledFrom([]string{`"<&>"`, `"ä\u00e4"`, `1e2`, `1.0`, `12345678901234567890`, `null`, `{"b":[],"a":{}}`})
	rapid.Check(t, func(rt *rapid.T) {
		spec := fmt.Sprintf(`{"displayName":%s,"x":%s}`, texts.Draw(rt, "name"), texts.Draw(rt, "x"))
		was, sent := annotations.Draw(rt, "was"), annotations.Draw(rt, "sent")
		r := create(annotated(spec, sent))
		if rapid.Bool().Draw(rt, "update") {
			r = update(annotated(`{}`, was), annotated(spec, sent))
		}
		got := d.stamp(t, r)
		if string(got.Spec) != spec {
			rt.Fatalf("the spec is %s, want %s", got.Spec, spec)
		}
		isMark := func(name, _ string) bool { return name == createdBy || name == changedBy }
		others, wanted := maps.Clone(got.Metadata.Annotations), maps.Clone(sent)
		maps.DeleteFunc(others, isMark)
		maps.DeleteFunc(wanted, isMark)
		if !maps.Equal(others, wanted) {
			rt.Fatalf("the other annotations are %v, want %v", others, wanted)
		}
		if got.Metadata.Annotations[changedBy] != "jane" {
			rt.Fatalf("the spec was changed by %q", got.Metadata.Annotations[changedBy])
		}
	})
}
