//go:build linux

package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/apikey-operator/apikey-operator/hack/localcluster/node/archive"
	"github.com/apikey-operator/apikey-operator/hack/localcluster/node/machine"
)

// up starts a cluster and keeps it running, or hands it to a background process with --detach.
func up(args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("up", flag.ContinueOnError)
	dir := dirFlag(flags, "`directory` for everything of this cluster: data, keys, logs, kubeconfig (required; made if missing; what an earlier run left is removed)")
	detach := flags.Bool("detach", false, "return when it is ready and leave it running until \"nodecluster down\"")
	timeout := flags.Duration("start-timeout", time.Minute, "how long each component may take to become ready")
	if err := parse(flags, args, stderr, 0); err != nil {
		return err
	}
	if *timeout <= 0 {
		return usageError(flags, "--start-timeout must be positive, got %s", *timeout)
	}
	binary, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program's own path: %w", err)
	}
	options := machine.Options{
		Dir:          *dir,
		Binary:       binary,
		StartTimeout: *timeout,
		Progress:     stderr,
		Ready:        func(kubeconfig string) { _, _ = fmt.Fprintln(stdout, kubeconfig) },
	}
	if *detach {
		return machine.Detach(options)
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	return machine.Run(ctx, options)
}

// down stops what up started and removes what is left of it.
func down(args []string, _, stderr io.Writer) error {
	flags := flag.NewFlagSet("down", flag.ContinueOnError)
	dir := dirFlag(flags, "`directory` given to up (required)")
	timeout := flags.Duration("timeout", 45*time.Second, "how long it may take before it is killed")
	if err := parse(flags, args, stderr, 0); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), *timeout)
	defer cancel()
	stopped, err := machine.Down(ctx, *dir)
	if err == nil && !stopped {
		_, _ = fmt.Fprintf(stderr, "nodecluster: nothing runs in %s\n", *dir)
	}
	return err
}

// importImages hands image archives to the node, whose pods then find them by the names that the archives give.
func importImages(args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("import", flag.ContinueOnError)
	dir := dirFlag(flags, "`directory` given to up (required)")
	if err := parse(flags, args, stderr, -1); err != nil {
		return err
	}
	if flags.NArg() == 0 {
		return usageError(flags, "name the archives to import (OCI or Docker)")
	}
	socket, err := machine.Socket(*dir)
	if err != nil {
		return err
	}
	binary, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program's own path: %w", err)
	}
	for _, file := range flags.Args() {
		ctr := exec.Command(filepath.Join(filepath.Dir(binary), "ctr"), "--address", socket, "--namespace=k8s.io", "images", "import", file) // #nosec G204 -- built beside this program
		ctr.Stdout, ctr.Stderr = stdout, stderr
		if err := ctr.Run(); err != nil {
			return fmt.Errorf("import %s: %w", file, err)
		}
	}
	return nil
}

// archiveBinary makes an image of one static program, without an engine.
func archiveBinary(args []string, _, stderr io.Writer) error {
	flags := flag.NewFlagSet("archive", flag.ContinueOnError)
	var image archive.Image
	flags.StringVar(&image.Name, "name", "", "`name` of the image, such as localhost/app:1 (required)")
	flags.StringVar(&image.User, "user", "65532:65532", "`user` that the program runs as")
	out := flags.String("out", "", "`file` to write (required)")
	if err := parse(flags, args, stderr, -1); err != nil {
		return err
	}
	if image.Name == "" || *out == "" || flags.NArg() == 0 {
		return usageError(flags, "--name, --out and the program are required")
	}
	image.Binary, image.Args = flags.Arg(0), flags.Args()[1:]
	file, err := os.Create(*out)
	if err != nil {
		return fmt.Errorf("create the archive: %w", err)
	}
	return errors.Join(image.Write(file), file.Close())
}

// superviseNode runs inside the node.
func superviseNode(args []string, stdout, stderr io.Writer) error {
	if len(args) != 1 {
		return errors.New("supervise is run by the node's first process")
	}
	return machine.Supervise(args[0], stdout, stderr)
}

// dirFlag adds the flag that every command about a cluster has; parse insists on it.
func dirFlag(flags *flag.FlagSet, help string) *string { return flags.String("dir", "", help) }

// parse reads flags that all commands treat alike: an error or help text is printed here. It allows arguments besides
// flags where most is negative.
func parse(flags *flag.FlagSet, args []string, stderr io.Writer, most int) error {
	flags.SetOutput(stderr)
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		return errUsage // printed by Parse
	case most >= 0 && flags.NArg() > most:
		return usageError(flags, "unexpected argument %q", flags.Arg(most))
	}
	if dir := flags.Lookup("dir"); dir != nil && dir.Value.String() == "" {
		return usageError(flags, "--dir is required")
	}
	return nil
}

// usageError prints what is wrong and the help text of the command.
func usageError(flags *flag.FlagSet, format string, args ...any) error {
	_, _ = fmt.Fprintf(flags.Output(), "nodecluster "+flags.Name()+": "+format+"\n", args...)
	flags.Usage()
	return errUsage
}
