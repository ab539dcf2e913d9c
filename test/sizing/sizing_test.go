package sizing

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

// managerArgs are those of a manager beside whom there is no other and no webhook.
var managerArgs = []string{"--leader-elect=false", "--webhook-bind-address=0"}

// program is a manager or a verifier that has been started and is measured.
type program struct {
	*stack.Process

	began   time.Time
	metrics string
	ready   func(context.Context) error
	// looked is nil when it has done all that is to be done after a start.
	looked func(context.Context) error
}

// row is what one program took for so many ApiKeys.
type row struct {
	keys            int
	name            string
	ready, settled  time.Duration // from the start of the process
	startCPU        time.Duration
	startPeak, idle int64 // bytes
	heap            int64
	relistPeak      int64
	afterRelist     int64
	relistCPU       time.Duration
	idleCPU         float64 // of one processor
}

// TestWhatManyKeysTake prints a table.
func TestWhatManyKeysTake(t *testing.T) {
	l := startLab(t)
	var rows []row
	var servers []string
	for _, n := range sizes {
		t.Run(fmt.Sprintf("%d ApiKeys", n), func(t *testing.T) {
			began := time.Now()
			l.fill(t, n)
			t.Logf("%d ApiKeys were there after %.0f s", n, time.Since(began).Seconds())
			for _, m := range []measurement{{"verifier", l.launchVerifier}, {"manager", l.launchManager}} {
				free := l.measure(t, m, 0)
				limited := l.measure(t, m, limitFor(free))
				rows = append(rows, free, limited)
				t.Logf("\n%s%s", free, limited) // the whole table comes at the end, which may be far
			}
			servers = append(servers, l.describeServers(t, n))
		})
	}
	t.Logf("\n%s\n%s", table(rows), strings.Join(servers, "\n"))
}

// measurement is a program that can be started.
type measurement struct {
	name   string
	launch func(*testing.T, stack.Options) program
}

// limitFor is a soft limit on Go's memory that leaves the collector half as much again as what is in use.
func limitFor(free row) int64 { return free.heap + free.heap/2 + 32*mebibyte }

