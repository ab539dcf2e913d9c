package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

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
	logLevel   logLevel
}

// logLevel is a level by its name. There are no levels between or below them: at less than DEBUG the
// Kubernetes client logs the bodies of requests, and with them the keys that are written into Secrets.
type logLevel slog.Level

var logLevels = map[string]slog.Level{
	"DEBUG": slog.LevelDebug, "INFO": slog.LevelInfo, "WARN": slog.LevelWarn, "ERROR": slog.LevelError,
}

// String implements pflag.Value.
func (l *logLevel) String() string { return slog.Level(*l).String() }

// Type implements pflag.Value.
func (*logLevel) Type() string { return "level" }

// Set implements pflag.Value.
func (l *logLevel) Set(name string) error {
	level, ok := logLevels[strings.ToUpper(name)]
	if !ok {
		return errors.New("give DEBUG, INFO, WARN or ERROR")
	}
	*l = logLevel(level)
	return nil
}

func (f *commonFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.kubeconfig, "kubeconfig", "",
		"path of a kubeconfig; where empty, $KUBECONFIG, and without that the pod's own service account")
	flags.Var(&f.logLevel, "log-level", "least level that is logged: DEBUG, INFO, WARN or ERROR")
}

// newLogger makes one JSON log on standard error for this program and all libraries.
func (f *commonFlags) newLogger() *slog.Logger {
	handler := slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.Level(f.logLevel)})
	ctrl.SetLogger(logr.FromSlogHandler(handler))
	klog.SetSlogLogger(slog.New(handler))
	slog.SetDefault(slog.New(handler)) // servers of net/http complain through package log, which this covers
	return slog.New(handler)
}

// restConfig finds the API server. Requests are not limited here: the verifier makes next to none, and the manager
// sets a limit of its own.
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

// checkAddresses says what is wrong with addresses to listen on, given by their flags' names.
func checkAddresses(addresses map[string]string) error {
	takenBy := map[string]string{}
	for _, flag := range slices.Sorted(maps.Keys(addresses)) {
		address := addresses[flag]
		_, port, err := net.SplitHostPort(address)
		number, portErr := strconv.ParseUint(port, 10, 16)
		if err != nil || portErr != nil {
			return usagef("--%s: %q is no address to listen on: give HOST:PORT or :PORT", flag, address)
		}
		if other, taken := takenBy[address]; taken && number != 0 {
			return usagef("--%s: %s is the address of --%s already: give another port", flag, address, other)
		}
		takenBy[address] = flag
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
