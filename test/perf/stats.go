package main

import (
	"math"
	"slices"
)

// median of at least one value.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// spread is how far ratios that should be 1 typically are from it: the median of their distances.
func spread(ratios []float64) float64 {
	distances := make([]float64, len(ratios))
	for i, r := range ratios {
		distances[i] = math.Abs(r - 1)
	}
	return median(distances)
}

func lowest(values []float64) float64  { return slices.Min(values) }
func highest(values []float64) float64 { return slices.Max(values) }
