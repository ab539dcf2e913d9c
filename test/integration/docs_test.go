package integration

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// yamlBlock leaves out what is marked yml: objects of kinds that only other projects bring. Those of docs/guides are applied
// by test/guides, which knows such kinds.
var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

func TestEveryManifestInTheDocsCanBeApplied(t *testing.T) {
	t.Parallel()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "phoenix"}} // where the docs' examples live
	if err := admin(t).client(t).Create(t.Context(), namespace); err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
	guides, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, guide := range append(guides, "../../README.md") {
		text, err := os.ReadFile(guide)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range yamlBlock.FindAllStringSubmatch(string(text), -1) {
			found++
			if _, err := runKubectl(t.Context(), block[1], "apply", "--dry-run=server", "-f", "-"); err != nil {
				t.Errorf("%s: %v\n%s", filepath.Base(guide), err, block[1])
			}
		}
	}
	if found < 2 {
		t.Errorf("%d manifests were found, want at least the ApiKey and the Ingress of the README", found)
	}
}
