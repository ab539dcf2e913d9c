package picture

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// format writes a value in one of Grafana's units.
func format(v float64, unit string, decimals *int) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "–"
	}
	switch unit {
	case "s":
		return seconds(v)
	case "dtdurations":
		return duration(v)
	case "bytes":
		return scaled(v, 1024, []string{" B", " KiB", " MiB", " GiB"}, decimals)
	case "percentunit":
		return rounded(v*100, decimals) + "%"
	case "reqps":
		return scaled(v, 1000, []string{" req/s", "K req/s", "M req/s"}, decimals)
	case "cps":
		return rounded(v, decimals) + " /s"
	}
	return scaled(v, 1000, []string{"", " K", " Mil"}, decimals)
}

func scaled(v, base float64, units []string, decimals *int) string {
	unit := 0
	for math.Abs(v) >= base && unit < len(units)-1 {
		v, unit = v/base, unit+1
	}
	return rounded(v, decimals) + units[unit]
}

// rounded gives three digits, where nobody says how many.
func rounded(v float64, decimals *int) string {
	if decimals != nil {
		return strconv.FormatFloat(v, 'f', *decimals, 64)
	}
	if v == 0 {
		return "0"
	}
	digits := max(0, 2-int(math.Floor(math.Log10(math.Abs(v)))))
	text := strconv.FormatFloat(v, 'f', min(digits, 4), 64)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

func seconds(v float64) string {
	switch abs := math.Abs(v); {
	case v == 0:
		return "0 s"
	case abs < 1e-3:
		return rounded(v*1e6, nil) + " µs"
	case abs < 1:
		return rounded(v*1e3, nil) + " ms"
	case abs < 120:
		return rounded(v, nil) + " s"
	}
	return rounded(v/60, nil) + " mins"
}

// duration is in the two greatest units.
func duration(v float64) string {
	whole := int64(v)
	var parts []string
	for _, unit := range []struct {
		name    string
		seconds int64
	}{{"day", 86400}, {"hour", 3600}, {"minute", 60}, {"second", 1}} {
		if n := whole / unit.seconds; n > 0 && len(parts) < 2 {
			parts = append(parts, fmt.Sprintf("%d %s%s", n, unit.name, map[bool]string{true: "s"}[n > 1]))
			whole %= unit.seconds
		} else if len(parts) > 0 {
			break
		}
	}
	return strings.Join(parts, ", ")
}
