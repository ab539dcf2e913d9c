package cluster

import (
	"context"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestASecondControlPlaneInTheSameDirectoryIsRefused(t *testing.T) {
	l := newTestLayout(t)
	first, err := lockPID(l.pidFile())
	if err != nil {
		t.Fatal(err)
	}
	defer first.release()
	_, err = lockPID(l.pidFile())
	if err == nil || !strings.Contains(err.Error(), "runs in this directory already") {
		t.Errorf("error = %v, want one that says that one runs already", err)
	}
}

func TestAReleasedDirectoryCanBeUsedAgain(t *testing.T) {
	l := newTestLayout(t)
	for range 2 {
		lock, err := lockPID(l.pidFile())
		if err != nil {
			t.Fatal(err)
		}
		lock.release()
	}
}

func TestDownFindsNothingToStop(t *testing.T) {
	// A program that runs and has nothing to do with us, whose number stands in a stale pid file.
	bystander := exec.Command("sleep", "60")
	if err := bystander.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = bystander.Process.Kill(), bystander.Wait() }()

	for name, prepare := range map[string]func(*testing.T, layout){
		"in a directory that was never used": func(*testing.T, layout) {},
		"after a clean stop": func(t *testing.T, l layout) {
			lock, err := lockPID(l.pidFile())
			if err != nil {
				t.Fatal(err)
			}
			lock.release()
		},
		"after a crash, with the number given to another program": func(t *testing.T, l layout) {
			if err := os.WriteFile(l.pidFile(), []byte(strconv.Itoa(bystander.Process.Pid)), 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newTestLayout(t)
			prepare(t, l)
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			stopped, err := Down(ctx, l.dir)
			if err != nil || stopped {
				t.Errorf("Down = %t, %v; want false and no error", stopped, err)
			}
		})
	}
	if err := bystander.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("the other program is gone: %v", err)
	}
}
