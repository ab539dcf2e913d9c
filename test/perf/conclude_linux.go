package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// conclude reports the results, and is an error where one misses its bar.
func (b *bench) conclude(results []result) error {
	if err := writeTable(os.Stdout, results); err != nil {
		return err
	}
	if b.options.report != "" {
		if err := writeReport(b.options.report, results); err != nil {
			return err
		}
	}
	if slices.ContainsFunc(results, func(r result) bool { return !r.OK }) {
		return errMissed
	}
	return nil
}

// profile asks a verifier for a CPU profile while it is under load, where profiles are wanted.
func (b *bench) profile(name string, t *target) error {
	if b.options.profiles == "" {
		return nil
	}
	const length = 4 * time.Second
	for _, s := range b.servers {
		if s.about == "" || !slices.Contains(t.pids, s.pids[0]) {
			continue
		}
		done := make(chan error, 1)
		url := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%.0f", s.about, length.Seconds())
		go func() { done <- download(url, filepath.Join(b.options.profiles, name+".pprof")) }()
		if _, err := t.closed(length + time.Second); err != nil {
			return err
		}
		if err := <-done; err != nil {
			return err
		}
	}
	return nil
}

func download(url, path string) error {
	response, err := http.Get(url) //nolint:gosec,noctx // of a child of ours
	if err != nil {
		return fmt.Errorf("get a profile: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("get a profile: %w", err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		return fmt.Errorf("keep a profile: %w", err)
	}
	return nil
}
