package stack

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// How long things may take, on a machine that is busy with other work; usually a few seconds at most.
const (
	startTimeout = 90 * time.Second
	stopTimeout  = 60 * time.Second // the local control plane may take half of it
)

// Stack is what runs. Its methods may be called from several goroutines at once.
type Stack struct {
	Tools Tools
	// Dir holds everything: the control plane's data, kubeconfigs, logs, nginx configurations.
	Dir string

	root    string // of the project
	cluster *Process

	mu      sync.Mutex
	cleanup []func() error // in the order of the starts
}

// New makes an empty stack in a new directory of the system's place for temporary files.
func New(tools Tools) (*Stack, error) {
	project, err := root()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "apikey-operator-")
	if err != nil {
		return nil, fmt.Errorf("make a directory for the stack: %w", err)
	}
	s := &Stack{Tools: tools, Dir: dir, root: project}
	for _, sub := range []string{s.LogDir(), s.kubectlCache()} {
		if err := os.MkdirAll(sub, 0o700); err != nil {
			return nil, errors.Join(err, os.RemoveAll(dir))
		}
	}
	return s, nil
}

// LogDir holds a file for each process.
func (s *Stack) LogDir() string { return filepath.Join(s.Dir, "log") }

// Root is the directory of the project.
func (s *Stack) Root() string { return s.root }

// Close ends everything in the opposite order of its start and removes the directory.
func (s *Stack) Close() error {
	return errors.Join(s.Stop(), os.RemoveAll(s.Dir))
}

// Stop ends everything in the opposite order of its start and leaves the directory with the logs.
func (s *Stack) Stop() error {
	s.mu.Lock()
	cleanup := s.cleanup
	s.cleanup = nil
	s.mu.Unlock()
	var problems []error
	for i := len(cleanup) - 1; i >= 0; i-- {
		problems = append(problems, cleanup[i]())
	}
	return errors.Join(problems...)
}

// onStop adds what Stop does.
func (s *Stack) onStop(do func() error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cleanup = append(s.cleanup, do)
}

// Run starts a program that Stop ends, unless its Process is stopped before. The name tells it apart in the logs.
func (s *Stack) Run(name, program string, args ...string) (*Process, error) {
	return s.start(name, program, args...)
}

// start starts a program that Stop ends.
func (s *Stack) start(name, program string, args ...string) (*Process, error) {
	p, err := startProcess(name, filepath.Join(s.LogDir(), name+".log"), program, args...)
	if err != nil {
		return nil, err
	}
	s.onStop(func() error { return p.Stop(stopTimeout) })
	return p, nil
}
