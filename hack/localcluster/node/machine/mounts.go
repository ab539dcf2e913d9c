//go:build linux

package machine

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// kernelSettings are those of the whole machine that a kubelet would change to these values. It is shown them as they
// should be, and leaves the machine's alone.
var kernelSettings = map[string]string{
	"vm/overcommit_memory":      "1",
	"vm/panic_on_oom":           "0",
	"kernel/panic":              "10",
	"kernel/panic_on_oops":      "1",
	"kernel/keys/root_maxkeys":  "1000000",
	"kernel/keys/root_maxbytes": "25000000",
}

// setUpMounts gives the node a view of the file system of its own, which ends with its processes: the machine's, with
// what components write at fixed places in memory, and the cluster's directory under a short name.
func setUpMounts(l layout) error {
	// What is mounted from here on is not seen by the machine.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make the mounts private: %w", err)
	}
	// Opened first, as it may be below one of the directories that are covered.
	dir, err := unix.Open(string(l), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", l, err)
	}
	defer func() { _ = unix.Close(dir) }()
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	for _, memory := range []string{"/run", "/var/log"} {
		if err := unix.Mount("tmpfs", memory, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755"); err != nil {
			return fmt.Errorf("mount %s: %w", memory, err)
		}
	}
	if err := coverWithLayer("/var/lib"); err != nil {
		return err
	}
	if err := os.MkdirAll(string(inside), 0o700); err != nil {
		return fmt.Errorf("make %s: %w", inside, err)
	}
	if err := unix.Mount(fmt.Sprintf("/proc/self/fd/%d", dir), string(inside), "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount %s at %s: %w", l, inside, err)
	}
	return coverKernelSettings()
}

// coverWithLayer leaves the directory as it is to read, and takes what is written there into memory: a kubelet insists on
// /var/lib/kubelet for some files. Programs may be below the directory, so it is not covered by an empty one.
func coverWithLayer(dir string) error {
	layer := filepath.Join("/run/layers", dir)
	for _, part := range []string{"upper", "work"} {
		if err := os.MkdirAll(filepath.Join(layer, part), 0o755); err != nil { // #nosec G301 -- as the directory itself
			return fmt.Errorf("make a directory: %w", err)
		}
	}
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s/upper,workdir=%s/work", dir, layer, layer)
	if err := unix.Mount("overlay", dir, "overlay", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		return fmt.Errorf("mount a layer on %s: %w", dir, err)
	}
	return nil
}

func coverKernelSettings() error {
	for name, value := range kernelSettings {
		setting := filepath.Join("/proc/sys", name)
		if _, err := os.Stat(setting); err != nil {
			continue // this kernel lacks it, and a kubelet copes
		}
		cover := filepath.Join("/run/settings", name)
		if err := os.MkdirAll(filepath.Dir(cover), 0o700); err != nil {
			return fmt.Errorf("make a directory: %w", err)
		}
		if err := os.WriteFile(cover, []byte(value+"\n"), 0o600); err != nil {
			return fmt.Errorf("write %s: %w", cover, err)
		}
		if err := unix.Mount(cover, setting, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("cover %s: %w", setting, err)
		}
	}
	return nil
}

// setSysctls sets what belongs to the node's network alone.
func setSysctls() error {
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o600); err != nil {
		return fmt.Errorf("let the node forward packets: %w", err)
	}
	return nil
}
