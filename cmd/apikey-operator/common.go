package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"

	"github.com/go-logr/logr"
	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
)

// commonFlags are those of both programs.
type commonFlags struct {
	kubeconfig string
	logLevel   slog.Level
}

func (f *commonFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.kubeconfig, "kubeconfig", "",
		"path of a kubeconfig; where empty, $KUBECONFIG, and without that the pod's own service account")
	flags.TextVar(&f.logLevel, "log-level", slog.LevelInfo, "least level that is logged: DEBUG, INFO, WARN or ERROR")
}

// newLogger makes one JSON log on standard error for this program and all libraries.
func (f *commonFlags) newLogger() *slog.Logger {
	handler := slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: f.logLevel})
	ctrl.SetLogger(logr.FromSlogHandler(handler))
	klog.SetSlogLogger(slog.New(handler))
	return slog.New(handler)
}

// restConfig finds the API server. Requests are not limited here: the API server's priority and
// fairness does that better.
func (f *commonFlags) restConfig() (*rest.Config, error) {
	path := f.kubeconfig
	if path == "" {
		path = os.Getenv(clientcmd.RecommendedConfigPathEnvVar)
	}
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil && f.kubeconfig != "" {
		return nil, usagef("--kubeconfig: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("find the API server (give --kubeconfig, or run in a pod): %w", err)
	}
	config.QPS = -1
	config.UserAgent = "apikey-operator/" + version
	return config, nil
}

// checkAddress says what is wrong with an address to listen on.
func checkAddress(flag, address string) error {
	if _, _, err := net.SplitHostPort(address); err != nil {
		return usagef("--%s: %q is no address to listen on: give HOST:PORT or :PORT", flag, address)
	}
	return nil
}

func listen(ctx context.Context, flag, address string) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", flag, err)
	}
	return listener, nil
}
