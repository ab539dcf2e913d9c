package proc_test

import (
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/test/perf/proc"
)

func TestTheTimeOfAProcessIsThatOfItsThreads(t *testing.T) {
	const work = 50 * time.Millisecond
	before, err := proc.CPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for after := before; after < before+work; { // ends since it is itself what is counted
		if after, err = proc.CPU(os.Getpid()); err != nil {
			t.Fatal(err)
		}
	}
	const beyondAll = 1<<22 + 1 // of PID_MAX_LIMIT
	if _, err := proc.CPU(beyondAll); err == nil {
		t.Error("a process that is none has run")
	}
}

func TestAStartedProcessIsAChildOnItsProcessor(t *testing.T) {
	cores, err := proc.UsableCores()
	if err != nil {
		t.Fatal(err)
	}
	spawner, err := proc.NewSpawner(cores.Server)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sleep", "60")
	if err := spawner.Start(cmd); err != nil {
		t.Fatal(err)
	}
	children, err := proc.Children(os.Getpid())
	if err != nil || !slices.Contains(children, cmd.Process.Pid) {
		t.Errorf("the children are %v, not %d; %v", children, cmd.Process.Pid, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait() // killed
}
