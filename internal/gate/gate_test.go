package gate

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"io"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/apikey-operator/apikey-operator/internal/authn"
	"github.com/apikey-operator/apikey-operator/internal/decisionlog"
	"github.com/apikey-operator/apikey-operator/internal/index"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/ratelimit"
)

var noon = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

// world is a gate over an index with one ApiKey.
type world struct {
	index  *index.Index
	record index.Record
	key    string
	config Config
}

func newWorld(t testing.TB) *world {
	t.Helper()
	plaintext, err := keys.Generate(rand.Reader, keys.Format{Prefix: "sk_live_"})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		index: index.New(),
		key:   string(plaintext.Reveal()),
		record: index.Record{
			Namespace: "phoenix", Name: "monitor", Permissions: []string{"read"},
			Credentials: []index.Credential{{Hash: plaintext.Hash(), Revision: 3}},
		},
	}
	w.config = Config{
		Decider: authn.NewDecider(w.index), Ready: func() bool { return true }, Now: func() time.Time { return noon },
		Limiter: ratelimit.NewMemory(noon), Metrics: uncounted{}, Logger: slog.New(slog.DiscardHandler),
	}
	w.set(t)
	return w
}

func (w *world) set(t testing.TB) {
	t.Helper()
	if err := w.index.Set(w.record); err != nil {
		t.Fatal(err)
	}
}

