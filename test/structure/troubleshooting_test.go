package structure

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/apikey-operator/apikey-operator/internal/authn"
)

// TestEveryReasonHasAnEntryInTroubleshooting, those of refusals as well as those of conditions and events.
func TestEveryReasonHasAnEntryInTroubleshooting(t *testing.T) {
	text, err := os.ReadFile("../../docs/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for r := range authn.ReasonCount {
		if reason := authn.Reason(r); reason != authn.Allowed {
			want[reason.String()] = reason.String()
		}
	}
	for _, reason := range apiReasons(t) {
		want["reason-"+strings.ToLower(reason)] = reason
	}
	const least = 55
	if len(want) < least {
		t.Errorf("%d reasons were found, want %d at least", len(want), least)
	}
	for anchor, reason := range want {
		entry := `<a id="` + anchor + `"></a>` + "`" + reason + "`"
		if found := strings.Count(string(text), entry); found != 1 {
			t.Errorf("docs/troubleshooting.md has %s %d times, want it once", entry, found)
		}
	}
	for _, match := range named.FindAllStringSubmatch(string(text), -1) {
		if want[match[1]] == "" {
			t.Errorf("docs/troubleshooting.md has an entry %s, and there is no such reason", match[1])
		}
	}
}

// apiReasons are the reasons of conditions and events that the API's package declares.
func apiReasons(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../../api/v1alpha1/*.go")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(node ast.Node) bool {
			if spec, ok := node.(*ast.ValueSpec); ok {
				found = append(found, reasonsOf(t, spec)...)
			}
			return true
		})
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// reasonsOf are the values of a declaration whose names say that they are reasons.
func reasonsOf(t *testing.T, spec *ast.ValueSpec) []string {
	t.Helper()
	var found []string
	for i, name := range spec.Names {
		if !strings.HasPrefix(name.Name, "Reason") && !strings.HasPrefix(name.Name, "Cause") || i >= len(spec.Values) {
			continue
		}
		literal, ok := spec.Values[i].(*ast.BasicLit)
		if !ok {
			t.Fatalf("%s is not written as a text", name.Name)
		}
		value, err := strconv.Unquote(literal.Value)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, value)
	}
	return found
}
