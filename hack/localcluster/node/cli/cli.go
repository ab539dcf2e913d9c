//go:build linux

// Package cli is nodecluster's command line, apart from the programs of Kubernetes that are linked in.
package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/apikey-operator/apikey-operator/hack/localcluster/node/machine"
)

const usage = `nodecluster runs a Kubernetes cluster of one node for tests. It needs Linux and root.

Usage:
  nodecluster up --dir DIR [--detach] [--start-timeout 60s]
  nodecluster import --dir DIR FILE...
  nodecluster down --dir DIR [--timeout 45s]
  nodecluster archive --name NAME --out FILE [--user 65532:65532] BINARY [ARGUMENT...]

"nodecluster COMMAND --help" tells more.
`

// Exit codes.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
)

// errUsage marks an error that is the caller's and has been printed together with the help text.
var errUsage = errors.New("wrong usage")

// Run runs one of the commands that are this program's own and returns the exit code.
func Run(args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		_, _ = fmt.Fprint(stderr, usage)
		return exitUsage
	}
	commands := map[string]func([]string, io.Writer, io.Writer) error{
		"up": up, "down": down, "import": importImages, "archive": archiveBinary,
		machine.SuperviseCommand: superviseNode,
	}
	switch args[0] {
	case "help", "-h", "--help":
		_, _ = fmt.Fprint(stdout, usage)
		return exitOK
	}
	command, ok := commands[args[0]]
	if !ok {
		_, _ = fmt.Fprintf(stderr, "nodecluster: unknown command %q\n\n%s", args[0], usage)
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
		_, _ = fmt.Fprintf(stderr, "nodecluster: %v\n", err)
		return exitFailure
	}
}
