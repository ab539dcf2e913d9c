package supervise

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// newGroup returns a group that is stopped at the test's end, and what it says.
func newGroup(t *testing.T, startTimeout time.Duration) *Group {
	t.Helper()
	group, err := NewGroup(t.TempDir(), startTimeout, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { group.Stop(true) })
	return group
}

// component runs a stand-in that is ready once its log has the text.
func component(t *testing.T, group *Group, standIn, readyText string) Component {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Component{Name: standIn, Command: []string{binary, standIn}, Check: func(context.Context) error {
		content, err := os.ReadFile(filepath.Join(group.logDir, standIn+".log"))
		if err == nil && !strings.Contains(string(content), readyText) {
			err = errors.New("the log says nothing yet")
		}
		return err
	}}
}

func TestAGroupRunsUntilItIsAskedToEnd(t *testing.T) {
	group := newGroup(t, 10*time.Second)
	if err := group.Start(t.Context(), component(t, group, "waits", "waiting")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := group.Wait(ctx); err != nil {
		t.Errorf("error = %v, want none", err)
	}
}

func TestAStartFails(t *testing.T) {
	for name, c := range map[string]struct {
		standIn      string
		startTimeout time.Duration
		want         string
	}{
		"where the component dies":           {standIn: "fails", startTimeout: 10 * time.Second, want: "fails stopped unexpectedly (exit status 3)"},
		"where it is not ready in time":      {standIn: "waits", startTimeout: 200 * time.Millisecond, want: "waits did not become ready: no answer within 200ms"},
		"with what was seen of it last, too": {standIn: "waits", startTimeout: 200 * time.Millisecond, want: "the log says nothing yet"},
	} {
		t.Run(name, func(t *testing.T) {
			group := newGroup(t, c.startTimeout)
			err := group.Start(t.Context(), component(t, group, c.standIn, "never said"))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error = %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestADeathIsToldOf(t *testing.T) {
	group := newGroup(t, 10*time.Second)
	if err := group.Start(t.Context(), component(t, group, "waits", "waiting")); err != nil {
		t.Fatal(err)
	}
	if err := group.processes[0].cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := group.Wait(t.Context()); err == nil || !strings.Contains(err.Error(), "waits stopped unexpectedly (signal: killed)") {
		t.Errorf("error = %v, want one that names the process", err)
	}
}
