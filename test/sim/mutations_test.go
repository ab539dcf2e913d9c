package sim

import (
	"cmp"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// mutation is a mistake that is planted into one file of the program, in a copy that only this test compiles.
type mutation struct {
	file      string
	right     string // stands in the file once
	wrong     string
	wantWords string    // of the invariant that breaks
	and       *mutation // where one place alone is made good by another
	script    string    // the test whose histories break, where random ones seldom do
}

var mutations = map[string]mutation{
	"publish before record": {
		file:      "controllers/apikey/publish.go",
		right:     "	err = r.record(ctx, v, plan, nil)\n	if definitelyRefused(err) {",
		wrong:     "	v.lookedAt = r.Clock.Now()\n	r.held.hold(v.key, minted.Hash, plaintext, v.lookedAt)\n	_, _ = r.writeSecret(ctx, v, lifecycle.Plan{Action: lifecycle.Publish, Credential: minted})\n	err = r.record(ctx, v, plan, nil)\n	if definitelyRefused(err) {",
		wantWords: "BROKEN: ",
	},
	"publish before verifiers can know": {
		file:      "internal/lifecycle/publish.go",
		right:     "due := recorded.Add(s.PublishDelay)",
		wrong:     "due := recorded",
		wantWords: "BROKEN: 1, no dead key in a Secret",
	},
	"drop the previous early": {
		file:      "internal/lifecycle/publish.go",
		right:     "	if replaced {\n		planned = appendPrevious(planned, old, d, at)\n	}",
		wrong:     "	_ = replaced",
		wantWords: "BROKEN: 2, grace is kept",
	},
	"keep a previous while a third is published": {
		file:      "internal/lifecycle/publish.go",
		right:     "	if len(previous) == 0 && !dropped {",
		wrong:     "	if !dropped {",
		wantWords: "BROKEN: 3, at most two",
	},
	"rotate twice": {
		file:      "internal/lifecycle/rotation.go",
		right:     "	if current.Revision < max(d.Revision, d.MinRevision) {",
		wrong:     "	if asked := max(d.Revision, d.MinRevision); current.Revision < asked || current.Revision == asked && current.Cause == RevisionRaised {",
		wantWords: "BROKEN: 7, one rotation for one reason",
	},
	"forget a rotation that fell due": {
		file:      "internal/lifecycle/rotation.go",
		right:     "	if !at.doubtful() && at.reached(nextRotation(d, current)) {",
		wrong:     "	if !at.doubtful() && at.reached(nextRotation(d, current)) && !at.reached(nextRotation(d, current).Add(30*time.Minute)) {",
		wantWords: "BROKEN: 7, one rotation for one reason",
	},
	"revive a revoked key": {
		file:      "controllers/indexfeed/effective.go",
		right:     "key.Spec.Revoked || key.Status.State == v1alpha1.StateRevoked",
		wrong:     "key.Spec.Revoked && key.Status.State != v1alpha1.StateRevoked",
		wantWords: "BROKEN: 5, nothing comes back",
	},
	"drop the resource version": {
		file:      "controllers/apikey/publish.go",
		right:     "	if err := r.Writer.Status().Update(ctx, wanted); err != nil {",
		wrong:     "	if fresh, err := fetch(ctx, r.Live, nameOf(wanted)); err == nil {\n		wanted.ResourceVersion = fresh.ResourceVersion\n	}\n	if err := r.Writer.Status().Update(ctx, wanted); err != nil {",
		wantWords: "BROKEN: ",
	},
	"trust a cached absence": {
		file:      "controllers/apikey/observe.go",
		right:     "	secret := &corev1.Secret{}\n	err := r.Live.Get(",
		wrong:     "	secret := &corev1.Secret{}\n	cached := &metav1.PartialObjectMetadata{}\n	cached.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(\"Secret\"))\n	if apierrors.IsNotFound(r.Cached.Get(ctx, types.NamespacedName{Namespace: key.Namespace, Name: name}, cached)) {\n		return nil, nil\n	}\n	err := r.Live.Get(",
		wantWords: "BROKEN: ",
		and: &mutation{
			file:  "controllers/apikey/publish.go",
			right: "		write = func() error { return r.Writer.Create(ctx, secret) }",
			wrong: "		write = func() error {\n			err := r.Writer.Create(ctx, secret)\n			if apierrors.IsAlreadyExists(err) {\n				err = r.Writer.Update(ctx, secret)\n			}\n			return err\n		}",
		},
	},
	"let a paused leader write": {
		file:      "controllers/apikey/publish.go",
		right:     "	left := r.WriteWindow - r.Clock.Since(v.lookedAt)",
		wrong:     "	left := r.WriteWindow * 1000",
		wantWords: "BROKEN: ",
	},
	"repeat a create that may land yet": {
		file:      "controllers/apikey/publish.go",
		right:     "	return r.Settings.Fence\n",
		wrong:     "	return 0\n",
		wantWords: "BROKEN: 6, no orphan",
	},
	"drop a lost key while a write of it may land": {
		file:      "internal/lifecycle/credential.go",
		right:     "	return c.RetiredAt.Add(s.Fence + 2*ClockTolerance)",
		wrong:     "	return c.RetiredAt.Add(s.Fence / 100)",
		wantWords: "BROKEN: ",
	},
	"renew a key while a write of its last credential may land": {
		file:      "internal/lifecycle/plan.go",
		right:     "	if free := at.until(lastLanded(dead, \"\", s)); !free.IsZero() {",
		wrong:     "	if free := at.until(lastLanded(dead, \"\", s)); s.Fence == 0 {",
		wantWords: "BROKEN: 6, no orphan",
		script:    "TestALateCreateOfAnExpiredKeyIsNoOrphan",
	},
	"go on issuing what policy refuses": {
		file:      "internal/lifecycle/plan.go",
		right:     "	case o.Refused:\n		return rest(",
		wrong:     "	case o.Refused && len(standing) == 0:\n		return rest(",
		wantWords: "BROKEN: policy",
	},
	"go on granting what policy refuses": {
		file:      "controllers/apikey/status.go",
		right:     "	if deniesAll(plan) {\n		return withdrawn(v.key, plan)\n	}\n",
		wrong:     "	if deniesAll(plan) && plan.Denied != lifecycle.DeniedByPolicy {\n		return withdrawn(v.key, plan)\n	}\n",
		wantWords: "BROKEN: policy",
	},
	"forget until when a withdrawn grant was": {
		file:      "controllers/apikey/status.go",
		right:     "	return &v1alpha1.Grant{ExpiresAt: toTime(until)}\n",
		wrong:     "	return nil\n",
		wantWords: "BROKEN: 5, nothing comes back",
	},
}

// TestPlantedMistakesAreFound compiles this package with one mistake at a time in the program and expects the search
// to find a history that breaks.
func TestPlantedMistakesAreFound(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for name, m := range mutations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			output := m.search(t, root)
			if !strings.Contains(output, m.wantWords) {
				t.Errorf("no history broke in the way that was expected, %q; the search printed:\n%s", m.wantWords, tail(output))
			}
		})
	}
}

