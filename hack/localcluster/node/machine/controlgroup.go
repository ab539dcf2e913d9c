//go:build linux

package machine

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// controlGroupPatience bounds the wait for processes that the kernel is about to take out of their control groups.
const controlGroupPatience = 10 * time.Second

// controlGroup is the control group of all pods of a cluster, in each hierarchy. Clusters that shared one would remove each other's pods.
func controlGroup(l layout) string { return "apikey-operator-node-" + l.id() }

// hierarchies are the directories where this machine has control groups: one, or with version 1 one for each controller.
func hierarchies() ([]string, error) {
	mounts, err := os.Open("/proc/self/mounts")
	if err != nil {
		return nil, fmt.Errorf("find the control groups: %w", err)
	}
	defer func() { _ = mounts.Close() }()
	var found []string
	for lines := bufio.NewScanner(mounts); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) > 2 && (fields[2] == "cgroup" || fields[2] == "cgroup2") {
			found = append(found, fields[1])
		}
	}
	if len(found) == 0 {
		return nil, errors.New("this machine has no control groups below /sys/fs/cgroup, which a kubelet needs")
	}
	return found, nil
}

func createControlGroups(name string) error {
	directories, err := hierarchies()
	if err != nil {
		return err
	}
	for _, dir := range directories {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil && !errors.Is(err, fs.ErrExist) { // #nosec G301 -- as all control groups
			return fmt.Errorf("make a control group: %w", err)
		}
	}
	return nil
}

// removeControlGroups waits for the processes in them, whose end the kernel has begun.
func removeControlGroups(name string) error {
	directories, err := hierarchies()
	if err != nil {
		return err
	}
	deadline := time.Now().Add(controlGroupPatience)
	for _, dir := range directories {
		err := removeTree(filepath.Join(dir, name))
		for ; errors.Is(err, syscall.EBUSY) && time.Now().Before(deadline); err = removeTree(filepath.Join(dir, name)) {
			time.Sleep(20 * time.Millisecond)
		}
		if err != nil {
			return fmt.Errorf("remove a control group: %w", err)
		}
	}
	return nil
}

// removeTree removes a control group and those below it. Their files cannot be removed, and go with them.
func removeTree(root string) error {
	var groups []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case entry.IsDir():
			groups = append(groups, path)
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.Reverse(groups) // those below first
	for _, group := range groups {
		if err := os.Remove(group); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
