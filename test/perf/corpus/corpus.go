// Package corpus makes the ApiKeys that the speed of the verifier is measured with. Client and server make the same ones,
// each for itself, of the same numbers.
package corpus

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/index"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// Requirement is what the route demands: a permission and a scope, which every key of the corpus has.
const Requirement = "permission=customers:view&scope.category=general"

// KeyLen is the length of each key of the corpus.
const KeyLen = len(keys.DefaultPrefix) + 49

// seed makes the same keys each time. They guard nothing.
var seed = [32]byte([]byte("keys to measure with guard none."))

// Keys are the first n keys, one behind the other.
func Keys(n int) []byte {
	return generate(rand.NewChaCha8(seed), n)
}

// UnknownKeys are n keys that look like issued ones and that nobody has.
func UnknownKeys(n int) []byte {
	other := seed
	other[0]++
	return generate(rand.NewChaCha8(other), n)
}

func generate(random *rand.ChaCha8, n int) []byte {
	all := make([]byte, 0, n*KeyLen)
	for range n {
		key, err := keys.Generate(random, keys.Format{})
		if err != nil {
			panic(err) // the source never fails, and the format is the default
		}
		all = append(all, key.Reveal()...)
	}
	return all
}

// Shuffle puts keys into an order that no cache foresees.
func Shuffle(all []byte) {
	var held [KeyLen]byte
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // any order does
	random.Shuffle(len(all)/KeyLen, func(i, j int) {
		a, b := all[i*KeyLen:][:KeyLen], all[j*KeyLen:][:KeyLen]
		copy(held[:], a)
		copy(a, b)
		copy(b, held[:])
	})
}

// Index holds the first n keys, each with a typical grant, and with a rate limit unless that is zero.
func Index(n int, limit index.RateLimit) (*index.Index, error) {
	issued := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	permissions := []string{"orders:*", "customers:view", "customers:edit"}
	scopes := map[string][]string{"category": {"general", "premium"}}
	all := Keys(n)
	records := make([]index.Record, n)
	for i := range records {
		records[i] = index.Record{
			Namespace: fmt.Sprintf("team-%d", i%500), Name: fmt.Sprintf("service-%d-key", i),
			Tenant:      fmt.Sprintf("tenant-%d", i%2000),
			Permissions: permissions,
			Scopes:      scopes,
			RateLimit:   limit,
			UID:         fmt.Sprintf("00000000-0000-4000-8000-%012x", i),
			NotAfter:    issued.AddDate(10, 0, 0),
			Credentials: []index.Credential{{Hash: keys.HashV1(all[i*KeyLen:][:KeyLen]), Revision: 1, IssuedAt: issued}},
		}
	}
	x := index.New()
	if err := x.Replace(records); err != nil {
		return nil, fmt.Errorf("fill the index: %w", err)
	}
	return x, nil
}
