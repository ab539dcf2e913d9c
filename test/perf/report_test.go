package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMedianAndSpread(t *testing.T) {
	if got := median([]float64{3, 1, 2}); got != 2 {
		t.Errorf("the median of three is %v", got)
	}
	if got := median([]float64{4, 1, 2, 3}); got != 2.5 {
		t.Errorf("the median of four is %v", got)
	}
	if got := spread([]float64{0.75, 1, 1.5}); got != 0.25 {
		t.Errorf("the spread is %v", got)
	}
}

func TestARowFailsWhereItMissesItsBarByMoreThanTheNoise(t *testing.T) {
	for name, c := range map[string]struct {
		row  result
		want bool
	}{
		"at its bar":                     {atLeast("", "", 0.85, 0.85, 0), true},
		"below its bar":                  {atLeast("", "", 0.84, 0.85, 0), false},
		"below its bar within the noise": {atLeast("", "", 0.81, 0.85, 0.05), true},
		"below its bar and the noise":    {atLeast("", "", 0.80, 0.85, 0.05), false},
		"at most":                        {atMost("", "", 500, 500, 0), true},
		"more than at most":              {atMost("", "", 501, 500, 0), false},
		"more within the noise":          {atMost("", "", 520, 500, 0.05), true},
		"more than the noise":            {atMost("", "", 530, 500, 0.05), false},
		"without a bar":                  {reported("", "", 7), true},
	} {
		if c.row.OK != c.want {
			t.Errorf("%s: ok is %t", name, c.row.OK)
		}
	}
}

func TestTheReportIsWhatOthersRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bin", "bench.json")
	rows := []result{atLeast("hit", "ratio", 0.93, 0.85, 0), reported("p50", "µs", 12.5)}
	if err := writeReport(path, rows); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got any
	if err := json.Unmarshal(content, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"rows": []any{
		map[string]any{"name": "hit", "value": 0.93, "bar": 0.85, "unit": "ratio", "ok": true},
		map[string]any{"name": "p50", "value": 12.5, "bar": nil, "unit": "µs", "ok": true},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the report (-want +got):\n%s", diff)
	}
}

func TestTheTableTellsWhatIsMissed(t *testing.T) {
	var table bytes.Buffer
	if err := writeTable(&table, []result{atLeast("quick", "ratio", 0.9, 0.8, 0), atLeast("slow", "ratio", 0.7, 0.8, 0)}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(table.String(), "\n")
	if !strings.HasSuffix(lines[1], "ok") || !strings.HasSuffix(lines[2], "MISSED") {
		t.Errorf("the table is\n%s", &table)
	}
}
