package main

import (
	"fmt"

	"github.com/apikey-operator/apikey-operator/test/perf/corpus"
)

// row is one line of the table, with those that come of the same measurement.
type row struct {
	name, what string
	measure    func(*bench) ([]result, error)
}

var rows = []row{
	{"hit_10k", "a hit with 10,000 keys against nginx that returns 200 with as many headers", hit("hit_10k", few, 0.85)},
	{"hit_1m", "the same with 1,000,000 keys", hit("hit_1m", many, 0.75)},
	{"hit_1m_p99", "latency at half of what it can do, with 1,000,000 keys against 10,000", latency},
	{"refusal", "an unknown key against a hit", refusal},
	{"ratelimit", "a hit with a rate limit against one without", limited},
	{"grpc", "a hit over gRPC against a server of grpc-go that returns a constant", overGRPC},
	{"nginx_keepalive", "nginx with the verifier against nginx with one that decides nothing, connections kept", behindNginx("nginx_keepalive", 64)},
	{"nginx_newconn", "the same with a new connection for each question", behindNginx("nginx_newconn", 0)},
	{"decide", "a decision alone, and the memory that a key takes, with 1,000,000 keys", decide},
}

func hit(name string, keys int, bar float64) func(*bench) ([]result, error) {
	return func(b *bench) ([]result, error) {
		reference, err := b.reference()
		if err != nil {
			return nil, err
		}
		verifier, err := b.verifier(keys)
		if err != nil {
			return nil, err
		}
		x, err := b.target(verifier.name, verifier, asking(subrequest(), b.shuffled(keys), allowed))
		if err != nil {
			return nil, err
		}
		y, err := b.target(reference.name, reference, asking(subrequest(), b.shuffled(keys), allowed))
		if err != nil {
			return nil, err
		}
		return b.ratio(name, bar, x, y)
	}
}

func refusal(b *bench) ([]result, error) {
	verifier, err := b.verifier(few)
	if err != nil {
		return nil, err
	}
	unknown := corpus.UnknownKeys(few)
	x, err := b.target("refusals", verifier, asking(subrequest(), unknown, refused))
	if err != nil {
		return nil, err
	}
	y, err := b.target("hits", verifier, asking(subrequest(), b.shuffled(few), allowed))
	if err != nil {
		return nil, err
	}
	return b.ratio("refusal", 0.9, x, y)
}

func limited(b *bench) ([]result, error) {
	const name = "verifier with rate limits"
	with, err := b.once(name, func() (*server, error) {
		return b.startOwn(name, serving{kind: verifierKind, keys: few, limited: true})
	})
	if err != nil {
		return nil, err
	}
	without, err := b.verifier(few)
	if err != nil {
		return nil, err
	}
	x, err := b.target(name, with, asking(subrequest(), b.shuffled(few), allowed))
	if err != nil {
		return nil, err
	}
	y, err := b.target("verifier without", without, asking(subrequest(), b.shuffled(few), allowed))
	if err != nil {
		return nil, err
	}
	return b.ratio("ratelimit", 0.9, x, y)
}

func behindNginx(name string, keepAlive int) func(*bench) ([]result, error) {
	return func(b *bench) ([]result, error) {
		verifier, err := b.verifier(few)
		if err != nil {
			return nil, err
		}
		noOp, err := b.noOp("no-op verifier 1")
		if err != nil {
			return nil, err
		}
		var pair [2]*target
		for i, s := range []*server{verifier, noOp} {
			o := nginxOptions{name: fmt.Sprintf("%s-%d", name, i+1), Verifier: s.address, KeepAlive: keepAlive}
			front, err := b.startNginx(o)
			if err != nil {
				return nil, err
			}
			protocol := asking(request(), b.shuffled(few), allowed)
			if pair[i], err = b.target("nginx with "+s.name, front, protocol, s); err != nil {
				return nil, err
			}
		}
		return b.ratio(name, 0.9, pair[0], pair[1])
	}
}

// ratio compares two targets for one row.
func (b *bench) ratio(name string, bar float64, x, y *target) ([]result, error) {
	c, err := b.compare(x, y)
	if err != nil {
		return nil, err
	}
	if err := b.profile(name, x); err != nil {
		return nil, err
	}
	r := atLeast(name, "ratio", median(c.ratios), bar, b.noise)
	b.progress("  %.3f (%.3f to %.3f): %s %.0f, %s %.0f answers a second of the processor",
		r.Value, lowest(c.ratios), highest(c.ratios), x.name, median(c.a), y.name, median(c.b))
	return []result{r}, nil
}
