// Package structure holds the rules that the layout rests on and that no compiler checks: who may link
// what, through however many packages, and who may set conditions.
package structure

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/apikey-operator/apikey-operator/"

// pkg is what "go list" says of a package: Deps are all packages that it links, not only its imports.
type pkg struct {
	ImportPath string
	Standard   bool
	Deps       []string
}

func list(t *testing.T, patterns ...string) []pkg {
	t.Helper()
	command := exec.Command("go", append([]string{"list", "-deps=false", "-json=ImportPath,Standard,Deps"}, patterns...)...)
	command.Dir = "../.."
	out, err := command.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %v\n%s", err, exit.Stderr)
		}
		t.Fatal(err)
	}
	var packages []pkg
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
	if len(packages) == 0 {
		t.Fatalf("there are no packages in %v, so nothing would be checked", patterns)
	}
	return packages
}

// isKubernetes says whether a package belongs to Kubernetes or one of its libraries.
func isKubernetes(path string) bool {
	return strings.HasPrefix(path, "k8s.io/") || strings.HasPrefix(path, "sigs.k8s.io/") ||
		strings.HasPrefix(path, module+"api") || strings.HasPrefix(path, module+"controllers")
}

func isOneOf(paths ...string) func(string) bool {
	return func(path string) bool { return slices.Contains(paths, path) }
}

func isBelow(prefixes ...string) func(string) bool {
	return func(path string) bool {
		return slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(path, prefix) })
	}
}

// isOutside is everything but the standard library and the given packages of this module.
func isOutside(allowed ...string) func(string) bool {
	return func(path string) bool {
		standard := !strings.Contains(strings.SplitN(path, "/", 2)[0], ".")
		return !standard && !slices.Contains(allowed, strings.TrimPrefix(path, module))
	}
}

func TestPackagesLinkOnlyWhatTheyMay(t *testing.T) {
	cases := map[string]struct {
		packages []string
		banned   func(string) bool
	}{
		"the serving path links no Kubernetes package": {
			[]string{
				"./internal/index", "./internal/authn", "./internal/ratelimit/...", "./internal/decisionlog", "./internal/gate", "./internal/authhttp",
				"./internal/authgrpc", "./internal/tracing",
			}, isKubernetes,
		},
		"keys links the standard library alone":       {[]string{"./internal/keys"}, isOutside()},
		"plainhttp links the standard library alone":  {[]string{"./internal/plainhttp"}, isOutside()},
		"tlsfiles links the standard library alone":   {[]string{"./internal/tlsfiles"}, isOutside()},
		"permission links the standard library alone": {[]string{"./internal/permission"}, isOutside()},
		"lifecycle links the standard library alone":  {[]string{"./internal/lifecycle"}, isOutside()},
		"ratelimit links the standard library alone":  {[]string{"./internal/ratelimit"}, isOutside()},
		"the index links keys alone":                  {[]string{"./internal/index"}, isOutside("internal/keys")},
		"authn links no server": {
			[]string{"./internal/authn"}, isOneOf("net/http", "github.com/valyala/fasthttp"),
		},
		"authn links nothing but the pure core": {
			[]string{"./internal/authn"}, isOutside("internal/keys", "internal/index", "internal/permission", "internal/clientaddr"),
		},
		"clientaddr links the standard library alone": {[]string{"./internal/clientaddr"}, isOutside()},
		"what dialects have in common links no protocol": {
			[]string{"./internal/gate"}, isBelow("net/http", "github.com/valyala/fasthttp", "google.golang.org/grpc"),
		},
		"the decision log links no server": {
			[]string{"./internal/decisionlog"}, isOneOf("net/http", "github.com/valyala/fasthttp"),
		},
		"tracing links no front end": {
			[]string{"./internal/tracing"}, isOneOf(module+"internal/authhttp", module+"internal/authgrpc", "github.com/valyala/fasthttp"),
		},
		"admission decides by what it is given, and links no client": {
			[]string{"./internal/admission"}, isOneOf(
				"sigs.k8s.io/controller-runtime/pkg/client", "sigs.k8s.io/controller-runtime/pkg/cache", "sigs.k8s.io/controller-runtime/pkg/manager"),
		},
		"nothing internal links a controller": {[]string{"./internal/..."}, isBelow(module + "controllers")},
		"the API links no code of ours":       {[]string{"./api/..."}, isBelow(module+"internal", module+"controllers")},
		"the API links no client":             {[]string{"./api/..."}, isBelow("k8s.io/client-go", "sigs.k8s.io/controller-runtime")},
		"controllers link no front end": {
			[]string{"./controllers/..."}, isBelow(module + "internal/auth"),
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			for _, p := range list(t, c.packages...) {
				for _, dep := range p.Deps {
					if c.banned(dep) {
						t.Errorf("%s links %s", strings.TrimPrefix(p.ImportPath, module), dep)
					}
				}
			}
		})
	}
}

// setters are the ways to set a condition.
var setters = []string{"SetStatusCondition", "RemoveStatusCondition"}

func TestOneFileOfEachControllerSetsConditions(t *testing.T) {
	homes := []string{"controllers/apikey/status.go", "controllers/policy/status.go"}
	var found []string
	for _, file := range sources(t) {
		if setsConditions(t, file) {
			found = append(found, filepath.ToSlash(file))
		}
	}
	if !slices.Equal(found, homes) {
		t.Errorf("conditions are set in %v, want in %v alone", found, homes)
	}
}

// sources are the files of the program, without tests and generated code.
func sources(t *testing.T) []string {
	t.Helper()
	var files []string
	for _, top := range []string{"api", "controllers", "internal", "cmd"} {
		err := filepath.WalkDir(filepath.Join("../..", top), func(path string, entry fs.DirEntry, err error) error {
			name := entry.Name()
			if err == nil && strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") && !strings.HasPrefix(name, "zz_generated") {
				files = append(files, strings.TrimPrefix(filepath.ToSlash(path), "../../"))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// setsConditions says whether a file calls a setter, or assigns to a field named Conditions, or writes
// one in a composite literal.
func setsConditions(t *testing.T, file string) bool {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join("../..", file), nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	sets := false
	ast.Inspect(parsed, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.CallExpr:
			if called, ok := n.Fun.(*ast.SelectorExpr); ok && slices.Contains(setters, called.Sel.Name) {
				sets = true
			}
		case *ast.AssignStmt:
			for _, left := range n.Lhs {
				if field, ok := left.(*ast.SelectorExpr); ok && field.Sel.Name == "Conditions" {
					sets = true
				}
			}
		case *ast.KeyValueExpr:
			if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Conditions" {
				sets = true
			}
		}
		return true
	})
	return sets
}
