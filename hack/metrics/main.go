// Command metrics writes the reference of all metrics, docs/reference/metrics.md, from what the code registers.
// Whatever needs an event or an object before it has a series is given one here; it fails where one is forgotten.
// That both programs register just this is shown by test/monitoring, which scrapes them.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	output := flag.String("output", "docs/reference/metrics.md", "file to write")
	flag.Parse()
	if err := run(*output); err != nil {
		fmt.Fprintln(os.Stderr, "metrics:", err)
		os.Exit(1)
	}
}

func run(output string) error {
	sections, err := programs()
	if err != nil {
		return err
	}
	text, err := render(sections)
	if err != nil {
		return err
	}
	return os.WriteFile(output, []byte(text), 0o644) //nolint:gosec // a page for everybody to read
}
