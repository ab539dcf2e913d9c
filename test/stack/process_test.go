package stack

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// shell starts a shell script as a process under test.
func shell(t *testing.T, script string) *Process {
	t.Helper()
	p, err := startProcess("the script", filepath.Join(t.TempDir(), "log"), "/bin/sh", "-c", script)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Kill(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// awaitLog waits until the script has printed a word.
func awaitLog(t *testing.T, p *Process, word string) {
	t.Helper()
	err := p.await(t.Context(), "the word "+word, 10*time.Second, func(context.Context) error {
		if !strings.Contains(p.tail(), word) {
			return errors.New("it is not in the log")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func expectWords(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("there was no error, want one with %q", words)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the error is %q, want %q in it", err, word)
		}
	}
}

func TestAProcessThatEndsOnSIGTERMIsStoppedWithoutAnError(t *testing.T) {
	p := shell(t, `trap 'exit 0' TERM; echo started; while :; do sleep 0.01; done`)
	awaitLog(t, p, "started")
	if err := p.Stop(10 * time.Second); err != nil {
		t.Error(err)
	}
	if err := p.Stop(10 * time.Second); err != nil {
		t.Errorf("the second time: %v", err)
	}
}

func TestAProcessThatDoesNotListenIsKilledAndReported(t *testing.T) {
	p := shell(t, `trap '' TERM; echo "I stay"; while :; do sleep 0.01; done`)
	awaitLog(t, p, "I stay")
	expectWords(t, p.Stop(50*time.Millisecond), "did not end within 50ms", "I stay")
	<-p.Exited()
}

func TestAProcessThatEndsBadlyOnSIGTERMIsReported(t *testing.T) {
	p := shell(t, `trap 'echo "no way"; exit 4' TERM; echo started; while :; do sleep 0.01; done`)
	awaitLog(t, p, "started")
	expectWords(t, p.Stop(10*time.Second), "exit status 4", "no way")
}

func TestAProcessThatEndedByItselfIsReported(t *testing.T) {
	p := shell(t, `echo "out of luck"; exit 7`)
	<-p.Exited()
	expectWords(t, p.Stop(10*time.Second), "ended by itself", "exit status 7", "out of luck")
}

func TestAnEndForAReasonThatIsExpectedIsNoError(t *testing.T) {
	p := shell(t, `echo "lost the lease"; exit 1`)
	if err := p.EndedSaying("the lease"); err != nil {
		t.Error(err)
	}
	if err := p.Stop(10 * time.Second); err != nil {
		t.Errorf("stopped after that: %v", err)
	}
	expectWords(t, p.EndedSaying("out of memory"), "out of memory", "exit status 1", "lost the lease")
}

func TestAwaitingGivesUpAsSoonAsTheProcessIsGone(t *testing.T) {
	p := shell(t, `echo "cannot listen"; exit 1`)
	err := p.await(t.Context(), "readiness", time.Hour, func(context.Context) error { return errors.New("not ready") })
	expectWords(t, err, "readiness", "exit status 1", "cannot listen")
}

func TestAwaitingSaysWhatWasSeenLastWhenTheTimeIsUp(t *testing.T) {
	p := shell(t, `echo "still loading"; exec sleep 60`)
	awaitLog(t, p, "still loading")
	err := p.await(t.Context(), "readiness", 50*time.Millisecond, func(context.Context) error { return errors.New("503") })
	expectWords(t, err, "waited 50ms in vain for readiness", "503", "still loading")
}

func TestSignalsToAProcessThatIsGoneAreNoErrors(t *testing.T) {
	p := shell(t, `exit 0`)
	<-p.Exited()
	if err := p.Signal(syscall.SIGHUP); err != nil {
		t.Error(err)
	}
}

func TestMissingToolsAreAllNamed(t *testing.T) {
	t.Setenv("LOCALCLUSTER", "/bin/sh")
	t.Setenv("KUBECTL", "")
	t.Setenv("NGINX", "/does/not/exist")
	t.Setenv("APIKEY_OPERATOR", "/bin/sh")
	_, err := ToolsFromEnv()
	expectWords(t, err, "KUBECTL is not set", "NGINX: ", "/does/not/exist")
	if strings.Contains(err.Error(), "LOCALCLUSTER") {
		t.Errorf("it complains about a tool that is there: %v", err)
	}
}

func TestAProgramThatDoesNotExistIsReported(t *testing.T) {
	_, err := startProcess("the program", filepath.Join(t.TempDir(), "log"), "/does/not/exist")
	expectWords(t, err, "start the program", "/does/not/exist")
}
