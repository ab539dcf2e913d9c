package main

import (
	"fmt"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/index"
	"github.com/apikey-operator/apikey-operator/test/perf/serve"
)

// serving says which server a process is.
type serving struct {
	kind    string
	keys    int
	limited bool
}

// The kinds of server.
const (
	verifierKind = "verifier"
	noOpKind     = "no-op"
	decideKind   = "decide"
)

// neverReached is a rate limit that counts and does not refuse.
var neverReached = index.RateLimit{Requests: 1_000_000_000, Period: time.Second, Burst: 1_000_000_000}

func (s serving) run() error {
	switch s.kind {
	case verifierKind:
		limit := index.RateLimit{}
		if s.limited {
			limit = neverReached
		}
		return serve.Verifier(s.keys, limit)
	case noOpKind:
		return serve.NoOp()
	case decideKind:
		return serve.Decide(s.keys)
	}
	return fmt.Errorf("-serve=%s: give %s, %s or %s", s.kind, verifierKind, noOpKind, decideKind)
}

// args is the command line of such a server.
func (s serving) args() []string {
	return []string{"-serve=" + s.kind, fmt.Sprintf("-keys=%d", s.keys), fmt.Sprintf("-limited=%t", s.limited)}
}