func (w *world) gate(t testing.TB) *Gate {
	t.Helper()
	g, err := New(DefaultSettings(), w.config)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// ask asks one question to the end, and gives the reason.
func ask(g *Gate, fill func(*Question)) authn.Reason {
	q := NewQuestion()
	defer q.Release()
	fill(q)
	g.Route("some").Ask(q)
	reason := q.Reason
	q.Done()
	return reason
}

type uncounted struct{}

func (uncounted) Decisions(string) func(authn.Reason, time.Duration) {
	return func(authn.Reason, time.Duration) {}
}
func (uncounted) InvalidRequirement() {}
func (uncounted) Panicked()           {}

func (uncounted) ExpiringKeyUsed(string, string, int64) {}

func TestTheDecisionLogTellsOfWhomAndWhatButNeverTheKey(t *testing.T) {
	fill := func(key string) func(*Question) {
		return func(q *Question) {
			q.Requirement, _ = authn.ParseRequirement("permission=admin")
			q.Credential, q.Place = authn.NewCredential([]byte(key)), InQuery
			q.Method, q.URL, q.Host = []byte("GET"), []byte("/customers?api_key="+key), []byte("api.example")
			q.RequestID = []byte("r-1")
			q.Client.SetText([]byte("203.0.113.7"))
		}
	}
	const importedKey = "an imported key of somebody"
	tests := map[string]struct {
		key     string
		arrange func(*world)
		want    map[string]any
	}{
		"a known key": {"KEY", nil, map[string]any{
			"reason": "permission_denied", "namespace": "phoenix", "name": "monitor", "revision": 3.0, "hint": "HINT",
		}},
		"an imported key, of which nothing may be shown": {importedKey, func(w *world) {
			w.record.Credentials[0].Hash = keys.SHA256(importedKey)
		}, map[string]any{"reason": "permission_denied", "namespace": "phoenix", "name": "monitor", "revision": 3.0}},
		"an unknown key": {"sk_live_unknown", nil, map[string]any{"reason": "unknown_key"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if tt.arrange != nil {
				tt.arrange(w)
				w.set(t)
			}
			var out bytes.Buffer
			log, err := decisionlog.New(decisionlog.DefaultSettings(), &out, noon, w.config.Logger)
			if err != nil {
				t.Fatal(err)
			}
			w.config.Log = log
			key := strings.ReplaceAll(tt.key, "KEY", w.key)
			ask(w.gate(t), fill(key))
			if err := log.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			var got map[string]any
			if err := json.Unmarshal(out.Bytes(), &got); err != nil {
				t.Fatalf("%q: %v", out.String(), err)
			}
			want := map[string]any{
				"time": "2026-07-01T12:00:00.000Z", "dialect": "some", "host": "api.example", "method": "GET", "path": "/customers",
				"client": "203.0.113.7", "request_id": "r-1",
			}
			for field, value := range tt.want {
				if value == "HINT" {
					value = w.key[:len("sk_live_")+4] + "…"
				}
				want[field] = value
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the line (-want +got):\n%s", diff)
			}
			if strings.Contains(out.String(), key) {
				t.Error("the line holds the key")
			}
		})
	}
}

// tracer notes what it is told.
type tracer struct{ started, ended []string }

func (tr *tracer) Start(traceParent, traceState []byte, dialect string) Span {
	tr.started = append(tr.started, string(traceParent)+"|"+string(traceState)+"|"+dialect)
	return tr
}
func (tr *tracer) TraceID() string { return "0af7651916cd43dd8448eb211c80319c" }
func (tr *tracer) End(reason, namespace, name string) {
	tr.ended = append(tr.ended, reason+"|"+namespace+"|"+name)
}

func TestATracerIsToldOfEachQuestionAndItsAnswer(t *testing.T) {
	w, tr := newWorld(t), &tracer{}
	w.config.Tracer = tr
	g := w.gate(t)
	for _, key := range []string{w.key, "unknown"} {
		ask(g, func(q *Question) {
			q.Requirement = &authn.Requirement{}
			q.Credential = authn.NewCredential([]byte(key))
			q.TraceParent, q.TraceState = []byte("parent"), []byte("state")
		})
	}
	want := &tracer{
		started: []string{"parent|state|some", "parent|state|some"},
		ended:   []string{"allowed|phoenix|monitor", "unknown_key||"},
	}
	if diff := cmp.Diff(want, tr, cmp.AllowUnexported(tracer{})); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

// failing is a store that cannot count.
type failing struct{}

func (failing) Take(ratelimit.Subject, ratelimit.Limit, time.Time) (ratelimit.Verdict, error) {
	return ratelimit.Verdict{Allowed: true}, io.ErrUnexpectedEOF
}

func TestWhatCannotBeCountedIsRefused(t *testing.T) {
	w := newWorld(t)
	w.record.RateLimit = index.RateLimit{Requests: 1, Period: time.Second, Burst: 1}
	w.set(t)
	w.config.Limiter = failing{}
	got := ask(w.gate(t), func(q *Question) {
		q.Requirement, q.Credential = &authn.Requirement{}, authn.NewCredential([]byte(w.key))
	})
	if got != authn.RateLimited {
		t.Errorf("the reason is %v", got)
	}
}

// headers are those of a request, in Go's form.
type headers map[string][]string

func (h headers) PeekAll(name string) (values [][]byte) {
	for _, v := range h[name] {
		values = append(values, []byte(v))
	}
	return values
}

func TestAKeyInAJSONBody(t *testing.T) {
	tests := map[string]struct {
		body string
		want string // the key, "malformed", or "" for none
	}{
		"at the top level":              {`{"a": [1, {"api_key": "x"}], "api_key": "k", "b": null}`, "k"},
		"further down":                  {`{"a": {"api_key": "k"}}`, ""},
		"in an array":                   {`[{"api_key": "k"}]`, ""},
		"with an escape in its name":    {`{"api\u005fkey": "k"}`, "k"},
		"with an escape in its value":   {`{"api_key": "\u006b"}`, "k"},
		"in another case":               {`{"API_KEY": "k"}`, ""},
		"twice, the same":               {`{"api_key": "k", "api_key": "k"}`, "k"},
		"twice, different":              {`{"api_key": "k", "api_key": "j"}`, "malformed"},
		"a number":                      {`{"api_key": 7}`, "malformed"},
		"null":                          {`{"api_key": null}`, ""},
		"empty":                         {`{"api_key": ""}`, ""},
		"a line break in it":            {`{"api_key": "k\n"}`, "malformed"},
		"no JSON":                       {`api_key=k`, ""},
		"no end":                        {`{"api_key": "k"`, ""},
		"something behind":              {`{"api_key": "k"} {"api_key": "j"}`, ""},
		"blanks behind":                 {"{\"api_key\": \"k\"}\r\n ", "k"},
		"a body that was cut":           {`{"api_key": "k", "b": "long`, ""},
		"nothing":                       {``, ""},
		"an object in its place":        {`{"api_key": {"api_key": "k"}}`, "malformed"},
		"nested deeper than it is read": {`{"a": ` + strings.Repeat("[", 20_000) + `}`, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := places{header: "X-Api-Key", body: "api_key"}
			got, place := p.find(headers{}, nil, []byte(tt.body))
			want := authn.NewCredential([]byte(tt.want))
			if tt.want == "malformed" {
				want = authn.UnreadableCredential()
			}
			if !cmp.Equal(got, want, cmp.AllowUnexported(authn.Credential{})) && !(got.Missing() && want.Missing()) {
				t.Error("another credential than wanted")
			}
			if (place == InBody) == want.Missing() {
				t.Errorf("the place is %d", place)
			}
		})
	}
}

func TestTheBodyIsTheLastPlaceThatIsLookedAt(t *testing.T) {
	body := []byte(`{"api_key": "of the body"}`)
	for name, tt := range map[string]struct {
		headers headers
		want    Place
	}{
		"the header":         {headers{"X-Api-Key": {"k"}}, InHeader},
		"authorization":      {headers{"Authorization": {"Bearer k"}}, InAuthorization},
		"the cookie":         {headers{"Cookie": {"api_key=k"}}, InCookie},
		"the body":           {headers{"Authorization": {"Basic x"}}, InBody},
		"a malformed header": {headers{"X-Api-Key": {"k", "j"}}, InHeader},
	} {
		t.Run(name, func(t *testing.T) {
			p := places{header: "X-Api-Key", authorization: true, cookie: []byte("api_key"), body: "api_key"}
			if _, got := p.find(tt.headers, nil, body); got != tt.want {
				t.Errorf("the place is %d, want %d", got, tt.want)
			}
		})
	}
}

func FuzzBody(f *testing.F) {
	for _, seed := range []string{`{"api_key":"k"}`, `{"a":{"api_key":"x"},"api_key":"k"}`, `{"api_key":"k","api_key":"j"}`, `[]`, `{`, "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		got := fromBody([]byte(body), "api_key")
		var object map[string]json.RawMessage
		if err := json.Unmarshal([]byte(body), &object); err != nil {
			if !got.Missing() {
				t.Fatalf("a key was found in %q, which is no JSON object", body)
			}
			return
		}
		if _, ok := object["api_key"]; !ok && !got.Missing() {
			t.Fatalf("a key was found in %q, which holds none", body)
		}
		// Of a property that stands there twice, encoding/json keeps the last; two that differ are no key.
		var last string
		if err := json.Unmarshal(object["api_key"], &last); err == nil && last != "" && !reflect.DeepEqual(got, authn.UnreadableCredential()) {
			assertSame(t, body, got, authn.NewCredential([]byte(last)))
		}
	})
}
