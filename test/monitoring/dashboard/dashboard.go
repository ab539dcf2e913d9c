// Package dashboard reads the Grafana dashboard of the chart, as far as tests and the picture of it in docs/ need.
package dashboard

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"
)

// Dashboard is one in Grafana's classic JSON model.
type Dashboard struct {
	Title         string  `json:"title"`
	SchemaVersion int     `json:"schemaVersion"`
	Panels        []Panel `json:"panels"`
	Templating    struct {
		List []struct {
			Name string `json:"name"`
			Type string `json:"type"`
		} `json:"list"`
	} `json:"templating"`
}

// Panel is a panel, or a row that stands above some.
type Panel struct {
	Type        string      `json:"type"`
	Title       string      `json:"title"`
	Description string      `json:"description"`
	At          Position    `json:"gridPos"`
	Targets     []Target    `json:"targets"`
	FieldConfig FieldConfig `json:"fieldConfig"`
	Options     struct {
		GraphMode string `json:"graphMode"`
	} `json:"options"`
}

// Position is in cells of Grafana's grid, which is 24 wide; a cell is about 30 pixels high.
type Position struct{ X, Y, W, H int }

// Target is a query.
type Target struct {
	Expr    string `json:"expr"`
	Legend  string `json:"legendFormat"`
	Instant bool   `json:"instant"`
}

// FieldConfig says how values look.
type FieldConfig struct {
	Defaults  Field `json:"defaults"`
	Overrides []struct {
		Matcher struct {
			Options any `json:"options"`
		} `json:"matcher"`
		Properties []struct {
			ID    string          `json:"id"`
			Value json.RawMessage `json:"value"`
		} `json:"properties"`
	} `json:"overrides"`
}

// Field is how values look where nothing else is said.
type Field struct {
	Unit       string     `json:"unit"`
	Decimals   *int       `json:"decimals"`
	Min        *float64   `json:"min"`
	Thresholds Thresholds `json:"thresholds"`
	Mappings   []struct {
		Options map[string]struct{ Text, Color string } `json:"options"`
	} `json:"mappings"`
	Custom struct {
		DrawStyle string `json:"drawStyle"`
		Stacking  struct {
			Mode string `json:"mode"`
		} `json:"stacking"`
	} `json:"custom"`
}

// Thresholds give a value the colour of the last step that it has reached.
type Thresholds struct {
	Steps []struct {
		Color string   `json:"color"`
		Value *float64 `json:"value"` // nil: from the beginning
	} `json:"steps"`
}

// Read reads a dashboard from a file.
func Read(path string) (*Dashboard, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	d := &Dashboard{}
	if err := json.Unmarshal(text, d); err != nil {
		return nil, fmt.Errorf("read the dashboard %s: %w", path, err)
	}
	return d, nil
}

// Query is the expression with the dashboard's variables filled in: rates over a window, and all installations.
func (t Target) Query(window time.Duration) string {
	return strings.NewReplacer("$__rate_interval", fmt.Sprintf("%ds", int(window.Seconds())), "$namespace", ".*").Replace(t.Expr)
}
