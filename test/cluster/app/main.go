// Command app is what the tests of a cluster run in pods: an application that answers with the request it got, and a
// client that asks for it through a proxy.
//
//	app upstream                          the application
//	app client PROXY KEYS                 the client: PROXY is such as http://nginx:8080, KEYS a directory with a key in each file
//	app read PATH...                      prints what Kubernetes answers to the pod's ServiceAccount that reads these paths
//
// The first two serve port 8080. What the client is asked there, and answers, is in package traffic.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/apikey-operator/apikey-operator/test/cluster/traffic"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "app:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	switch {
	case len(args) == 1 && args[0] == "upstream":
		return serve(ctx, http.HandlerFunc(traffic.Echo))
	case len(args) == 3 && args[0] == "client":
		client := traffic.NewClient(args[1], args[2])
		client.Start(ctx)
		return serve(ctx, client)
	case len(args) > 1 && args[0] == "read":
		return read(ctx, args[1:], os.Stdout)
	default:
		return fmt.Errorf("unknown arguments %q: give upstream, client PROXY KEYS, or read with paths", args)
	}
}

// serve answers until the context ends, and then ends in order.
func serve(ctx context.Context, handler http.Handler) error {
	server := &http.Server{Addr: ":8080", Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan error, 1)
	go func() { done <- server.ListenAndServe() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err := server.Shutdown(ending)
	if ended := <-done; !errors.Is(ended, http.ErrServerClosed) {
		return ended
	}
	return err
}
