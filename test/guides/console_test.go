package guides

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// command is one of a console block, with the lines that the guide shows below it.
type command struct {
	line   int // of the guide
	text   string
	expect []string
}

// commands are those of a console block: what begins with "$ ", with the lines that a backslash continues.
func (b block) commands() []command {
	var all []command
	continued := false
	for i, line := range strings.Split(strings.TrimSuffix(b.text, "\n"), "\n") {
		text, begins := strings.CutPrefix(line, "$ ")
		switch {
		case begins:
			all = append(all, command{line: b.line + 1 + i, text: text})
		case len(all) == 0: // printed before there was a command
			continue
		case continued:
			all[len(all)-1].text += "\n" + line
		case strings.TrimSpace(line) != "":
			all[len(all)-1].expect = append(all[len(all)-1].expect, line)
		}
		continued = strings.HasSuffix(line, `\`) && (begins || continued)
	}
	return all
}

// console is where a reader of a guide types: a shell whose kubectl is the lab's administrator.
type console struct {
	lab *lab
	dir string
	// env are further variables, such as KEY, also those that commands have exported.
	env map[string]string
}

// newConsole makes one whose curl reaches the proxy at host:port under every name; with none, curl goes where it is sent.
func (l *lab) newConsole(t *testing.T, proxy string, env map[string]string) *console {
	t.Helper()
	c := &console{lab: l, dir: t.TempDir(), env: map[string]string{}}
	maps.Copy(c.env, env)
	curlrc := "silent\nshow-error\nnoproxy = \"*\"\nmax-time = 30\n"
	if proxy != "" {
		curlrc += fmt.Sprintf("connect-to = \"::%s\"\ninsecure\n", proxy)
	}
	if err := os.WriteFile(filepath.Join(c.dir, ".curlrc"), []byte(curlrc), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(tools.Kubectl, filepath.Join(c.dir, "kubectl")); err != nil {
		t.Fatal(err)
	}
	return c
}

// follow runs all commands of a block, and looks that each prints the lines that the guide shows, among others; … stands for
// anything. It returns what each printed.
func (c *console) follow(t *testing.T, b block) []string {
	t.Helper()
	commands := b.commands()
	if len(commands) == 0 {
		t.Fatalf("%s:%d: there is no command in this block", b.guide, b.line)
	}
	var printed []string
	for _, command := range commands {
		output, err := c.run(t, command.text)
		where := fmt.Sprintf("%s:%d: %s", b.guide, command.line, command.text)
		if err != nil {
			t.Fatalf("%s: %v\n%s", where, err, output)
		}
		if missing := firstMissing(command.expect, output); missing != "" {
			t.Fatalf("%s\ndoes not print the line\n%s\nbut\n%s", where, missing, output)
		}
		printed = append(printed, output)
	}
	return printed
}

// exported begins commands that set a variable for those that follow.
const exported = "export "

// run runs one command in bash and returns what it printed on both outputs.
func (c *console) run(t *testing.T, text string) (string, error) {
	t.Helper()
	assignment, exports := strings.CutPrefix(text, exported)
	if !exports {
		return c.shell(t, text)
	}
	variable, _, _ := strings.Cut(assignment, "=")
	value, err := c.shell(t, assignment+"; printf %s \"$"+variable+"\"")
	c.env[variable] = value
	return "", err
}

func (c *console) shell(t *testing.T, text string) (string, error) {
	t.Helper()
	shell := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", text)
	shell.Dir = c.lab.Root()
	shell.Env = append(os.Environ(), "CURL_HOME="+c.dir, "PATH="+c.dir+":"+os.Getenv("PATH"),
		"KUBECONFIG="+c.lab.AdminKubeconfig(), "KUBECACHEDIR="+filepath.Join(c.dir, "cache"))
	for name, value := range c.env {
		shell.Env = append(shell.Env, name+"="+value)
	}
	var output bytes.Buffer
	shell.Stdout, shell.Stderr = &output, &output
	err := shell.Run()
	return strings.ReplaceAll(output.String(), "\r", ""), err
}

// firstMissing is the first of the lines for which the output has none that was not found for another; empty if there is
// none. The order is not looked at: that of headers means nothing.
func firstMissing(lines []string, output string) string {
	rest := strings.Split(output, "\n")
	for _, line := range lines {
		i := slices.IndexFunc(rest, shownAs(line).MatchString)
		if i < 0 {
			return line
		}
		rest = slices.Delete(rest, i, i+1)
	}
	return ""
}

// shownAs matches what a guide shows as a line: … stands for anything, and blanks between columns for any number of them.
func shownAs(line string) *regexp.Regexp {
	pattern := strings.ReplaceAll(regexp.QuoteMeta(strings.TrimSpace(line)), "…", ".*")
	pattern = regexp.MustCompile(` +`).ReplaceAllString(pattern, " +")
	return regexp.MustCompile(`^\s*` + pattern + `\s*$`)
}
