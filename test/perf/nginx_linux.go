package main

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"github.com/apikey-operator/apikey-operator/test/perf/corpus"
	"github.com/apikey-operator/apikey-operator/test/perf/proc"
	"github.com/apikey-operator/apikey-operator/test/perf/serve"
	"github.com/apikey-operator/apikey-operator/test/stack"
)

//go:embed nginx.conf.tmpl
var nginxTemplateText string

var nginxTemplate = template.Must(template.New("nginx.conf").Parse(nginxTemplateText))

// nginxOptions say what nginx does. Without a verifier it only answers at once.
type nginxOptions struct {
	name      string
	Verifier  string
	KeepAlive int // idle connections to the verifier that are kept; 0: each question opens one
}

// nginxSettings are what the template is filled with.
type nginxSettings struct {
	nginxOptions

	Dir, Listen, Application, Requirement string
	AsRoot                                bool
	Answer                                [][2]string
	Identity                              []nginxHeader
}

type nginxHeader struct{ Name, Variable string }

// nginxAnswer is serve.Answer for nginx, which adds Server and Connection of its own: as many headers leave it and as many
// bytes, so two of ours are left out and a third is lengthened by what is missing.
func nginxAnswer() [][2]string {
	missing := 0
	answer := slices.DeleteFunc(slices.Clone(serve.Answer), func(header [2]string) bool {
		left := header[0] == "X-Request-Id" || header[0] == "Cache-Control"
		if left {
			missing += len(header[0]) + len(header[1])
		}
		return left
	})
	missing -= len("Server") + len("nginx") + len("Connection") + len("keep-alive")
	answer[0][1] += strings.Repeat("x", missing)
	return answer
}

func (b *bench) startNginx(o nginxOptions) (*server, error) {
	settings := nginxSettings{
		nginxOptions: o, Dir: filepath.Join(b.dir, o.name), Requirement: corpus.Requirement,
		AsRoot: os.Geteuid() == 0, Answer: nginxAnswer(),
	}
	for _, header := range stack.IdentityHeaders {
		settings.Identity = append(settings.Identity,
			nginxHeader{Name: header, Variable: strings.ToLower(strings.ReplaceAll(header, "-", "_"))})
	}
	if err := os.Mkdir(settings.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make a directory for nginx: %w", err)
	}
	var err error
	for _, address := range []*string{&settings.Listen, &settings.Application} {
		if *address, err = stack.FreeAddress(); err != nil {
			return nil, err
		}
	}
	path := filepath.Join(settings.Dir, "nginx.conf")
	file, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("write nginx.conf: %w", err)
	}
	if err := nginxTemplate.Execute(file, settings); err != nil {
		return nil, fmt.Errorf("write nginx.conf: %w", err)
	}
	if err := file.Close(); err != nil {
		return nil, fmt.Errorf("write nginx.conf: %w", err)
	}
	cmd := exec.Command(b.options.nginx, "-p", settings.Dir, "-c", path, "-e", "stderr")
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "NGINX=") })
	cmd.Stderr = os.Stderr
	s := &server{name: o.name, address: settings.Application, cmd: cmd}
	if o.Verifier != "" {
		s.address = settings.Listen
	}
	if err := b.start(s); err != nil {
		return nil, err
	}
	if err := awaitListening(b.ctx, s.address); err != nil {
		return nil, fmt.Errorf("%s: %w", o.name, err)
	}
	workers, err := proc.Children(cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	if len(workers) != 1 {
		return nil, fmt.Errorf("nginx has %d workers, want 1", len(workers))
	}
	s.pids = workers
	return s, nil
}
