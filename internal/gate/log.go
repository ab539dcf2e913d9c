package gate

import (
	"time"

	"github.com/apikey-operator/apikey-operator/internal/authn"
	"github.com/apikey-operator/apikey-operator/internal/decisionlog"
	"github.com/apikey-operator/apikey-operator/internal/index"
)

// Log is told of decisions. What it is given is valid during the call alone.
type Log interface {
	Write(reason authn.Reason, at time.Time, decision decisionlog.Decision)
}

// maxHintLen is more than a hint takes: of the key's prefix and its next four characters.
const maxHintLen = 64

// Describe implements decisionlog.Decision.
func (q *Question) Describe() decisionlog.Entry {
	e := decisionlog.Entry{
		Dialect: q.route.dialect, Host: q.Host, Method: q.Method, URL: q.URL, Client: q.Client.Address(), RequestID: q.ID(),
	}
	if q.isKnown() {
		e.Namespace, e.Name, e.Revision = q.Key.Namespace(), q.Key.Name(), q.Key.Revision()
		if !q.Key.Imported() { // of whose beginning nothing may be shown
			e.Hint = q.Credential.AppendHint(make([]byte, 0, maxHintLen))
		}
	}
	if q.span != nil {
		e.TraceID = q.span.TraceID()
	}
	return e
}

// isKnown says whether the key was found, so that there is an ApiKey to speak of.
func (q *Question) isKnown() bool { return q.Key != (index.Found{}) }
