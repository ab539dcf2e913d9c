//go:build linux

package machine

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"testing"
)

func TestAProcessIsKnownUntilItsEnd(t *testing.T) {
	child := exec.Command("sleep", "60")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	first, ok := identify(child.Process.Pid)
	if !ok || !first.runs() {
		t.Errorf("%+v does not run", first)
	}
	file := t.TempDir() + "/pid"
	if err := first.write(file); err != nil {
		t.Fatal(err)
	}
	if got, err := readIdentity(file); err != nil || got != first {
		t.Errorf("read %+v, %v; want %+v", got, err, first)
	}
	_ = child.Process.Kill()
	_ = child.Wait()
	if first.runs() {
		t.Error("it runs after its end")
	}
}

func TestAnotherProcessOfTheSameNumberIsNotTakenForIt(t *testing.T) {
	self, ok := identify(os.Getpid())
	if !ok {
		t.Fatal("this process does not run")
	}
	self.started = "1"
	if self.runs() {
		t.Error("it is told by its number alone")
	}
}

func TestNothingIsAwaitedWhereNoNodeRan(t *testing.T) {
	l := newTestLayout(t)
	if err := awaitEnd(l); err != nil {
		t.Error(err)
	}
	if _, err := readIdentity(l.initPID()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error = %v, want one that says that there is none", err)
	}
}
