package guides

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/util/yaml"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

// object is one of a manifest's, as it is written.
type object map[string]any

func (o object) kind() string { return fmt.Sprint(o["kind"]) }

func (o object) metadata(field string) string {
	metadata, _ := o["metadata"].(map[string]any)
	value, _ := metadata[field].(string)
	return value
}

// objects are those of a block of yaml.
func (b block) objects(t *testing.T) []object {
	t.Helper()
	var all []object
	decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(b.text), 4096)
	for {
		var o object
		err := decoder.Decode(&o)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%s:%d: %v", b.guide, b.line, err)
		}
		if len(o) > 0 {
			all = append(all, o)
		}
	}
}

// labWithKinds is the shared lab once the API server also knows the kinds of the proxies that guides are for.
func labWithKinds(t *testing.T) *lab {
	t.Helper()
	l := sharedLab(t)
	if err := defineKinds(); err != nil {
		t.Fatal(err)
	}
	return l
}

var defineKinds = sync.OnceValue(func() error {
	l, err := shared()
	if err != nil {
		return err
	}
	dir := os.Getenv("PROXY_CRDS")
	if dir == "" {
		return errors.New("PROXY_CRDS is not set: run make test-guides, which fetches the definitions")
	}
	ctx := context.Background()
	// On the server's side, since some are too long for the annotation that kubectl would write.
	if _, err := l.Kubectl(ctx, "apply", "--server-side", "-f", dir); err != nil {
		return err
	}
	return stack.Await(ctx, "the kinds of the proxies to be served", patience, func(ctx context.Context) error {
		// Established may come before discovery tells of the kind.
		names, err := l.Kubectl(ctx, "get", "crds", "-o", `go-template={{range $i, $d := .items}}{{if $i}},{{end}}{{.metadata.name}}{{end}}`)
		if err != nil {
			return err
		}
		_, err = l.Kubectl(ctx, "get", names, "--all-namespaces", "-o", "name")
		return err
	})
})

// inNamespaces makes the namespaces that objects live in, since nothing is taken for one that does not exist.
func (l *lab) inNamespaces(t *testing.T, objects []object) {
	t.Helper()
	names := map[string]bool{}
	for _, o := range objects {
		if name := o.metadata("namespace"); name != "" {
			names["{apiVersion: v1, kind: Namespace, metadata: {name: "+name+"}}"] = true
		}
	}
	l.makeNamespaces(t, strings.Join(slices.Sorted(maps.Keys(names)), "\n---\n"))
}

func TestEveryManifestInTheGuidesIsTakenByTheAPIServer(t *testing.T) {
	t.Parallel()
	l := labWithKinds(t)
	l.inNamespaces(t, objectsOfAllGuides(t))
	for _, name := range allGuides(t) {
		blocks := readGuide(t, name).of("yaml")
		if len(blocks) == 0 || l.tryStrictly(t.Context(), blocks...) == nil {
			continue
		}
		for _, b := range blocks { // one by one, to tell which
			if err := l.tryStrictly(t.Context(), b); err != nil {
				t.Errorf("%s:%d: %v", b.guide, b.line, err)
			}
		}
	}
}

// TestAFieldThatAKindDoesNotHaveIsRefused shows that the test above can fail, for every kind that the guides use.
func TestAFieldThatAKindDoesNotHaveIsRefused(t *testing.T) {
	t.Parallel()
	l := labWithKinds(t)
	objects := objectsOfAllGuides(t)
	l.inNamespaces(t, objects)
	spoiled := map[string]object{}
	for _, o := range objects {
		spoil(o)
		spoiled[o.kind()] = o
	}
	err := l.tryStrictly(t.Context(), block{text: manifest(t, slices.Collect(maps.Values(spoiled))...)})
	if err == nil {
		t.Fatal("no kind is refused for an unknown field")
	}
	for kind := range spoiled {
		refusal := regexp.MustCompile(` ` + kind + ` in version "[^"]+" cannot be handled as a ` + kind + `: strict decoding error: unknown field "(spec\.)?misspelt"`)
		if !refusal.MatchString(err.Error()) {
			t.Errorf("%s with an unknown field is not refused for it: %v", kind, err)
		}
	}
}

// objectsOfAllGuides are those of every block of yaml.
func objectsOfAllGuides(t *testing.T) []object {
	t.Helper()
	var all []object
	for _, name := range allGuides(t) {
		for _, b := range readGuide(t, name).of("yaml") {
			objects := b.objects(t)
			if len(objects) == 0 {
				t.Errorf("%s:%d: there is no object in this block", b.guide, b.line)
			}
			all = append(all, objects...)
		}
	}
	return all
}

// spoil puts a field that no kind has where a typing error would most likely be: into the spec, where there is one. The
// object gets a name of its own, since one that exists would be patched, and refused in other words.
func spoil(o object) {
	o["metadata"].(map[string]any)["name"] = "spoiled"
	into := o
	if spec, ok := o["spec"].(map[string]any); ok {
		into = spec
	}
	into["misspelt"] = true
}

// tryStrictly has the API server check manifests as if they were applied: against the schema, where an unknown field is an
// error, against the kinds' rules, and by admission.
func (l *lab) tryStrictly(ctx context.Context, blocks ...block) error {
	var text strings.Builder
	for _, b := range blocks {
		text.WriteString("---\n" + b.text)
	}
	_, err := l.KubectlWithInput(ctx, text.String(), "apply", "--dry-run=server", "--validate=strict", "-f", "-")
	return err
}

// manifest is objects as one text.
func manifest(t *testing.T, objects ...object) string {
	t.Helper()
	var text bytes.Buffer
	for _, o := range objects {
		document, err := sigsyaml.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = fmt.Fprintf(&text, "---\n%s", document)
	}
	return text.String()
}
