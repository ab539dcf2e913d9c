package structure

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/apikey-operator/apikey-operator/internal/authn"
)

// authURLAnnotation is what ingress-nginx lets an auth-url be made of since 1.12, without nginx's variables
// (URLWithNginxVariableRegex in internal/ingress/annotations/parser/validators.go).
var authURLAnnotation = regexp.MustCompile(`^[-._~a-zA-Z0-9/:,?&=]*$`)

// writtenAuthURL finds the auth URLs in a text, up to what can no longer belong to one.
var writtenAuthURL = regexp.MustCompile("http://[^\\s`;\"]*/auth/nginx[^\\s`;\"]*")

func TestEveryAuthURLInTheDocsIsOneThatIngressNginxAndTheVerifierTake(t *testing.T) {
	found := 0
	for _, guide := range append(docs(t), "../../README.md") {
		text, err := os.ReadFile(guide)
		if err != nil {
			t.Fatal(err)
		}
		for _, url := range writtenAuthURL.FindAllString(string(text), -1) {
			found++
			if !authURLAnnotation.MatchString(url) {
				t.Errorf("%s: ingress-nginx refuses the annotation %s", filepath.Base(guide), url)
			}
			_, query, _ := strings.Cut(url, "?")
			if _, err := authn.ParseRequirement(query); err != nil {
				t.Errorf("%s: the verifier refuses every request of %s: %v", filepath.Base(guide), url, err)
			}
		}
	}
	if found < 2 {
		t.Errorf("%d auth URLs were found, want at least those of the README and of docs/verifier.md", found)
	}
}

// docs are the paths of all documents below docs.
func docs(t *testing.T) []string {
	t.Helper()
	var paths []string
	err := filepath.WalkDir("../../docs", func(path string, _ fs.DirEntry, err error) error {
		if filepath.Ext(path) == ".md" {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// TestEveryReasonIsExplainedWhereTheVerifiersAnswersSay follows the links in the bodies of refusals.
func TestEveryReasonIsExplainedWhereTheVerifiersAnswersSay(t *testing.T) {
	text, err := os.ReadFile("../../docs/verifier.md")
	if err != nil {
		t.Fatal(err)
	}
	for r := range authn.ReasonCount {
		reason := authn.Reason(r)
		if reason == authn.Allowed {
			continue
		}
		if anchor := `<a id="` + reason.String() + `"></a>`; strings.Count(string(text), anchor) != 1 {
			t.Errorf("docs/verifier.md has not just one %s", anchor)
		}
	}
}
