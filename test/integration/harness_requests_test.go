package integration

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// The forms in which a change can be sent to the API server.
const (
	mergePatch = types.MergePatchType
	jsonPatch  = types.JSONPatchType
	applyPatch = types.ApplyYAMLPatchType
)

// request is one call to the API server, with the body byte by byte as it is sent: what a test is
// about is often something that a typed client would not let through.
type request struct {
	method      string
	path        string
	query       url.Values
	contentType string
	body        string
}

// String names the call in failures.
func (r request) String() string {
	return fmt.Sprintf("%s %s (%s) %s", r.method, r.path, r.contentType, r.body)
}

// apiKey is the JSON of an ApiKey of that name with that spec, itself JSON.
func apiKey(name, spec string) string {
	return fmt.Sprintf(`{"apiVersion":"apikey-operator.dev/v1alpha1","kind":"ApiKey","metadata":{"name":%q},"spec":%s}`, name, spec)
}

// annotated puts annotations, as JSON, into the JSON of an ApiKey.
func annotated(apiKey, annotations string) string {
	return strings.Replace(apiKey, `"metadata":{`, `"metadata":{"annotations":`+annotations+`,`, 1)
}

func apiKeyPath(namespace string, rest ...string) string {
	path, err := url.JoinPath("/apis/apikey-operator.dev/v1alpha1/namespaces/"+namespace+"/apikeys", rest...)
	if err != nil {
		panic(err) // only for a base that is no URL
	}
	return path
}

// create creates an ApiKey as strictly as kubectl does: what the schema does not know is refused.
func create(namespace, body string) request {
	return request{
		method: "POST", path: apiKeyPath(namespace), contentType: "application/json", body: body,
		query: url.Values{"fieldValidation": {"Strict"}},
	}
}

// createLoosely creates an ApiKey as a client does that asks for no validation of its fields.
func createLoosely(namespace, body string) request {
	r := create(namespace, body)
	r.query = url.Values{"fieldValidation": {"Ignore"}}
	return r
}

func get(namespace, name string) request {
	return request{method: "GET", path: apiKeyPath(namespace, name)}
}

// list lists ApiKeys by a field selector.
func list(namespace, fieldSelector string) request {
	return request{method: "GET", path: apiKeyPath(namespace), query: url.Values{"fieldSelector": {fieldSelector}}}
}

func update(namespace, name, body string) request {
	return request{method: "PUT", path: apiKeyPath(namespace, name), contentType: "application/json", body: body}
}

func updateStatus(namespace, name, body string) request {
	return request{method: "PUT", path: apiKeyPath(namespace, name, "status"), contentType: "application/json", body: body}
}

func patch(namespace, name string, form types.PatchType, body string) request {
	return request{method: "PATCH", path: apiKeyPath(namespace, name), contentType: string(form), body: body}
}

func patchStatus(namespace, name string, form types.PatchType, body string) request {
	return request{method: "PATCH", path: apiKeyPath(namespace, name, "status"), contentType: string(form), body: body}
}

// apply applies body on the server's side under a field manager's name, taking fields over from others.
func apply(namespace, name, fieldManager, body string) request {
	r := patch(namespace, name, applyPatch, body)
	r.query = url.Values{"fieldManager": {fieldManager}, "force": {"true"}}
	return r
}

// applyStatus is apply on the status.
func applyStatus(namespace, name, fieldManager, body string) request {
	r := apply(namespace, name, fieldManager, body)
	r.path = apiKeyPath(namespace, name, "status")
	return r
}

func remove(namespace, name string) request {
	return request{method: "DELETE", path: apiKeyPath(namespace, name)}
}

// objectName is a name for the nth object of a test.
func objectName(n int) string { return fmt.Sprintf("key-%d", n) }

// named puts an object's name where a template says NAME.
func named(template, name string) string { return strings.ReplaceAll(template, "NAME", name) }

// with is the JSON of a stored object after some of its parts, each a field and its JSON, were replaced;
// for a PUT.
func with(t *testing.T, stored *unstructured.Unstructured, parts ...string) string {
	t.Helper()
	object := map[string]any{}
	for field, value := range stored.Object {
		object[field] = value
	}
	for i := 0; i < len(parts); i += 2 {
		object[parts[i]] = json.RawMessage(parts[i+1])
	}
	return asJSON(object)
}

// asJSON writes a value of Go as JSON, for specs too large to be written out.
func asJSON(value any) string {
	data, err := json.Marshal(value)
	if err != nil {
		panic(err) // only for what JSON cannot say, such as channels
	}
	return string(data)
}

// withSpec is the JSON of a stored object with another spec, for a PUT.
func withSpec(t *testing.T, stored *unstructured.Unstructured, spec string) string {
	t.Helper()
	return with(t, stored, "spec", spec)
}

// withStatus is the JSON of a stored object with another status, for a PUT.
func withStatus(t *testing.T, stored *unstructured.Unstructured, status string) string {
	t.Helper()
	return with(t, stored, "status", status)
}
