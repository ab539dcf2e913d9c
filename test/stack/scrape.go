package stack

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// Scrape returns every series of a process by its name and labels, as they are written.
func Scrape(ctx context.Context, address string) (map[string]float64, error) {
	text, err := Fetch(ctx, "http://"+address+"/metrics")
	if err != nil {
		return nil, err
	}
	series := map[string]float64{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		end := strings.LastIndexByte(line, ' ')
		value, err := strconv.ParseFloat(line[end+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("read the metric %q: %w", line, err)
		}
		series[line[:end]] = value
	}
	return series, nil
}
