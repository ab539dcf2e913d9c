// Package files writes files that other processes read.
package files

import (
	"fmt"
	"os"
)

// Write replaces path in one step, readable by its owner only, so that nobody reads half a file.
func Write(path string, data []byte) error {
	temporary := path + ".new"
	if err := os.WriteFile(temporary, data, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(temporary, path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
