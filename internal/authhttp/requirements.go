package authhttp

import (
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/apikey-operator/apikey-operator/internal/authn"
)

// maxRequirements is how many distinct requirements are remembered. They are written by the authors of
// routes; whoever else can reach the verifier must not be able to fill its memory with them.
const maxRequirements = 4096

// requirements parses what routes demand, each distinct query once. Reading takes no lock: a new one
// replaces the whole map, which happens about once per route.
type requirements struct {
	known  atomic.Pointer[map[string]*authn.Requirement] // nil for one that is written wrongly
	adding sync.Mutex
	logger *slog.Logger
}

func newRequirements(logger *slog.Logger) *requirements {
	r := &requirements{logger: logger}
	r.known.Store(&map[string]*authn.Requirement{})
	return r
}

// of is the requirement of a query as it was sent, nil for one that is written wrongly. That is logged
// once for each distinct query.
func (r *requirements) of(rawQuery []byte) *authn.Requirement {
	if known, ok := (*r.known.Load())[string(rawQuery)]; ok {
		return known
	}
	return r.add(string(rawQuery))
}

func (r *requirements) add(rawQuery string) *authn.Requirement {
	parsed, err := authn.ParseRequirement(rawQuery)
	r.adding.Lock()
	defer r.adding.Unlock()
	known := *r.known.Load()
	if _, there := known[rawQuery]; there || len(known) >= maxRequirements {
		return parsed
	}
	grown := maps.Clone(known)
	grown[rawQuery] = parsed
	r.known.Store(&grown)
	if err != nil {
		r.logger.Warn("a route demands what cannot be understood, so all its requests are refused", "error", err.Error())
	}
	if len(grown) == maxRequirements {
		r.logger.Warn("too many distinct requirements: further ones are parsed for each request and not logged", "known", maxRequirements)
	}
	return parsed
}
