package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"
)

// result is one row as it is reported.
type result struct {
	Name  string   `json:"name"`
	Value float64  `json:"value"`
	Bar   *float64 `json:"bar"` // nil: reported only
	Unit  string   `json:"unit"`
	OK    bool     `json:"ok"`
}

// atLeast is a row that must reach its bar, but for the share by which two identical servers differ.
func atLeast(name, unit string, value, bar, noise float64) result {
	return result{Name: name, Value: value, Bar: &bar, Unit: unit, OK: value >= bar*(1-noise)}
}

// atMost is a row that must stay below its bar.
func atMost(name, unit string, value, bar, noise float64) result {
	return result{Name: name, Value: value, Bar: &bar, Unit: unit, OK: value <= bar*(1+noise)}
}

// reported is a row without a bar.
func reported(name, unit string, value float64) result {
	return result{Name: name, Value: value, Unit: unit, OK: true}
}

// writeReport writes results as JSON.
func writeReport(path string, results []result) error {
	content, err := json.MarshalIndent(map[string][]result{"rows": results}, "", "  ")
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if err := os.WriteFile(path, append(content, '\n'), 0o600); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// writeTable writes results for people.
func writeTable(to io.Writer, results []result) error {
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	lines := "row\tvalue\tbar\tunit\t\n"
	for _, r := range results {
		bar, verdict := "", ""
		if r.Bar != nil {
			bar, verdict = fmt.Sprintf("%g", *r.Bar), "ok"
			if !r.OK {
				verdict = "MISSED"
			}
		}
		lines += fmt.Sprintf("%s\t%.3g\t%s\t%s\t%s\n", r.Name, r.Value, bar, r.Unit, verdict)
	}
	if _, err := io.WriteString(table, lines); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	return table.Flush()
}

// errMissed is that the program was measured and is too slow.
var errMissed = errors.New("a row misses its bar by more than two identical servers differ")
