package gitops

import (
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// repository is a Git repository that is served over HTTP as Git hosts serve theirs.
type repository struct {
	URL string

	name, worktree string
}

// newRepository makes an empty repository, and serves it until the test ends.
func newRepository(t *testing.T, name string) *repository {
	t.Helper()
	dir := t.TempDir()
	bare := filepath.Join(dir, "served", name+".git")
	r := &repository{name: name, worktree: filepath.Join(dir, "worktree")}
	r.run(t, "", "init", "--quiet", "--bare", "--initial-branch=main", bare)
	r.run(t, "", "clone", "--quiet", bare, r.worktree)
	programs := strings.TrimSpace(r.run(t, "", "--exec-path"))
	server := httptest.NewServer(&cgi.Handler{
		Path: filepath.Join(programs, "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + filepath.Dir(bare), "GIT_HTTP_EXPORT_ALL=1"},
	})
	t.Cleanup(server.Close)
	r.URL = server.URL + "/" + name + ".git"
	return r
}

// push commits files by their paths, of which empty ones are removed, and returns the commit.
func (r *repository) push(t *testing.T, files map[string]string) (commit string) {
	t.Helper()
	for path, content := range files {
		path = filepath.Join(r.worktree, path)
		if content == "" {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r.run(t, r.worktree, "add", "--all")
	r.run(t, r.worktree, "-c", "user.name=Test", "-c", "user.email=test@phoenix.example", "commit", "--quiet", "--message=Change")
	r.run(t, r.worktree, "push", "--quiet", "origin", "HEAD:main")
	return strings.TrimSpace(r.run(t, r.worktree, "rev-parse", "HEAD"))
}

// tag gives what was pushed last a name.
func (r *repository) tag(t *testing.T, name string) {
	t.Helper()
	r.run(t, r.worktree, "tag", name)
	r.run(t, r.worktree, "push", "--quiet", "origin", name)
}

// run runs git without the settings of whoever runs the test.
func (r *repository) run(t *testing.T, dir string, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "git", args...)
	command.Dir = dir
	command.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
	printed, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v: %s", strings.Join(args, " "), err, printed)
	}
	return string(printed)
}
