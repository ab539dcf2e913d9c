package gitops

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// customizations is laid out as resource_customizations of Argo CD's repository.
const customizations = "../../docs/examples/argocd/resource_customizations"

// health is what Argo CD shows of an object.
type health struct{ Status, Message string }

// healthScript is the script for an object, from where Argo CD would look for it.
func healthScript(object *unstructured.Unstructured) (string, error) {
	kind := object.GroupVersionKind()
	script, err := os.ReadFile(filepath.Join(customizations, kind.Group, kind.Kind, "health.lua"))
	return string(script), err
}

// argoHealth judges as Argo CD does (GetResourceHealth in its gitops-engine/pkg/health/health.go): what is being
// deleted is Progressing, whatever a script would say.
func argoHealth(object *unstructured.Unstructured) (health, error) {
	script, err := healthScript(object)
	if err != nil {
		return health{}, err
	}
	judged, err := runHealthScript(script, object)
	if object.GetDeletionTimestamp() != nil {
		judged = health{"Progressing", "Pending deletion"}
	}
	return judged, err
}

// runHealthScript runs a script as Argo CD does for scripts of argocd-cm (runLuaWithResourceActionParameters and
// ExecuteHealthLua in its util/lua/lua.go): with the libraries package, base and table alone, for a second at most. Its
// os library with nothing but time and date is left out, so a script cannot depend on the clock.
func runHealthScript(script string, object *unstructured.Unstructured) (health, error) {
	l := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer l.Close()
	for name, open := range map[string]lua.LGFunction{lua.LoadLibName: lua.OpenPackage, lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable} {
		if err := l.CallByParam(lua.P{Fn: l.NewFunction(open), Protect: true}, lua.LString(name)); err != nil {
			return health{}, err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	l.SetContext(ctx)
	l.SetGlobal("obj", toLua(l, object.Object))
	if err := l.DoString(script); err != nil {
		return health{}, err
	}
	table, ok := l.Get(-1).(*lua.LTable)
	if !ok {
		return health{}, fmt.Errorf("the script returned a %s, want a table", l.Get(-1).Type())
	}
	judged := health{table.RawGetString("status").String(), table.RawGetString("message").String()}
	if !slices.Contains([]string{"Healthy", "Progressing", "Degraded", "Suspended"}, judged.Status) {
		return judged, fmt.Errorf("the script returned the status %q", judged.Status)
	}
	return judged, nil
}

// toLua is decodeValue of Argo CD's util/lua/lua.go.
func toLua(l *lua.LState, value any) lua.LValue {
	switch value := value.(type) {
	case bool:
		return lua.LBool(value)
	case float64:
		return lua.LNumber(value)
	case int64:
		return lua.LNumber(value)
	case string:
		return lua.LString(value)
	case json.Number:
		return lua.LString(value)
	case []any:
		table := l.CreateTable(len(value), 0)
		for _, item := range value {
			table.Append(toLua(l, item))
		}
		return table
	case map[string]any:
		table := l.CreateTable(0, len(value))
		for key, item := range value {
			table.RawSetH(lua.LString(key), toLua(l, item))
		}
		return table
	}
	return lua.LNil
}

func TestAHealthScriptOfArgoCDHasNoLibraryThatReachesTheMachine(t *testing.T) {
	t.Parallel()
	object := &unstructured.Unstructured{Object: map[string]any{}}
	for _, name := range []string{"os", "io", "string", "math", "debug"} {
		judged, err := runHealthScript(`if `+name+` == nil then return {status = "Healthy"} end return {status = "Degraded"}`, object)
		if err != nil || judged.Status != "Healthy" {
			t.Errorf("%s is there (%v, %v): Argo CD does not give it to scripts", name, judged, err)
		}
	}
}

// TestTheConfigMapHoldsTheHealthScripts is for those who do not wait until Argo CD brings the scripts along.
func TestTheConfigMapHoldsTheHealthScripts(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/examples/argocd/argocd-cm.yaml")
	if err != nil {
		t.Fatal(err)
	}
	config := parse(t, string(text))
	if config[0].GetKind() != "ConfigMap" || config[0].GetName() != "argocd-cm" {
		t.Errorf("it is a %s, want Argo CD's ConfigMap argocd-cm", identity(config[0]))
	}
	data, _, _ := unstructured.NestedStringMap(config[0].Object, "data")
	for _, kind := range []string{"ApiKey", "ApiKeyPolicy"} {
		script, err := os.ReadFile(filepath.Join(customizations, "apikey-operator.dev", kind, "health.lua"))
		if err != nil {
			t.Fatal(err)
		}
		if data["resource.customizations.health.apikey-operator.dev_"+kind] != string(script) {
			t.Errorf("argocd-cm.yaml holds another script for %s than health.lua", kind)
		}
	}
	if len(data) != 2 {
		t.Errorf("it has %d entries, want one for each kind", len(data))
	}
}
