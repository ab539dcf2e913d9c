package gate

import (
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/authn"
	"github.com/apikey-operator/apikey-operator/internal/clientaddr"
	"github.com/apikey-operator/apikey-operator/internal/index"
	"github.com/apikey-operator/apikey-operator/internal/ratelimit"
)

// Unmeasured stands for the time of a refusal that nothing was decided for.
const Unmeasured time.Duration = -1

// Metrics is where a Gate says what it does.
type Metrics interface {
	// Decisions returns what is told of each decision in a dialect, and how long it took, or Unmeasured.
	Decisions(dialect string) func(reason authn.Reason, took time.Duration)
	// InvalidRequirement is told of each request to a route whose demands cannot be understood.
	InvalidRequirement()
	// Panicked is told of each request that was refused because answering it failed.
	Panicked()
	// ExpiringKeyUsed is told of each allowed request of an ApiKey that ends within ExpiresSoon, and when that is, in
	// nanoseconds since the Unix epoch. The names are valid during the call alone.
	ExpiringKeyUsed(namespace, name string, end int64)
}

// ExpiresSoon is how long before the end of an ApiKey its allowed requests are told of one by one.
const ExpiresSoon = 14 * 24 * time.Hour

// Tracer makes a span of each question; nil where nobody traces.
type Tracer interface {
	// Start begins a span below the one that the W3C headers tell, which may hold anything.
	Start(traceParent, traceState []byte, dialect string) Span
}

// Span is what a Tracer makes of one question.
type Span interface {
	// TraceID is in hexadecimal digits, empty where the trace is not recorded.
	TraceID() string
	// End ends it, with the reason for the answer and the ApiKey that was asked about, empty where that is not known.
	End(reason, namespace, name string)
}

// Config is what a Gate works with. Log and Tracer may be nil.
type Config struct {
	Decider *authn.Decider
	// Ready reports whether the index has held all ApiKeys once; until then everything is refused.
	Ready func() bool
	// Now is the clock that keys expire by. Its monotonic part, if it has one, is what rate limits go by.
	Now     func() time.Time
	Limiter ratelimit.Store
	Metrics Metrics
	Log     Log
	Tracer  Tracer
	Logger  *slog.Logger
}

// Gate answers questions. It may be asked by any number of goroutines.
type Gate struct {
	config       Config
	places       places
	trusted      *clientaddr.Ranges
	requirements *requirements
	challenges   challenges
	nowhere      *Route
	panics       atomic.Int64
}

// New makes a Gate. It fails on settings that make no sense.
func New(settings Settings, config Config) (*Gate, error) {
	if err := settings.Validate(); err != nil {
		return nil, err
	}
	trusted, err := clientaddr.ParseRanges(settings.TrustedProxies)
	if err != nil {
		return nil, err
	}
	g := &Gate{
		config: config,
		places: places{
			header:        settings.CredentialHeader,
			authorization: settings.Authorization,
			query:         []byte(settings.QueryParameter),
			cookie:        []byte(settings.Cookie),
			body:          settings.BodyProperty,
		},
		trusted:      trusted,
		requirements: newRequirements(config.Logger),
		challenges:   newChallenges(settings.Realm),
	}
	g.nowhere = g.Route("none")
	return g, nil
}

// Requirement is what a route demands, in the form of a URL's query, undecoded; nil where that cannot be understood. Whoever
// wrote the route is told so once, in the log.
func (g *Gate) Requirement(raw []byte) *authn.Requirement { return g.requirements.get(raw) }

// FindCredential looks for the key of a question, whose URL is known already.
func (g *Gate) FindCredential(q *Question, h Headers, body []byte) {
	q.Credential, q.Place = g.places.find(h, q.URL, body)
}

// Traces reports whether questions are traced, so that the headers for it need be read.
func (g *Gate) Traces() bool { return g.config.Tracer != nil }

// CredentialHeader is the name of the header that is looked at first.
func (g *Gate) CredentialHeader() string { return g.places.header }

// TrustedProxies are those whose word counts in X-Forwarded-For.
func (g *Gate) TrustedProxies() *clientaddr.Ranges { return g.trusted }

// Route is a dialect in service.
type Route struct {
	gate    *Gate
	dialect string
	decided func(reason authn.Reason, took time.Duration)
}

