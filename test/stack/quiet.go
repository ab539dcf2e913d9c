package stack

import (
	"log/slog"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
)

// QuietLibraries keeps what the Kubernetes libraries log in the process of a test out of the test's output; the programs
// under test have logs of their own.
func QuietLibraries() {
	klog.SetSlogLogger(slog.New(slog.DiscardHandler))
	ctrllog.SetLogger(logr.Discard())
}
