// Package picture draws a Grafana dashboard as SVG, from its panels and what Prometheus answered to their queries, for the
// documentation. It knows the kinds of panels that our dashboard has, and draws them much as Grafana does.
package picture

import (
	"fmt"
	"io"
	"time"

	"github.com/prometheus/common/model"

	"github.com/apikey-operator/apikey-operator/test/monitoring/dashboard"
)

// The measures of the picture in pixels: Grafana's grid is 24 columns wide.
const (
	width      = 1248
	margin     = 12
	columns    = 24
	cell       = 25 // the height of a row of the grid
	gap        = 8
	titleSpace = 26 // above a panel's content
	headSpace  = 44 // above all panels
)

// Answers are what Prometheus said to each query of each panel.
type Answers [][]model.Value

// Draw writes the picture of a dashboard at a time, with charts that begin at another.
func Draw(out io.Writer, board *dashboard.Dashboard, answers Answers, from, to time.Time) error {
	bottom := 0
	for _, p := range board.Panels {
		bottom = max(bottom, p.At.Y+p.At.H)
	}
	height := headSpace + bottom*cell + margin
	c := &canvas{}
	c.addf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="Inter, 'Helvetica Neue', Arial, sans-serif">`,
		width, height, width, height)
	c.rect(box{0, 0, width, float64(height)}, colours["background"], "", 0)
	c.text(margin, 28, board.Title, style{size: 17, colour: colours["text"], bold: true})
	c.text(width-margin, 28, from.UTC().Format("2006-01-02 15:04")+to.UTC().Format(" to 15:04 MST"), style{size: 12, colour: colours["secondary"], anchor: "end"})
	for i, p := range board.Panels {
		if err := drawPanel(c, p, answers[i], from, to); err != nil {
			return err
		}
	}
	c.addf(`</svg>`)
	_, err := io.WriteString(out, c.String())
	return err
}

func drawPanel(c *canvas, p dashboard.Panel, answers []model.Value, from, to time.Time) error {
	area := place(p.At)
	if p.Type == "row" {
		c.text(area.x+2, area.y+17, "▾ "+p.Title, style{size: 14, colour: colours["text"], bold: true})
		return nil
	}
	c.rect(area, colours["panel"], colours["border"], 3)
	c.text(area.x+9, area.y+18, shorten(p.Title, area.w-18, 12.5), style{size: 12.5, colour: colours["text"], bold: true})
	inner := box{area.x + 9, area.y + titleSpace, area.w - 18, area.h - titleSpace - 7}
	switch p.Type {
	case "timeseries":
		drawChart(c, inner, p, answers, from, to)
	case "stat":
		drawStat(c, inner, p, answers, from, to)
	case "bargauge":
		drawBars(c, inner, p, answers)
	case "table":
		drawTable(c, inner, answers)
	default:
		return fmt.Errorf("no way is known to draw the panel %q, a %s", p.Title, p.Type)
	}
	return nil
}

// place is where a panel stands.
func place(at dashboard.Position) box {
	const column = float64(width-2*margin+gap) / columns
	return box{margin + float64(at.X)*column, headSpace + float64(at.Y*cell), float64(at.W)*column - gap, float64(at.H*cell) - gap}
}
