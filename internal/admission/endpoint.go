package admission

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

// handle answers a request. An error says that there is no answer.
type handle func(context.Context, admission.Request) (admission.Response, error)

// endpoint answers at one path. What its handler does not decide, be it that a reader fails, that the request cannot be
// read or that the handler panics, fails the call, so that the webhook's failurePolicy decides: an AdmissionReview with an
// error in it, which is what controller-runtime makes of those, is a refusal whatever that policy says.
type endpoint struct {
	path    string
	webhook *admission.Webhook
	metrics *Metrics
}

func newEndpoint(path string, handle handle, metrics *Metrics) *endpoint {
	return &endpoint{path: path, metrics: metrics, webhook: &admission.Webhook{
		Handler: admission.HandlerFunc(func(ctx context.Context, request admission.Request) admission.Response {
			response, err := handle(ctx, request)
			if err != nil {
				logf.FromContext(ctx).Error(err, "an admission request could not be answered")
				return admission.Errored(http.StatusInternalServerError, errUndecided)
			}
			if d, ok := ctx.Value(decisionKey{}).(*decision); ok {
				d.outcome = outcomeOf(response)
			}
			return response
		}),
	}}
}

var errUndecided = errors.New("the manager could not look at this at present: try again")

// ServeHTTP implements http.Handler.
func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), patience(r))
	defer cancel()
	d := &decision{outcome: failed}
	defer func() { e.metrics.count(e.path, d.outcome) }()
	e.webhook.ServeHTTP(&answer{ResponseWriter: w, decision: d}, r.WithContext(context.WithValue(ctx, decisionKey{}, d)))
}

// decision is what became of one request.
type decision struct {
	outcome outcome
	told    bool // that there is none
}

type decisionKey struct{}

// answer lets through what was decided, and fails the call otherwise.
type answer struct {
	http.ResponseWriter
	*decision
}

// Write implements io.Writer.
func (a *answer) Write(p []byte) (int, error) {
	if a.outcome != failed {
		return a.ResponseWriter.Write(p)
	}
	if a.told {
		return len(p), nil
	}
	a.told = true
	a.Header().Set("Content-Type", "text/plain; charset=utf-8") // of which the API server repeats what it says
	a.WriteHeader(http.StatusInternalServerError)
	_, err := io.WriteString(a.ResponseWriter, errUndecided.Error())
	return len(p), err
}

// longest is how long the API server waits where it does not say, which no request of one of our webhooks does.
const longest = 10 * time.Second

// patience is how long an answer may take: three quarters of what the API server waits for it, so that one that comes
// late is not lost with all it has to say.
func patience(r *http.Request) time.Duration {
	given, err := time.ParseDuration(r.URL.Query().Get("timeout"))
	if err != nil || given <= 0 || given > longest {
		given = longest
	}
	return given * 3 / 4
}