func (l *lab) launchVerifier(t *testing.T, o stack.Options) program {
	t.Helper()
	began := time.Now()
	v, err := l.LaunchVerifier(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	holdsAll := func(ctx context.Context) error {
		metrics, err := stack.Scrape(ctx, v.Metrics)
		if n := metrics["apikey_operator_verifier_index_apikeys"]; err == nil && n != float64(l.stored) {
			err = fmt.Errorf("it has %g ApiKeys, want %d", n, l.stored)
		}
		return err
	}
	return program{Process: v.Process, began: began, metrics: v.Metrics, ready: v.Ready, looked: holdsAll}
}

func (l *lab) launchManager(t *testing.T, o stack.Options) program {
	t.Helper()
	began := time.Now()
	o.Args = managerArgs
	m, err := l.LaunchManager(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	looked := func(ctx context.Context) error {
		metrics, err := stack.Scrape(ctx, m.Metrics)
		passes := 0.0
		for series, n := range metrics {
			if strings.HasPrefix(series, `controller_runtime_reconcile_total{controller="apikey",`) {
				passes += n
			}
		}
		if err == nil && passes < float64(l.stored) {
			err = fmt.Errorf("%g passes are done", passes)
		}
		return err
	}
	return program{Process: m.Process, began: began, metrics: m.Metrics, ready: m.Ready, looked: looked}
}

// measure starts a program with a soft limit on Go's memory, or with 0 none, has it read everything anew, leaves it
// alone, and stops it.
func (l *lab) measure(t *testing.T, m measurement, limit int64) row {
	t.Helper()
	l.recorder.Take()
	name := m.name
	o := stack.Options{Name: fmt.Sprintf("%s-%d", name, l.stored), Server: l.recorder.URL}
	if limit > 0 {
		name += fmt.Sprintf(", `GOMEMLIMIT=%dMiB`", limit/mebibyte)
		o.Name, o.Env = o.Name+"-limited", []string{fmt.Sprintf("GOMEMLIMIT=%d", limit)}
	}
	p := m.launch(t, o)
	r := row{keys: l.stored, name: name}
	l.await(t, p, "ready", p.ready)
	r.ready = time.Since(p.began)
	l.await(t, p, "done with all ApiKeys", p.looked)
	r.settled = awaitQuiet(t, p.PID()).Sub(p.began)
	started := usageOf(t, p.PID())
	r.startPeak, r.startCPU = started.peak, started.cpu

	resetPeak(t, p.PID())
	if l.recorder.Interrupt() == 0 {
		t.Fatalf("the %s watches nothing", name)
	}
	awaitQuiet(t, p.PID())
	relisted := usageOf(t, p.PID())
	r.relistPeak, r.afterRelist, r.relistCPU = relisted.peak, relisted.rss, relisted.cpu-started.cpu
	l.await(t, p, "done with all ApiKeys", p.looked)

	time.Sleep(idleFor) // this is what is measured
	idle := usageOf(t, p.PID())
	r.idle, r.idleCPU = idle.rss, (idle.cpu-relisted.cpu).Seconds()/idleFor.Seconds()
	var err error
	if r.heap, err = liveHeap(t.Context(), p.metrics); err != nil {
		t.Fatal(err)
	}
	l.checkQuiet(t, name)
	if err := p.Stop(time.Minute); err != nil {
		t.Fatal(err)
	}
	return r
}

func (l *lab) await(t *testing.T, p program, what string, check func(context.Context) error) {
	t.Helper()
	allowed := time.Minute + time.Duration(l.stored)*10*time.Millisecond
	if err := stack.Await(t.Context(), p.Name+" to be "+what, allowed, check); err != nil {
		t.Fatal(err)
	}
}

// checkQuiet sees that the ApiKeys were such that there was nothing to do, and that everything was listed twice.
func (l *lab) checkQuiet(t *testing.T, name string) {
	t.Helper()
	wholes := 0
	for _, r := range l.recorder.Take() {
		counted := r.Resource == "apikeypolicies/status" // follows the number of ApiKeys
		if r.Writes() && !counted || r.Verb == "get" && (r.Resource == "secrets" || r.Resource == "apikeys") {
			t.Errorf("the %s asked to %s %s %s", name, r.Verb, r.Resource, r.Name)
			return
		}
		if r.Whole && r.Resource == "apikeys" {
			wholes++
		}
	}
	if wholes < 2 {
		t.Errorf("the %s was not seen to read everything anew", name)
	}
}

// describeServers tells what the control plane takes, for information.
func (l *lab) describeServers(t *testing.T, n int) string {
	t.Helper()
	memory := map[string]int64{}
	for _, component := range []string{"kube-apiserver", "etcd"} {
		pid, err := l.ComponentPID(component)
		if err != nil {
			t.Fatal(err)
		}
		memory[component] = usageOf(t, pid).rss
	}
	return fmt.Sprintf("with %d ApiKeys and their Secrets: kube-apiserver %d MiB, etcd %d MiB", n,
		memory["kube-apiserver"]/mebibyte, memory["etcd"]/mebibyte)
}

func table(rows []row) string {
	var text strings.Builder
	text.WriteString("| ApiKeys | program | ready | settled | processor | peak | live heap | peak of a relist | after | its processor | idle | idle processor |\n" +
		"| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for _, r := range rows {
		text.WriteString(r.String())
	}
	return text.String()
}

// String is the row's line of the table.
func (r row) String() string {
	return fmt.Sprintf("| %d | %s | %.1f s | %.1f s | %.1f s | %d MiB | %d MiB | %d MiB | %d MiB | %.1f s | %d MiB | %.1f %% |\n",
		r.keys, r.name, r.ready.Seconds(), r.settled.Seconds(), r.startCPU.Seconds(), r.startPeak/mebibyte, r.heap/mebibyte,
		r.relistPeak/mebibyte, r.afterRelist/mebibyte, r.relistCPU.Seconds(), r.idle/mebibyte, 100*r.idleCPU)
}
