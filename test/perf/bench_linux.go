package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/apikey-operator/apikey-operator/test/perf/corpus"
	"github.com/apikey-operator/apikey-operator/test/perf/proc"
)

type options struct {
	nginx, rows, report, profiles string
	rounds                        int
}

const minRounds = 7

// bench is one run.
type bench struct {
	ctx     context.Context
	options options
	began   time.Time
	dir     string
	cores   proc.Cores
	spawner *proc.Spawner
	cleanup []func() // in the order of the starts

	servers map[string]*server
	keys    map[int][]byte // shuffled
	noise   float64        // the spread of two identical servers
}

func measure(ctx context.Context, o options) error {
	if o.rounds < minRounds {
		return fmt.Errorf("-rounds=%d: give %d or more", o.rounds, minRounds)
	}
	selected, err := selectRows(o.rows)
	if err != nil {
		return err
	}
	b := &bench{ctx: ctx, options: o, began: time.Now(), servers: map[string]*server{}, keys: map[int][]byte{}}
	defer b.close()
	if err := b.prepare(); err != nil {
		return err
	}
	var results []result
	for _, r := range selected {
		b.progress("%s: %s", r.name, r.what)
		more, err := r.measure(b)
		if err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		results = append(results, more...)
	}
	return b.conclude(results)
}

func selectRows(names string) ([]row, error) {
	if names == "" {
		return rows, nil
	}
	var selected []row
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(rows, func(r row) bool { return r.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no row %q", name)
		}
		selected = append(selected, rows[i])
	}
	return selected, nil
}

func (b *bench) prepare() (err error) {
	if b.dir, err = os.MkdirTemp("", "apikey-operator-bench-"); err != nil {
		return fmt.Errorf("make a directory: %w", err)
	}
	if b.cores, err = proc.UsableCores(); err != nil {
		return err
	}
	if b.spawner, err = proc.NewSpawner(b.cores.Server); err != nil {
		return err
	}
	runtime.LockOSThread() // this one asks
	if err := proc.PinSelf(b.cores.Client); err != nil {
		return err
	}
	if b.cores.Shared() {
		b.progress("there is one processor, which servers and client share: what follows tells little")
	}
	b.progress("servers on processor %d, client on processor %d, %d rounds", b.cores.Server, b.cores.Client, b.options.rounds)
	return b.measureNoise()
}

// measureNoise compares two servers that are the same.
func (b *bench) measureNoise() error {
	var pair [2]*target
	for i := range pair {
		s, err := b.noOp(fmt.Sprintf("no-op verifier %d", i+1))
		if err != nil {
			return err
		}
		if pair[i], err = b.target(s.name, s, asking(subrequest(), b.shuffled(few), allowed)); err != nil {
			return err
		}
	}
	c, err := b.compare(pair[0], pair[1])
	if err != nil {
		return err
	}
	b.noise = spread(c.ratios)
	b.progress("two identical servers differ by %.1f %% (median of the rounds' ratios %.3f), at %.0f answers a second each",
		100*b.noise, median(c.ratios), median(c.a))
	return nil
}

// The sizes that are measured.
const (
	few  = 10_000
	many = 1_000_000
)

// shuffled are the keys of an index of that size.
func (b *bench) shuffled(n int) []byte {
	if b.keys[n] == nil {
		b.keys[n] = corpus.Keys(n)
		corpus.Shuffle(b.keys[n])
	}
	return b.keys[n]
}

// once starts a server when it is first asked for.
func (b *bench) once(name string, start func() (*server, error)) (*server, error) {
	if b.servers[name] == nil {
		s, err := start()
		if err != nil {
			return nil, err
		}
		b.servers[name] = s
	}
	return b.servers[name], nil
}

func (b *bench) noOp(name string) (*server, error) {
	return b.once(name, func() (*server, error) { return b.startOwn(name, serving{kind: noOpKind}) })
}

func (b *bench) verifier(keys int) (*server, error) {
	name := fmt.Sprintf("verifier with %d keys", keys)
	return b.once(name, func() (*server, error) { return b.startOwn(name, serving{kind: verifierKind, keys: keys}) })
}

func (b *bench) reference() (*server, error) {
	const name = "nginx"
	return b.once(name, func() (*server, error) { return b.startNginx(nginxOptions{name: name}) })
}

func (b *bench) close() {
	for _, undo := range slices.Backward(b.cleanup) {
		undo()
	}
	if err := os.RemoveAll(b.dir); err != nil {
		b.progress("%v", err)
	}
}

// progress says what goes on, with the seconds since the start.
func (b *bench) progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%6.1f s  %s\n", time.Since(b.began).Seconds(), fmt.Sprintf(format, args...))
}
