package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/apikey-operator/apikey-operator/internal/policy"
)

// woken empties a queue and says who was in it, each once, sorted.
func woken(q queue) string {
	var names []string
	for q.Len() > 0 {
		request, _ := q.Get()
		names = append(names, request.String())
		q.Done(request)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

func newQueue(t *testing.T) queue {
	q := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	t.Cleanup(q.ShutDown)
	return q
}

// populated is a cluster of three teams with two ApiKeys each, one of which does not decode.
func populated(t *testing.T) *cluster {
	c := newCluster(t)
	for _, team := range []string{"a", "b", "c"} {
		c.namespaces[team] = map[string]string{"team": team}
		c.key(team, "one", `{permissions: [read]}`)
		c.key(team, "two", `{permissions: 2}`)
	}
	return c
}

const everyone = "a/one a/two b/one b/two c/one c/two"

func TestAChangeOfAPolicyWakesTheApiKeysConcernedAndNoOthers(t *testing.T) {
	t.Parallel()
	c := populated(t)
	selecting := func(teams string, generation int64) *unstructured.Unstructured {
		o := c.object("ApiKeyPolicy", "", "probe", fmt.Sprintf(`{namespaceSelector: {matchExpressions: [{key: team, operator: In, values: [%s]}]}}`, teams))
		o.SetGeneration(generation)
		return &o
	}
	all := c.object("ApiKeyPolicy", "", "probe", `{namespaceSelector: {}}`)
	unreadable := c.object("ApiKeyPolicy", "", "probe", `{namespaceSelector: {}, permissions: 1}`)
	unreadable.SetGeneration(2)
	anew := selecting("b", 1)
	anew.SetUID("another")
	cases := map[string]struct {
		before, after *unstructured.Unstructured
		wantWoken     string
		wantLists     string // the namespaces whose ApiKeys were looked at
	}{
		"made, for one":                      {nil, selecting("a", 1), "a/one a/two", "a"},
		"made, for two":                      {nil, selecting("a, c", 1), "a/one a/two c/one c/two", "a c"},
		"made, for all":                      {nil, &all, everyone, "a b c"},
		"made, for nobody":                   {nil, selecting("nobody", 1), "", ""},
		"removed":                            {selecting("b", 1), nil, "b/one b/two", "b"},
		"changed, for the same":              {selecting("a", 1), selecting("a", 2), "a/one a/two", "a"},
		"changed, for others":                {selecting("a", 1), selecting("b", 2), "a/one a/two b/one b/two", "a b"},
		"narrowed":                           {selecting("a, b", 1), selecting("b", 2), "a/one a/two b/one b/two", "a b"},
		"changed into what cannot be read":   {selecting("a", 1), &unreadable, everyone, "a b c"},
		"changed in its status alone":        {selecting("a", 1), selecting("a", 1), "", ""},
		"removed and made anew in one event": {selecting("a", 1), anew, "a/one a/two b/one b/two", "a b"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c.listed = nil
			handler, q := NewBook(c, policy.DenyByDefault).ApiKeysOfPolicies(), newQueue(t)
			switch {
			case tc.before == nil:
				handler.Create(t.Context(), event.CreateEvent{Object: tc.after}, q)
			case tc.after == nil:
				handler.Delete(t.Context(), event.DeleteEvent{Object: tc.before}, q)
			default:
				handler.Update(t.Context(), event.UpdateEvent{ObjectOld: tc.before, ObjectNew: tc.after}, q)
			}
			if got := woken(q); got != tc.wantWoken {
				t.Errorf("woken: %q, want %q", got, tc.wantWoken)
			}
			if got := strings.Join(c.listed, " "); got != tc.wantLists {
				t.Errorf("ApiKeys were listed of the namespaces %q, want %q", got, tc.wantLists)
			}
		})
	}
}

func TestAChangeOfANamespacesLabelsWakesItsApiKeys(t *testing.T) {
	t.Parallel()
	c, q := populated(t), newQueue(t)
	namespace := func(labels map[string]string) client.Object {
		return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: "b", Labels: labels}}
	}
	handler := NewBook(c, policy.DenyByDefault).ApiKeysOfNamespaces()
	handler.Update(t.Context(), event.UpdateEvent{ObjectOld: namespace(nil), ObjectNew: namespace(c.namespaces["b"])}, q)
	if got, want := woken(q), "b/one b/two"; got != want {
		t.Errorf("woken: %q, want %q", got, want)
	}

	team := map[string]string{"team": "b"}
	updates := map[string]struct {
		before, after map[string]string
		want          bool
	}{
		"none and none":        {nil, map[string]string{}, false},
		"the same":             {team, map[string]string{"team": "b"}, false},
		"a further one":        {team, map[string]string{"team": "b", "x": ""}, true},
		"another value":        {team, map[string]string{"team": "c"}, true},
		"another name":         {team, map[string]string{"Team": "b"}, true},
		"one that was removed": {team, nil, true},
	}
	for name, tc := range updates {
		t.Run(name, func(t *testing.T) {
			if got := LabelsChanged.Update(event.UpdateEvent{ObjectOld: namespace(tc.before), ObjectNew: namespace(tc.after)}); got != tc.want {
				t.Errorf("an update matters: %t, want %t", got, tc.want)
			}
		})
	}
	if !LabelsChanged.Create(event.CreateEvent{Object: namespace(nil)}) || LabelsChanged.Delete(event.DeleteEvent{Object: namespace(nil)}) {
		t.Error("a namespace matters when it appears, and not when it goes")
	}
}
