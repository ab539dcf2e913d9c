// Command apikey-operator is both programs of the project: the manager, which issues API keys for
// ApiKey resources, and the verifier, which answers ingress proxies.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// version is stamped by the linker.
var version = "devel"

// Exit codes: what went wrong at work, and what is wrong with the command line.
const (
	exitFailure = 1
	exitUsage   = 2
)

// usageError is a mistake on the command line.
type usageError struct{ error }

func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

func main() {
	os.Exit(runUntilSignalled(os.Args[1:]))
}

// runUntilSignalled stops in order at the first signal, and at once at the second.
func runUntilSignalled(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	signal.Ignore(syscall.SIGPIPE) // or the decision log's reader would end the program by going away
	return run(ctx, args, os.Stderr)
}

// run runs a command line and gives its exit code; what went wrong is one line on stderr.
func run(ctx context.Context, args []string, stderr io.Writer) int {
	root := newRootCommand()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	_, _ = fmt.Fprintf(stderr, "apikey-operator: %s\n", oneLine(err))
	if errors.As(err, &usageError{}) {
		return exitUsage
	}
	return exitFailure
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "apikey-operator",
		Short:         "Issues API keys for ApiKey resources, and checks them for ingress proxies",
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(*cobra.Command, []string) error {
			return usagef("say which program to run: manager or verifier (--help tells more)")
		},
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("unknown program %q: run manager or verifier", args[0])
			}
			return nil
		},
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(newManagerCommand(), newVerifierCommand())
	return root
}

// noArguments refuses words that are not flags.
func noArguments(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("unexpected argument %q: only flags are taken", args[0])
	}
	return nil
}

func oneLine(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
}
