// Command demo shows the project's main job on this machine, step by step: an ApiKey applied with kubectl
// becomes a Secret with a working key, and nginx lets exactly that key through. Each step is checked, and
// the exit code is 0 only if every step saw what it should. hack/demo.sh builds and runs it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

// exitInterrupted is what shells report for a program that Ctrl-C ended.
const exitInterrupted = 130

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, newScreen(os.Stdout), os.Getenv("KEEP") == "1")
	stop()
	os.Exit(code)
}

// run runs the demo, ends what it started, and returns the exit code.
func run(ctx context.Context, out *screen, keep bool) int {
	tools, err := stack.ToolsFromEnv()
	if err != nil {
		out.failed(fmt.Errorf("%w: run make demo, which builds and sets them", err))
		return 1
	}
	s, err := stack.New(tools)
	if err != nil {
		out.failed(err)
		return 1
	}
	d := &demo{stack: s, out: out}
	err = d.play(ctx)
	if err == nil && keep {
		d.leaveRunning(ctx)
	}
	return end(ctx, out, s, err)
}

// end stops the stack and says how it went. After a failure the logs are left.
func end(ctx context.Context, out *screen, s *stack.Stack, err error) int {
	if ctx.Err() != nil {
		out.say("\nStopping.")
		if closeErr := s.Close(); closeErr != nil {
			out.failed(closeErr)
		}
		if err != nil {
			return exitInterrupted
		}
		return 0 // everything was shown, and KEEP=1 was ended
	}
	if err == nil {
		err = s.Close()
	} else {
		err = errors.Join(err, s.Stop())
		defer out.say("\nThe logs of all processes are in %s", s.LogDir())
	}
	if err != nil {
		out.failed(err)
		return 1
	}
	return 0
}