// search plants the mistake and plays histories until one breaks.
func (m mutation) search(t *testing.T, root string) string {
	t.Helper()
	dir := t.TempDir()
	binary := filepath.Join(dir, "sim.test")
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-overlay", m.overlay(t, root, dir), "-o", binary, "./test/sim")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("the program does not compile with the mistake: %v\n%s", err, out)
	}
	search := exec.CommandContext(t.Context(), binary, "-test.run=^"+cmp.Or(m.script, "TestNoHistoryBreaksAnInvariant")+"$", "-rapid.checks=20000",
		"-rapid.seed=1", "-rapid.nofailfile", "-rapid.shrinktime=1ms")
	search.Dir = filepath.Join(root, "test", "sim")
	out, err := search.CombinedOutput()
	if err == nil {
		t.Errorf("the search found nothing")
	}
	return string(out)
}

// overlay writes the files with the mistake, and what tells the compiler to take them.
func (m mutation) overlay(t *testing.T, root, dir string) string {
	t.Helper()
	replaced := map[string]string{}
	for part := &m; part != nil; part = part.and {
		replaced[filepath.Join(root, part.file)] = part.plant(t, root, dir)
	}
	description, err := json.Marshal(map[string]map[string]string{"Replace": replaced})
	if err != nil {
		t.Fatal(err)
	}
	overlay := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlay, description, 0o600); err != nil {
		t.Fatal(err)
	}
	return overlay
}

// plant writes a copy of the file that has the mistake, and returns its path.
func (m mutation) plant(t *testing.T, root, dir string) string {
	t.Helper()
	source, err := os.ReadFile(filepath.Join(root, m.file))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(source), m.right); n != 1 {
		t.Fatalf("what the mistake replaces stands %d times in %s: bring this test in line with it", n, m.file)
	}
	mistaken := filepath.Join(dir, filepath.Base(m.file))
	if err := os.WriteFile(mistaken, []byte(strings.Replace(string(source), m.right, m.wrong, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	return mistaken
}

// tail is the end of what was printed.
func tail(output string) string {
	lines := strings.Split(strings.TrimSpace(output), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}
