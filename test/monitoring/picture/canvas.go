package picture

import (
	"fmt"
	"html"
	"strings"
)

// box is a rectangle.
type box struct{ x, y, w, h float64 }

// canvas collects SVG.
type canvas struct{ strings.Builder }

func (c *canvas) addf(format string, args ...any) { _, _ = fmt.Fprintf(c, format+"\n", args...) }

// style is how text looks.
type style struct {
	size   float64
	colour string
	anchor string // start, where empty; middle or end
	bold   bool
}

func (c *canvas) text(x, y float64, text string, s style) {
	more := ""
	if s.anchor != "" {
		more += ` text-anchor="` + s.anchor + `"`
	}
	if s.bold {
		more += ` font-weight="500"`
	}
	c.addf(`<text x="%s" y="%s" font-size="%s" fill="%s"%s>%s</text>`, number(x), number(y), number(s.size), s.colour, more, html.EscapeString(text))
}

// rect draws a box, with a border where it has a colour.
func (c *canvas) rect(b box, fill, border string, radius float64) {
	more := ""
	if border != "" {
		more = ` stroke="` + border + `"`
	}
	if radius > 0 {
		more += ` rx="` + number(radius) + `"`
	}
	c.addf(`<rect x="%s" y="%s" width="%s" height="%s" fill="%s"%s/>`, number(b.x), number(b.y), number(b.w), number(b.h), fill, more)
}

func (c *canvas) line(x1, y1, x2, y2 float64, colour string) {
	c.addf(`<path d="M%s %sL%s %s" stroke="%s"/>`, number(x1), number(y1), number(x2), number(y2), colour)
}

// number is as short as a tenth of a pixel allows.
func number(v float64) string {
	text := strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0")
	if text == "-0" {
		return "0"
	}
	return text
}

// glyph is how wide a character is on average, as a part of its size; in some fonts less.
const glyph = 0.6

// widthOf is about what a text takes in the fonts that are asked for.
func widthOf(text string, size float64) float64 { return float64(len([]rune(text))) * size * glyph }

// shorten cuts a text that is wider than its place.
func shorten(text string, room, size float64) string {
	runes := []rune(text)
	most := int(room / (size * glyph))
	if len(runes) <= most || most < 2 {
		return text
	}
	return string(runes[:most-1]) + "…"
}

// colours are Grafana's, by the names that dashboards use, and those of its dark theme.
var colours = map[string]string{
	"background": "#111217", "panel": "#181b1f", "border": "#2b2d33", "grid": "#26282e", "text": "#d5d6dd", "secondary": "#9a9ca6", "unfilled": "#24272d",
	"green": "#73bf69", "yellow": "#f2cc0c", "blue": "#5794f2", "orange": "#ff9830", "red": "#f2495c", "purple": "#b877d9", "dark-red": "#a1263a",
}

// palette is for series whose colour nobody has chosen.
var palette = []string{"#8ab8ff", "#ff9830", "#b877d9", "#f2cc0c", "#5794f2", "#f2495c", "#37872d", "#705da0", "#ffa6b0", "#56a64b", "#c0d8ff", "#e0b400"}

func colourOf(name string) string {
	if colour, ok := colours[name]; ok {
		return colour
	}
	return colours["text"]
}
