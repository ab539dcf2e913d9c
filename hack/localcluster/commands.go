package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	etcdversion "go.etcd.io/etcd/api/v3/version"
	kubeversion "k8s.io/component-base/version"

	"github.com/apikey-operator/apikey-operator/hack/localcluster/cluster"
)

// up starts a control plane and keeps it running, or hands it to a background process with --detach.
func up(args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("up", flag.ContinueOnError)
	dir := flags.String("dir", "", "`directory` for everything of this control plane: data, keys, logs, kubeconfig (required; made if missing; data and address of an earlier run are kept)")
	detach := flags.Bool("detach", false, "return when it is ready and leave it running until \"localcluster down\"")
	timeout := flags.Duration("start-timeout", time.Minute, "how long each component may take to become ready")
	if err := parse(flags, args, stderr); err != nil {
		return err
	}
	if *dir == "" {
		return usageError(flags, "--dir is required")
	}
	if *timeout <= 0 {
		return usageError(flags, "--start-timeout must be positive, got %s", *timeout)
	}
	binary, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program's own path: %w", err)
	}
	options := cluster.Options{
		Dir:          *dir,
		Binary:       binary,
		StartTimeout: *timeout,
		Progress:     stderr,
		Ready:        func(kubeconfig string) { _, _ = fmt.Fprintln(stdout, kubeconfig) },
	}
	if *detach {
		return cluster.Detach(options)
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	return cluster.Run(ctx, options)
}

// down stops what up started.
func down(args []string, _, stderr io.Writer) error {
	flags := flag.NewFlagSet("down", flag.ContinueOnError)
	dir := flags.String("dir", "", "`directory` given to up (required)")
	timeout := flags.Duration("timeout", 45*time.Second, "how long it may take before it is killed")
	if err := parse(flags, args, stderr); err != nil {
		return err
	}
	if *dir == "" {
		return usageError(flags, "--dir is required")
	}
	ctx, cancel := context.WithTimeout(context.Background(), *timeout)
	defer cancel()
	stopped, err := cluster.Down(ctx, *dir)
	if err == nil && !stopped {
		_, _ = fmt.Fprintf(stderr, "localcluster: nothing runs in %s\n", *dir)
	}
	return err
}

// version prints what is linked in.
func version(args []string, stdout, stderr io.Writer) error {
	if err := parse(flag.NewFlagSet("version", flag.ContinueOnError), args, stderr); err != nil {
		return err
	}
	_, err := fmt.Fprintf(stdout, "Kubernetes %s, etcd %s, %s %s/%s\n",
		kubeversion.Get().GitVersion, etcdversion.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