// Route puts a dialect into service, under its name in metrics and logs.
func (g *Gate) Route(dialect string) *Route {
	return &Route{gate: g, dialect: dialect, decided: g.config.Metrics.Decisions(dialect)}
}

// Nowhere is the route of those who ask where nobody is, or in no protocol that can be read.
func (g *Gate) Nowhere() *Route { return g.nowhere }

// Ask decides a question. When the answer is written, Done must be called.
func (r *Route) Ask(q *Question) {
	g := r.gate
	q.route, q.started = r, g.config.Now()
	if g.config.Tracer != nil {
		q.span = g.config.Tracer.Start(q.TraceParent, q.TraceState, r.dialect)
	}
	q.request = authn.Request{
		Ready: g.config.Ready(), Requirement: q.Requirement, Credential: q.Credential, Method: q.Method, Client: &q.Client, Now: q.started,
	}
	q.Decision = g.config.Decider.Decide(&q.request)
	if q.Reason == authn.Allowed {
		g.count(q)
	}
	if !q.Place.shareable() {
		q.CacheSeconds = 0
	}
}

// count counts an allowed request of a key that has a rate limit, and refuses it where that is reached.
func (g *Gate) count(q *Question) {
	limit := q.Key.RateLimit()
	if limit == (index.RateLimit{}) {
		return
	}
	q.Counted, q.Limit = true, ratelimit.Limit(limit)
	subject := ratelimit.Subject{Namespace: q.Key.Namespace(), Name: q.Key.Name()}
	usage, err := g.config.Limiter.Take(subject, q.Limit, q.started)
	if q.Usage = usage; err != nil || !usage.Allowed {
		q.Reason, q.CacheSeconds = authn.RateLimited, 0
	}
}

// Done tells metrics, log and trace of a question that is answered.
func (q *Question) Done() {
	r := q.route
	g := r.gate
	if q.Reason == authn.InvalidRequirement {
		g.config.Metrics.InvalidRequirement()
	}
	r.decided(q.Reason, g.config.Now().Sub(q.started))
	if q.Reason == authn.Allowed && q.Key.NotAfter()-q.started.UnixNano() < int64(ExpiresSoon) {
		q.tellExpiring()
	}
	if g.config.Log != nil {
		g.config.Log.Write(q.Reason, q.started, q)
	}
	if q.span != nil {
		q.endSpan()
	}
}

// tellExpiring leaves out a credential that alone ends soon, since another one has taken its place. One that never ends can only
// be here by a clock that stands before 1970.
func (q *Question) tellExpiring() {
	if end := q.Key.NotAfter(); end != index.Never && !q.Key.EndsEarly() {
		q.route.gate.config.Metrics.ExpiringKeyUsed(q.Key.Namespace(), q.Key.Name(), end)
	}
}

func (q *Question) endSpan() {
	if q.isKnown() {
		q.span.End(q.Reason.String(), q.Key.Namespace(), q.Key.Name())
		return
	}
	q.span.End(q.Reason.String(), "", "")
}

// Unread is the reason to refuse what cannot be read as a question at all.
func (g *Gate) Unread() authn.Reason {
	if !g.config.Ready() {
		return authn.NotReady
	}
	return authn.MalformedCredential
}

// Refuse counts a refusal of what could not be asked.
func (r *Route) Refuse(reason authn.Reason) { r.decided(reason, Unmeasured) }

// Ready is Config.Ready.
func (g *Gate) Ready() bool { return g.config.Ready() }

// Panicked is told by a front end what it has recovered from while it answered a request, which it refuses.
func (g *Gate) Panicked(cause any) {
	g.config.Metrics.Panicked()
	g.nowhere.Refuse(authn.NotReady)
	if g.panics.Add(1) <= MaxLoggedPanics {
		g.config.Logger.Error("a request was refused because answering it failed; please report this",
			"panic", describePanic(cause), "stack", string(debug.Stack()))
	}
}

// MaxLoggedPanics is enough to find a bug; the metric counts them all.
const MaxLoggedPanics = 100

// describePanic gives the text of what the runtime says itself. Any other value could hold what was sent.
func describePanic(cause any) string {
	if err, ok := cause.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("a %T", cause)
}
