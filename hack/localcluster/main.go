// Command localcluster runs a small Kubernetes control plane for tests and demonstrations.
//
// One program holds everything: etcd, kube-apiserver, the controllers for garbage collection, namespaces
// and the aggregation of ClusterRoles, kubectl, and the supervisor that starts and stops them. Which one runs
// is told by the first argument or by the name that the program was started under, so that links to it named
// etcd, kube-apiserver and kubectl serve as KUBEBUILDER_ASSETS.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/apikey-operator/apikey-operator/hack/localcluster/cluster"
	"github.com/apikey-operator/apikey-operator/hack/localcluster/supervise"
)

const usage = `localcluster runs a small Kubernetes control plane for tests and demonstrations.

Usage:
  localcluster up --dir DIR [--detach] [--start-timeout 60s]
  localcluster down --dir DIR [--timeout 45s]
  localcluster version
  localcluster kubectl|kube-apiserver|etcd|controllers ARGUMENTS...

"localcluster COMMAND --help" tells more.
`

// Exit codes.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
)

// errUsage marks an error that is the caller's and has been printed together with the help text.
var errUsage = errors.New("wrong usage")

func main() {
	supervise.FollowLifeline()
	if run, ok := kubernetesComponents[filepath.Base(os.Args[0])]; ok {
		os.Exit(run(os.Args))
	}
	if len(os.Args) > 1 {
		if run, ok := kubernetesComponents[os.Args[1]]; ok {
			// The components read os.Args themselves.
			os.Args = os.Args[1:]
			os.Exit(run(os.Args))
		}
	}
	os.Exit(dispatch(os.Args[1:], os.Stdout, os.Stderr))
}

// dispatch runs one of the commands that are this program's own and returns the exit code.
func dispatch(args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		_, _ = fmt.Fprint(stderr, usage)
		return exitUsage
	}
	commands := map[string]func([]string, io.Writer, io.Writer) error{
		"up":                up,
		"down":              down,
		"version":           version,
		cluster.Controllers: controllers,
	}
	switch args[0] {
	case "help", "-h", "--help":
		_, _ = fmt.Fprint(stdout, usage)
		return exitOK
	}
	command, ok := commands[args[0]]
	if !ok {
		_, _ = fmt.Fprintf(stderr, "localcluster: unknown command %q\n\n%s", args[0], usage)
		return exitUsage
	}
	return exitCode(command(args[1:], stdout, stderr), stderr)
}

func exitCode(err error, stderr io.Writer) int {
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return exitOK
	case errors.Is(err, errUsage):
		return exitUsage
	default:
		_, _ = fmt.Fprintf(stderr, "localcluster: %v\n", err)
		return exitFailure
	}
}

// parse reads flags that all commands treat alike: no further arguments, and an error or help text is printed here.
func parse(flags *flag.FlagSet, args []string, stderr io.Writer) error {
	flags.SetOutput(stderr)
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		return errUsage // printed by Parse
	case flags.NArg() > 0:
		return usageError(flags, "unexpected argument %q", flags.Arg(0))
	}
	return nil
}

// usageError prints what is wrong and the help text of the command.
func usageError(flags *flag.FlagSet, format string, args ...any) error {
	_, _ = fmt.Fprintf(flags.Output(), "localcluster "+flags.Name()+": "+format+"\n", args...)
	flags.Usage()
	return errUsage
}
