// Package decisionlog writes what was refused, and where wanted what was allowed, as lines of JSON. It serves beside
// the decisions, not before them: what comes faster than it may be written is counted instead, at the cost of two
// atomic operations, and a slow or broken output loses lines, never time.
//
// A line holds no key, and nothing that a client sends can break out of its field or make up a line of its own.
package decisionlog

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/authn"
)

// Mode is which decisions are logged.
type Mode string

// The modes.
const (
	Refusals Mode = "refusals" // all but Allowed
	All      Mode = "all"      // one of Settings.Sample allowed requests as well
	Off      Mode = "off"
)

// Settings of a Log.
type Settings struct {
	Mode Mode
	// Sample is, with All, of how many allowed requests one is logged, from the first on; at least 1.
	Sample uint64
}

// DefaultSettings are those of a verifier that is told nothing else.
func DefaultSettings() Settings { return Settings{Mode: Refusals, Sample: 1} }

// Validate reports what makes no sense, naming it as the verifier's flags are named.
func (s Settings) Validate() error {
	switch s.Mode {
	case Refusals, All, Off:
	default:
		return fmt.Errorf("--decision-log: %q is unknown: give %s, %s or %s", string(s.Mode), Refusals, All, Off)
	}
	if s.Sample == 0 {
		return fmt.Errorf("--decision-log-sample: one of 0 allowed requests makes no sense: give 1 or more")
	}
	return nil
}

// Decision can tell what there is to say of it.
type Decision interface {
	Describe() Entry
}

// Entry is what there is to say of a decision. Its slices and strings need be valid during Write alone.
type Entry struct {
	Dialect string

	// What is known of the ApiKey; all empty where the key is unknown.
	Namespace, Name string
	Hint            []byte // never more than the ApiKey's status shows
	Revision        int64

	// What the client chose.
	Host, Method []byte
	URL          []byte // absolute or a path; its path alone is logged, and its host where Host is empty
	RequestID    []byte
	Client       netip.Addr // the zero value where it is not known

	TraceID string // empty where nothing traces
}

// bufferedLines is how many lines wait for a slow output before more are dropped. Two seconds of all reasons
// together, and at most some megabytes.
const bufferedLines = 2 * perSecond * authn.ReasonCount

// Log writes entries. Its methods may be called from any number of goroutines.
type Log struct {
	settings Settings
	start    time.Time
	reasons  [authn.ReasonCount]allowance
	allowed  atomic.Uint64 // requests, to take one of so many

	out     io.Writer
	logger  *slog.Logger
	lines   chan []byte
	dropped atomic.Uint64

	closing sync.Once
	stop    chan struct{} // closed when no more lines are wanted
	done    chan struct{} // closed when the last one is written
}

// New makes a Log that writes to out until Close, each line in one call; now is any time before the first entry's,
// and of the same clock. It tells logger when out begins to fail. Where out is the standard output the program has to
// ignore SIGPIPE, which otherwise ends it when nobody reads any more. New fails on settings that make no sense.
func New(settings Settings, out io.Writer, now time.Time, logger *slog.Logger) (*Log, error) {
	if err := settings.Validate(); err != nil {
		return nil, err
	}
	l := &Log{
		settings: settings,
		start:    now,
		out:      out,
		logger:   logger,
		lines:    make(chan []byte, bufferedLines),
		stop:     make(chan struct{}),
		done:     make(chan struct{}),
	}
	go l.run()
	return l, nil
}

// Write logs a decision, or counts it where its reason has had its lines of this second; only one that is logged is asked
// what there is to say of it. It does not wait for the output. The time should be of one monotonic clock, as time.Now is.
func (l *Log) Write(reason authn.Reason, at time.Time, decision Decision) {
	if !l.wants(reason) {
		return
	}
	a := &l.reasons[reason]
	suppressed, ok := a.take(at.Sub(l.start))
	if !ok {
		return
	}
	select {
	case <-l.stop:
		l.dropped.Add(1)
		return
	default:
	}
	select {
	case l.lines <- newLine(reason, at, decision, suppressed):
	default:
		l.dropped.Add(1)
		a.giveBack(suppressed)
	}
}

func newLine(reason authn.Reason, at time.Time, decision Decision, suppressed uint64) []byte {
	e := decision.Describe()
	return appendLine(nil, reason, at, &e, suppressed)
}

func (l *Log) wants(reason authn.Reason) bool {
	if reason != authn.Allowed {
		return l.settings.Mode != Off
	}
	return l.settings.Mode == All && (l.allowed.Add(1)-1)%l.settings.Sample == 0
}

// Suppressed is how many decisions of a reason were not logged because there were too many of them. What sampling
// leaves out is not among them.
func (l *Log) Suppressed(reason authn.Reason) uint64 { return l.reasons[reason].suppressed.Load() }

// Dropped is how many lines were lost because the output was too slow, or failed.
func (l *Log) Dropped() uint64 { return l.dropped.Load() }

// Close has no more entries written, and waits until those that were are. Where ctx ends before that, as it does with
// an output that is stuck, it returns an error and the rest is lost.
func (l *Log) Close(ctx context.Context) error {
	l.closing.Do(func() { close(l.stop) })
	select {
	case <-l.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("write the rest of the decision log, %d lines: %w", len(l.lines), ctx.Err())
	}
}

func (l *Log) run() {
	defer close(l.done)
	failing := false
	for {
		select {
		case line := <-l.lines:
			failing = l.put(line, failing)
		case <-l.stop:
			l.flush(failing)
			return
		}
	}
}

func (l *Log) flush(failing bool) {
	for {
		select {
		case line := <-l.lines:
			failing = l.put(line, failing)
		default:
			return
		}
	}
}

// put writes a line, and says so when that fails for the first time since it last did not.
func (l *Log) put(line []byte, failing bool) (fails bool) {
	_, err := l.out.Write(line)
	if err == nil {
		return false
	}
	l.dropped.Add(1)
	if !failing {
		l.logger.Warn("the decision log cannot be written, so its lines are lost until it can", "error", err.Error())
	}
	return true
}
