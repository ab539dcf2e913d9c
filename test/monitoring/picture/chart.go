package picture

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/apikey-operator/apikey-operator/test/monitoring/dashboard"
)

// chart is the area of a time series panel in which its lines are drawn.
type chart struct {
	*canvas

	area        box
	from, to    time.Time
	left, right scale
}

// scale is an axis of values.
type scale struct {
	low, high, step float64
	unit            string
	used            bool
}

const (
	axisSpace   = 62
	legendSpace = 17
	dateSpace   = 16
)

func drawChart(c *canvas, area box, p dashboard.Panel, answers []model.Value, from, to time.Time) {
	all := seriesOf(p, answers)
	stacked := p.FieldConfig.Defaults.Custom.Stacking.Mode == "normal"
	lines := drawLegend(c, area, all)
	area.h -= float64(lines)*legendSpace + dateSpace
	ch := chart{canvas: c, area: area, from: from, to: to}
	ch.left = scaleOf(all, stacked, false, p.FieldConfig.Defaults)
	ch.right = scaleOf(all, stacked, true, p.FieldConfig.Defaults)
	ch.area.x, ch.area.w = ch.area.x+axisSpace, ch.area.w-axisSpace
	if ch.right.used {
		ch.area.w -= axisSpace
	}
	ch.drawAxes()
	if stacked {
		ch.drawStack(all, p.FieldConfig.Defaults.Custom.DrawStyle == "bars")
		return
	}
	for _, s := range all {
		ch.drawLine(s)
	}
}

// drawLegend draws names at the bottom, on two lines at most, and returns how many lines it took.
func drawLegend(c *canvas, area box, all []series) int {
	const size, mark, most = 11, 16, 2
	var rows [][]series
	x := area.w
	for _, s := range all {
		if w := mark + widthOf(s.name, size) + 12; x+w > area.w {
			if len(rows) == most {
				break
			}
			rows, x = append(rows, nil), w
		} else {
			x += w
		}
		rows[len(rows)-1] = append(rows[len(rows)-1], s)
	}
	for i, row := range rows {
		x, y := area.x, area.y+area.h-float64(len(rows)-1-i)*legendSpace-3
		for _, s := range row {
			c.rect(box{x, y - 5, 12, 3}, s.colour, "", 1)
			c.text(x+mark, y, s.name, style{size: size, colour: colours["text"]})
			x += mark + widthOf(s.name, size) + 12
		}
	}
	return max(1, len(rows))
}

// scaleOf fits the series of one axis.
func scaleOf(all []series, stacked, onTheRight bool, field dashboard.Field) scale {
	low, high, used, unit := 0.0, 0.0, false, field.Unit
	sums := map[model.Time]float64{}
	for _, s := range all {
		if s.onTheRight != onTheRight {
			continue
		}
		used, unit = true, s.unit
		for _, p := range s.points {
			v := float64(p.Value)
			if math.IsNaN(v) || math.IsInf(v, 0) {
				continue
			}
			if stacked {
				sums[p.Timestamp] += v
				v = sums[p.Timestamp]
			}
			low, high = min(low, v), max(high, v)
		}
	}
	if high == low {
		high = low + 1
	}
	step := niceStep((high - low) / 4)
	if unit == "bytes" {
		step = 1024 * niceStep((high-low)/4/1024)
	}
	return scale{low: math.Floor(low/step) * step, high: math.Ceil(high*1.02/step) * step, step: step, unit: unit, used: used}
}

// niceStep is the next of 1, 2 and 5 and their multiples by ten.
func niceStep(rough float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(rough)))
	for _, m := range []float64{1, 2, 5} {
		if m*power >= rough {
			return m * power
		}
	}
	return 10 * power
}

func (ch *chart) x(t time.Time) float64 {
	return ch.area.x + ch.area.w*float64(t.Sub(ch.from))/float64(ch.to.Sub(ch.from))
}

func (ch *chart) y(v float64, s scale) float64 {
	return ch.area.y + 4 + (ch.area.h-4)*(1-(v-s.low)/(s.high-s.low))
}

