// Command perf measures how quickly the verifier answers, as ratios to references that are measured in the same run. It
// is what `make bench` runs; docs/performance.md tells what is compared and why.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintf(os.Stderr, "perf: %v\n", err)
		os.Exit(1)
	}
}

func run() error {
	var o options
	serving := serving{}
	flag.StringVar(&o.nginx, "nginx", "", "path of an nginx with the auth_request module")
	flag.StringVar(&o.rows, "rows", "", "names of the rows to measure, with commas between them; empty for all")
	flag.IntVar(&o.rounds, "rounds", 9, "how many rounds each row has; at least 7")
	flag.StringVar(&o.report, "report", "", "path of the JSON file to write")
	flag.StringVar(&o.profiles, "profiles", "", "directory for a CPU profile of each verifier under load; empty for none")
	flag.StringVar(&serving.kind, "serve", "", "be a server to measure, verifier or no-op, instead of measuring")
	flag.IntVar(&serving.keys, "keys", 0, "with -serve=verifier: how many keys there are")
	flag.BoolVar(&serving.limited, "limited", false, "with -serve=verifier: whether the keys have a rate limit, that is never reached")
	flag.Parse()
	if serving.kind != "" {
		return serving.run()
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return measure(ctx, o)
}
