package gate

import (
	"log/slog"
	"maps"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/apikey-operator/apikey-operator/internal/authn"
)

// The bounds of what is kept of requirements. A cluster has as many distinct ones as its Ingresses have
// annotations; whoever sends more than fit has each parsed anew, in a microsecond or two.
const (
	maxRequirements     = 1024
	maxInvalid          = 256 // of them, so that whoever can reach the verifier cannot crowd out what routes demand
	maxRequirementBytes = 4 << 10
)

// requirements parses each distinct requirement once. Reading takes no lock and does not allocate.
type requirements struct {
	logger *slog.Logger
	known  atomic.Pointer[map[string]*authn.Requirement] // nil for an invalid one

	adding  sync.Mutex
	invalid int // how many of the known ones are
}

func newRequirements(logger *slog.Logger) *requirements {
	r := &requirements{logger: logger}
	r.known.Store(&map[string]*authn.Requirement{})
	return r
}

// get returns nil for an invalid requirement. The first time, as long as there is room to remember it, that is
// logged.
func (r *requirements) get(rawQuery []byte) *authn.Requirement {
	if requirement, ok := (*r.known.Load())[string(rawQuery)]; ok {
		return requirement
	}
	query := string(rawQuery)
	requirement, err := authn.ParseRequirement(query)
	if added := r.add(query, requirement); added && err != nil {
		r.logger.Warn("a route demands what cannot be understood, so all its requests are refused; "+
			"correct what it has the proxy ask", "requirement", abridge(query), "error", err.Error())
	}
	return requirement
}

func (r *requirements) add(query string, requirement *authn.Requirement) bool {
	if len(query) > maxRequirementBytes {
		return false
	}
	r.adding.Lock()
	defer r.adding.Unlock()
	known := *r.known.Load()
	if _, ok := known[query]; ok || len(known) >= maxRequirements || requirement == nil && r.invalid >= maxInvalid {
		return false
	}
	if requirement == nil {
		r.invalid++
	}
	more := maps.Clone(known)
	more[query] = requirement
	r.known.Store(&more)
	if len(more) == maxRequirements {
		r.logger.Warn("there are more distinct requirements than are remembered; further ones are parsed at "+
			"each request, and not logged where they cannot be understood", "remembered", maxRequirements)
	}
	return true
}

// abridge leaves of a query what helps to find it: names and values that are too short for a key, since
// someone may have put one in the wrong place.
func abridge(query string) string {
	const shown, parameters = 19, 20
	short := func(s string) string {
		if len(s) > shown {
			return "…"
		}
		return s
	}
	var abridged []string
	for parameter := range strings.SplitSeq(query, "&") {
		if len(abridged) == parameters {
			abridged = append(abridged, "…")
			break
		}
		name, value, hasValue := strings.Cut(parameter, "=")
		if hasValue {
			abridged = append(abridged, short(name)+"="+short(value))
		} else {
			abridged = append(abridged, short(name))
		}
	}
	return strings.Join(abridged, "&")
}