func (ch *chart) drawAxes() {
	label := style{size: 10.5, colour: colours["secondary"], anchor: "end"}
	for v := ch.left.low; v <= ch.left.high+ch.left.step/2; v += ch.left.step {
		y := ch.y(v, ch.left)
		ch.line(ch.area.x, y, ch.area.x+ch.area.w, y, colours["grid"])
		ch.text(ch.area.x-6, y+3.5, format(v, ch.left.unit, nil), label)
	}
	if ch.right.used {
		label.anchor = ""
		for v := ch.right.low; v <= ch.right.high+ch.right.step/2; v += ch.right.step {
			ch.text(ch.area.x+ch.area.w+6, ch.y(v, ch.right)+3.5, format(v, ch.right.unit, nil), label)
		}
	}
	every := time.Minute
	for ch.to.Sub(ch.from)/every > 6 {
		every *= 2
	}
	label.anchor = "middle"
	for t := ch.from.Truncate(every).Add(every); !t.After(ch.to); t = t.Add(every) {
		ch.line(ch.x(t), ch.area.y+4, ch.x(t), ch.area.y+ch.area.h, colours["grid"])
		if ch.x(t)+12 < ch.area.x+ch.area.w {
			ch.text(ch.x(t), ch.area.y+ch.area.h+13, t.UTC().Format("15:04"), label)
		}
	}
}

// drawLine breaks where there is no value.
func (ch *chart) drawLine(s series) {
	axis := ch.left
	if s.onTheRight {
		axis = ch.right
	}
	var path strings.Builder
	command := "M"
	for i, p := range s.points {
		v := float64(p.Value)
		if math.IsNaN(v) || math.IsInf(v, 0) {
			command = "M"
			continue
		}
		if i > 0 && i < len(s.points)-1 && s.points[i-1].Value == p.Value && s.points[i+1].Value == p.Value {
			continue // within what is flat
		}
		fmt.Fprintf(&path, "%s%s %s", command, number(ch.x(p.Timestamp.Time())), number(ch.y(v, axis)))
		command = "L"
	}
	ch.addf(`<path d="%s" fill="none" stroke="%s" stroke-width="1.4" stroke-linejoin="round"/>`, path.String(), s.colour)
}

// drawStack lays each series upon those before it.
func (ch *chart) drawStack(all []series, bars bool) {
	below := map[model.Time]float64{}
	for _, s := range all {
		if !slices.ContainsFunc(s.points, func(p model.SamplePair) bool { return p.Value > 0 }) {
			continue // its line would hide the one below
		}
		if bars {
			ch.drawStackedBars(s, below)
			continue
		}
		// Times without a value count as nothing, so that what lies upon it does not lean.
		values := map[model.Time]float64{}
		for _, p := range s.points {
			if v := float64(p.Value); !math.IsNaN(v) {
				values[p.Timestamp] = v
			}
		}
		var top, bottom []string
		for _, t := range timesOf(all) {
			low := below[t]
			high := low + max(0, values[t])
			below[t] = high
			x := number(ch.x(t.Time()))
			top = append(top, x+" "+number(ch.y(high, ch.left)))
			bottom = append(bottom, x+" "+number(ch.y(low, ch.left)))
		}
		slices.Reverse(bottom)
		ch.addf(`<path d="M%sL%sZ" fill="%s" fill-opacity=".3"/>`, strings.Join(top, "L"), strings.Join(bottom, "L"), s.colour)
		ch.addf(`<path d="M%s" fill="none" stroke="%s" stroke-width="1.2"/>`, strings.Join(top, "L"), s.colour)
	}
}

func (ch *chart) drawStackedBars(s series, below map[model.Time]float64) {
	const bar = 3
	for _, p := range s.points {
		if math.IsNaN(float64(p.Value)) {
			continue
		}
		low, high := below[p.Timestamp], below[p.Timestamp]+float64(p.Value)
		below[p.Timestamp] = high
		top := ch.y(high, ch.left)
		ch.rect(box{ch.x(p.Timestamp.Time()) - bar/2.0, top, bar, ch.y(low, ch.left) - top}, s.colour, "", 0)
	}
}

// timesOf are the times of all points, in order.
func timesOf(all []series) []model.Time {
	var times []model.Time
	for _, s := range all {
		for _, p := range s.points {
			times = append(times, p.Timestamp)
		}
	}
	slices.Sort(times)
	return slices.Compact(times)
}
