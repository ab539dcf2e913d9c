package recorder

import (
	"net/url"
	"testing"
)

func TestARequestIsToldByItsVerbResourceAndObject(t *testing.T) {
	for name, c := range map[string]struct {
		method, url string
		want        Request
	}{
		"a Secret":               {"GET", "/api/v1/namespaces/default/secrets/a", Request{Namespace: "default", Verb: "get", Resource: "secrets", Name: "a"}},
		"all Secrets":            {"GET", "/api/v1/secrets?limit=500", Request{Verb: "list", Resource: "secrets", Whole: true}},
		"a watch":                {"GET", "/apis/apikey-operator.dev/v1alpha1/apikeys?watch=true", Request{Verb: "watch", Resource: "apikeys"}},
		"a watch from the start": {"GET", "/api/v1/secrets?watch=true&sendInitialEvents=true", Request{Verb: "watch", Resource: "secrets", Whole: true}},
		"a status":               {"PUT", "/apis/apikey-operator.dev/v1alpha1/namespaces/x/apikeys/a/status", Request{Namespace: "x", Verb: "update", Resource: "apikeys/status", Name: "a"}},
		"an event":               {"POST", "/apis/events.k8s.io/v1/namespaces/x/events", Request{Namespace: "x", Verb: "create", Resource: "events"}},
		"a Secret's end":         {"DELETE", "/api/v1/namespaces/x/secrets/a", Request{Namespace: "x", Verb: "delete", Resource: "secrets", Name: "a"}},
		"a namespace":            {"GET", "/api/v1/namespaces/x", Request{Verb: "get", Resource: "namespaces", Name: "x"}},
		"a kind's own list":      {"GET", "/apis/apikey-operator.dev/v1alpha1", Request{Verb: "get", Resource: "/apis/apikey-operator.dev/v1alpha1"}},
	} {
		t.Run(name, func(t *testing.T) {
			u, err := url.Parse(c.url)
			if err != nil {
				t.Fatal(err)
			}
			if got := parse(c.method, u); got != c.want {
				t.Errorf("it is %+v, want %+v", got, c.want)
			}
		})
	}
}
