package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// screen is what the user reads. Nothing that is given to it holds a key.
type screen struct {
	w      io.Writer
	colour bool
	steps  int
	checks int
}

// newScreen uses colours on a terminal, unless NO_COLOR is set (https://no-color.org).
func newScreen(file *os.File) *screen {
	info, err := file.Stat()
	terminal := err == nil && info.Mode()&os.ModeCharDevice != 0
	return &screen{w: file, colour: terminal && os.Getenv("NO_COLOR") == ""}
}

// ANSI colours.
const (
	bold  = "1"
	dim   = "2"
	red   = "31"
	green = "32"
)

func (s *screen) paint(colour, text string) string {
	if !s.colour {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// say prints a line.
func (s *screen) say(format string, args ...any) {
	_, _ = fmt.Fprintf(s.w, format+"\n", args...)
}

// step begins a numbered step.
func (s *screen) step(title string) {
	s.steps++
	s.say("\n%s", s.paint(bold, fmt.Sprintf("%d. %s", s.steps, title)))
}

// command shows what is run.
func (s *screen) command(line string) {
	s.say("   %s", s.paint(bold, "$ "+line))
}

// output shows what came back, indented.
func (s *screen) output(text string) {
	for line := range strings.Lines(strings.TrimSpace(text)) {
		s.say("     %s", s.paint(dim, strings.TrimRight(line, "\n")))
	}
}

// ok says that something is as it should be.
func (s *screen) ok(format string, args ...any) {
	s.checks++
	s.say("   %s %s", s.paint(green, "✓"), fmt.Sprintf(format, args...))
}

// ready says that a part of the setting runs.
func (s *screen) ready(what, detail string, began time.Time) {
	s.say("   %s %-22s %s %s", s.paint(green, "✓"), what, detail, s.paint(dim, fmt.Sprintf("(%.1f s)", time.Since(began).Seconds())))
}

// failed says what went wrong.
func (s *screen) failed(err error) {
	s.say("\n   %s %s", s.paint(red, "✗"), strings.ReplaceAll(err.Error(), "\n", "\n     "))
}
