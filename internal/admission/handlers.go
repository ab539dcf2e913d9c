// Package admission answers the API server before it stores an ApiKey or an ApiKeyPolicy: it refuses what the manager
// would not grant, in the manager's words, warns of what is unwise, and stamps who stands behind an ApiKey. It
// decides about nothing that works: the manager judges again whatever was stored.
package admission

import (
	"context"
	"net/http"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/utils/clock"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

// The paths of the handlers, as the webhook configurations name them.
const (
	ValidateApiKeyPath       = "/validate-apikey"
	ValidateApiKeyPolicyPath = "/validate-apikeypolicy"
	MutateApiKeyPath         = "/mutate-apikey"
)

// Options are what the handlers work with. All but RestoreIdentities are required.
type Options struct {
	// Cached looks at the informer caches, which lag a little. Live looks at the API server, and is asked before
	// anything is refused for the sake of what others have stored.
	Cached, Live Look
	// LiveLooks bounds how often it is asked, so that refused requests cannot use up what the manager may ask of
	// the API server; above that the caches are believed.
	LiveLooks *rate.Limiter
	// Rotation says what is wrong about a rotation in a way that the schema cannot tell.
	Rotation func(rotation *v1alpha1.Rotation, now time.Time) error
	Policies Policies
	// RestoreIdentities are the users that may say themselves who created and changed what they put back.
	RestoreIdentities []string
	Clock             clock.PassiveClock
	Metrics           *Metrics
}

// Look is one way to look at the cluster.
type Look struct {
	Judge      Judge
	Duplicates Duplicates
}

// Judge says what policy makes of an ApiKey.
type Judge interface {
	Judge(ctx context.Context, key *v1alpha1.ApiKey, now time.Time) (policy.Verdict, error)
}

// Duplicates says, in the words of the Accepted condition, that another ApiKey has the key that one imports; nothing
// where none has.
type Duplicates interface {
	Duplicate(ctx context.Context, key *v1alpha1.ApiKey) (string, error)
}

// Policies knows what ApiKeyPolicies bring about.
type Policies interface {
	// Losses are how many ApiKeys have a grant that they would not have with a policy changed; nil for one that is not
	// there before or after. With an error it is how many were found until then.
	Losses(ctx context.Context, before, after *v1alpha1.ApiKeyPolicy, now time.Time) (int, error)
	// Unreadable is why nobody can tell what a policy says; empty where it can be read.
	Unreadable(p *v1alpha1.ApiKeyPolicy) string
	// Contradiction is why a policy can never admit anything; empty where it can.
	Contradiction(p *v1alpha1.ApiKeyPolicy) string
}

// Handlers are what answers at each path.
func Handlers(o Options) map[string]http.Handler {
	handlers := map[string]handle{
		ValidateApiKeyPath:       (&apiKeys{o}).handle,
		ValidateApiKeyPolicyPath: newApiKeyPolicies(o).handle,
		MutateApiKeyPath:         (&stamps{o.RestoreIdentities}).handle,
	}
	endpoints := map[string]http.Handler{}
	for path, handle := range handlers {
		endpoints[path] = newEndpoint(path, handle, o.Metrics)
	}
	return endpoints
}
