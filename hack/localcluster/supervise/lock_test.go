package supervise

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func pidFile(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "pid")
}

func TestASecondSupervisorInTheSameDirectoryIsRefused(t *testing.T) {
	file := pidFile(t)
	first, err := LockPID(file)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Release()
	_, err = LockPID(file)
	if err == nil || !strings.Contains(err.Error(), "runs in this directory already") {
		t.Errorf("error = %v, want one that says that one runs already", err)
	}
}

func TestAReleasedDirectoryCanBeUsedAgain(t *testing.T) {
	file := pidFile(t)
	for range 2 {
		lock, err := LockPID(file)
		if err != nil {
			t.Fatal(err)
		}
		lock.Release()
	}
}

func TestDownFindsNothingToStop(t *testing.T) {
	// A program that runs and has nothing to do with us, whose number stands in a stale pid file.
	bystander := exec.Command("sleep", "60")
	if err := bystander.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = bystander.Process.Kill(), bystander.Wait() }()

	for name, prepare := range map[string]func(*testing.T, string){
		"in a directory that was never used": func(*testing.T, string) {},
		"after a clean stop": func(t *testing.T, file string) {
			lock, err := LockPID(file)
			if err != nil {
				t.Fatal(err)
			}
			lock.Release()
		},
		"after a crash, with the number given to another program": func(t *testing.T, file string) {
			if err := os.WriteFile(file, []byte(strconv.Itoa(bystander.Process.Pid)), 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			file := pidFile(t)
			prepare(t, file)
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			stopped, err := Down(ctx, file)
			if err != nil || stopped {
				t.Errorf("Down = %t, %v; want false and no error", stopped, err)
			}
		})
	}
	if err := bystander.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("the other program is gone: %v", err)
	}
}
