package picture

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/common/model"

	"github.com/apikey-operator/apikey-operator/test/monitoring/dashboard"
)

// drawStat draws a number, and behind it where it comes from.
func drawStat(c *canvas, area box, p dashboard.Panel, answers []model.Value, from, to time.Time) {
	all := seriesOf(p, answers)
	if len(all) == 0 {
		return
	}
	field, s := p.FieldConfig.Defaults, all[0]
	value := s.last()
	text, colour := format(value, field.Unit, field.Decimals), colourAt(value, field.Thresholds)
	for _, mapping := range field.Mappings {
		if m, ok := mapping.Options[strconv.FormatFloat(value, 'f', -1, 64)]; ok {
			text, colour = m.Text, colourOf(m.Color)
		}
	}
	if p.Options.GraphMode == "area" {
		drawTrend(c, area, s, from, to, colour)
	}
	c.text(area.x+area.w/2, area.y+area.h/2+8, text, style{size: min(29, area.w/float64(len(text))*1.6), colour: colour, anchor: "middle", bold: true})
}

// drawTrend is a small chart without axes.
func drawTrend(c *canvas, area box, s series, from, to time.Time, colour string) {
	ch := chart{canvas: c, from: from, to: to, left: scaleOf([]series{s}, false, false, dashboard.Field{})}
	ch.area = box{area.x - 8, area.y + area.h*0.55, area.w + 16, area.h*0.45 + 6}
	s.colour = colour
	c.addf(`<g opacity=".45">`)
	ch.drawLine(s)
	c.addf(`</g>`)
}

// drawBars draws a bar for each value, the greatest first where they are of one query.
func drawBars(c *canvas, area box, p dashboard.Panel, answers []model.Value) {
	all := seriesOf(p, answers)
	if len(answers) == 1 {
		slices.SortStableFunc(all, func(a, b series) int { return cmp.Compare(b.last(), a.last()) })
	}
	greatest := 1.0
	for _, s := range all {
		greatest = max(greatest, s.last())
	}
	const size = 11.5
	space := min(31, (area.h+3)/float64(max(1, len(all))))
	bar := max(3, space-20)
	for i, s := range all {
		y := area.y + float64(i)*space
		colour := colourAt(s.last(), p.FieldConfig.Defaults.Thresholds)
		c.text(area.x, y+10.5, s.name, style{size: size, colour: colours["text"]})
		c.text(area.x+area.w, y+10.5, format(s.last(), s.unit, nil), style{size: size, colour: colour, anchor: "end", bold: true})
		c.rect(box{area.x, y + 14.5, area.w, bar}, colours["unfilled"], "", 2)
		if s.last() > 0 {
			c.rect(box{area.x, y + 14.5, area.w * s.last() / greatest, bar}, colour, "", 2)
		}
	}
}

// drawTable draws the one table that there is: ApiKeys, when they end, and how often they were used.
func drawTable(c *canvas, area box, answers []model.Value) {
	ends, _ := answers[0].(model.Vector)
	uses, _ := answers[1].(model.Vector)
	used := map[string]float64{}
	nameOf := func(m model.Metric) string { return string(m["namespace"]) + "/" + string(m["name"]) }
	for _, s := range uses {
		used[nameOf(s.Metric)] = float64(s.Value)
	}
	slices.SortFunc(ends, func(a, b *model.Sample) int { return cmp.Compare(a.Value, b.Value) })
	at := []float64{0, area.w * 0.27, area.w * 0.52, area.w}
	const size, space = 11.5, 24
	head := style{size: size, colour: colours["blue"], bold: true}
	for i, title := range []string{"namespace", "name", "ends in"} {
		c.text(area.x+at[i], area.y+13, title, head)
	}
	head.anchor = "end"
	c.text(area.x+at[3], area.y+13, "uses", head)
	for i, s := range ends {
		y := area.y + float64(i+1)*space
		if y+space > area.y+area.h+8 {
			break
		}
		c.line(area.x, y-4, area.x+area.w, y-4, colours["grid"])
		plain := style{size: size, colour: colours["text"]}
		c.text(area.x+at[0], y+12, string(s.Metric["namespace"]), plain)
		c.text(area.x+at[1], y+12, string(s.Metric["name"]), plain)
		c.text(area.x+at[2], y+12, duration(float64(s.Value)), style{size: size, colour: endColour(float64(s.Value))})
		if n, known := used[nameOf(s.Metric)]; known {
			c.text(area.x+at[3], y+12, strconv.Itoa(int(math.Round(n))), style{size: size, colour: colours["text"], anchor: "end"})
		}
	}
}

// endColour is that of the table's column: the nearer the redder.
func endColour(left float64) string {
	for _, step := range []struct {
		days   float64
		colour string
	}{{1, "red"}, {7, "orange"}, {14, "yellow"}} {
		if left < step.days*86400 {
			return colours[step.colour]
		}
	}
	return colours["green"]
}
