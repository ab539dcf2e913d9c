package supervise

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// standIns are programs that the test binary runs instead of the tests when its first argument names one.
var standIns = map[string]func(){
	"fails": func() {
		fmt.Println("first line\nlast line")
		os.Exit(3)
	},
	"prints ETCD_NAME": func() {
		fmt.Printf("ETCD_NAME=%q\n", os.Getenv("ETCD_NAME"))
		os.Exit(0)
	},
	"waits": func() {
		FollowLifeline()
		fmt.Println("waiting")
		select {}
	},
	"ignores SIGTERM": func() {
		signal.Ignore(syscall.SIGTERM)
		FollowLifeline()
		fmt.Println("waiting")
		select {}
	},
}

func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		if standIn, ok := standIns[os.Args[1]]; ok {
			standIn()
		}
	}
	os.Exit(m.Run())
}

// startStandIn returns the process and the end of its lifeline that a supervisor holds.
func startStandIn(t *testing.T, name string) (p *process, lifeline *os.File) {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	childEnd, ourEnd, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p, err = startProcess(name, filepath.Join(t.TempDir(), "log"), childEnd, []string{binary, name})
	if err != nil {
		t.Fatal(err)
	}
	_ = childEnd.Close()
	t.Cleanup(func() {
		p.stop(0)
		_ = ourEnd.Close()
	})
	return p, ourEnd
}

func awaitLog(t *testing.T, p *process, want string) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		content, err := os.ReadFile(p.logPath)
		if err == nil && strings.Contains(string(content), want) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the log lacks %q: %q, %v", want, content, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func awaitExit(t *testing.T, p *process) {
	t.Helper()
	select {
	case <-p.exited:
	case <-time.After(10 * time.Second):
		t.Fatalf("%s still runs", p.name)
	}
}

func TestAProcessThatDiesIsNamedWithItsExitAndTheEndOfItsLog(t *testing.T) {
	p, _ := startStandIn(t, "fails")
	awaitExit(t, p)
	message := p.deathError().Error()
	for _, want := range []string{"fails stopped unexpectedly", "exit status 3", p.logPath, "last line"} {
		if !strings.Contains(message, want) {
			t.Errorf("the error lacks %q: %s", want, message)
		}
	}
}

func TestSettingsForAnotherEtcdDoNotReachOurs(t *testing.T) {
	t.Setenv("ETCD_NAME", "other")
	p, _ := startStandIn(t, "prints ETCD_NAME")
	awaitLog(t, p, `ETCD_NAME=""`)
}

func TestAProcessEndsWithWhatStartedIt(t *testing.T) {
	p, lifeline := startStandIn(t, "waits")
	awaitLog(t, p, "waiting")
	// What the kernel does when the parent is killed.
	if err := lifeline.Close(); err != nil {
		t.Fatal(err)
	}
	awaitExit(t, p)
}

func TestStopEndsAProcess(t *testing.T) {
	for name, c := range map[string]struct {
		standIn string
		grace   time.Duration
		wantEnd string
	}{
		"by asking for its end":                         {standIn: "waits", grace: time.Minute, wantEnd: "signal: terminated"},
		"by killing it where it does not end by itself": {standIn: "ignores SIGTERM", grace: 100 * time.Millisecond, wantEnd: "signal: killed"},
	} {
		t.Run(name, func(t *testing.T) {
			p, _ := startStandIn(t, c.standIn)
			awaitLog(t, p, "waiting")
			p.stop(c.grace)
			if p.exitErr == nil || p.exitErr.Error() != c.wantEnd {
				t.Errorf("it ended with %v, want %s", p.exitErr, c.wantEnd)
			}
		})
	}
}

func TestTailOfShowsTheLastLinesOnly(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(file, []byte("one\ntwo\nthree\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := tailOf(file, 2)
	if want := "    two\n    three"; err != nil || got != want {
		t.Errorf("tailOf = %q, %v; want %q", got, err, want)
	}
}
