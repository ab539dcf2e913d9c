package picture

import (
	"cmp"
	"encoding/json"
	"math"
	"regexp"
	"slices"

	"github.com/prometheus/common/model"

	"github.com/apikey-operator/apikey-operator/test/monitoring/dashboard"
)

// series is a line of a chart, or a single value.
type series struct {
	name, colour, unit string
	onTheRight         bool
	points             []model.SamplePair
}

// last is the last value that is one.
func (s series) last() float64 {
	for _, p := range slices.Backward(s.points) {
		if v := float64(p.Value); !math.IsNaN(v) {
			return v
		}
	}
	return math.NaN()
}

// seriesOf are those of all queries, named and coloured as the panel says.
func seriesOf(p dashboard.Panel, answers []model.Value) []series {
	var all []series
	for i, answer := range answers {
		var found []series
		switch result := answer.(type) {
		case model.Matrix:
			for _, stream := range result {
				found = append(found, series{name: legend(p.Targets[i].Legend, stream.Metric), points: stream.Values})
			}
		case model.Vector:
			for _, sample := range result {
				found = append(found, series{name: legend(p.Targets[i].Legend, sample.Metric), points: []model.SamplePair{{Timestamp: sample.Timestamp, Value: sample.Value}}})
			}
		}
		slices.SortFunc(found, func(a, b series) int { return cmp.Compare(a.name, b.name) })
		all = append(all, found...)
	}
	next := 0
	for i := range all {
		all[i].unit = p.FieldConfig.Defaults.Unit
		dress(&all[i], p)
		if all[i].colour == "" {
			all[i].colour = palette[next%len(palette)]
			next++
		}
	}
	return all
}

var placeholder = regexp.MustCompile(`\{\{\s*(\w+)\s*\}\}`)

func legend(format string, labels model.Metric) string {
	return placeholder.ReplaceAllStringFunc(format, func(p string) string {
		return string(labels[model.LabelName(placeholder.FindStringSubmatch(p)[1])])
	})
}

// dress gives a series what the panel's overrides say of its name.
func dress(s *series, p dashboard.Panel) {
	for _, o := range p.FieldConfig.Overrides {
		if o.Matcher.Options != s.name {
			continue
		}
		for _, property := range o.Properties {
			switch property.ID {
			case "color":
				var colour struct {
					Fixed string `json:"fixedColor"`
				}
				if json.Unmarshal(property.Value, &colour) == nil {
					s.colour = colourOf(colour.Fixed)
				}
			case "unit":
				_ = json.Unmarshal(property.Value, &s.unit) // a unit that cannot be read is none
			case "custom.axisPlacement":
				s.onTheRight = string(property.Value) == `"right"`
			}
		}
	}
}

// colourAt is that of the last threshold that a value has reached.
func colourAt(v float64, t dashboard.Thresholds) string {
	colour := colours["text"]
	for _, step := range t.Steps {
		if step.Value == nil || v >= *step.Value {
			colour = colourOf(step.Color)
		}
	}
	return colour
}
