package integration

import (
	"fmt"
	"strings"
	"testing"
)

// A duration that Go cannot decode stops every typed cache in the cluster from syncing, as a time does.
func TestDurationRules(t *testing.T) {
	t.Parallel()
	fields := map[string]struct {
		spec        string // with %s where the duration stands, as JSON
		field       string
		least, most string
		under, over []string // just outside the bounds
		wantBounds  string
	}{
		"every": {
			spec: `{"rotation":{"every":%s}}`, field: "spec.rotation.every",
			least: "10m", most: "87600h", under: []string{"0s", "9m59s", "599s"}, over: []string{"87600h1s", "5256001m", "315360001s"},
			wantBounds: "from 10m to 87600h, such as 2160h",
		},
		"gracePeriod": {
			spec: `{"rotation":{"gracePeriod":%s}}`, field: "spec.rotation.gracePeriod",
			least: "0s", most: "8760h", over: []string{"8760h1s", "525601m", "31536001s"},
			wantBounds: "from 0s to 8760h, such as 24h",
		},
		"deleteAfter": {
			spec: `{"secret":{"deleteAfter":%s}}`, field: "spec.secret.deleteAfter",
			least: "10s", most: "8760h", under: []string{"0s", "0h0m9s", "9s"}, over: []string{"8760h1s", "525601m", "31536001s"},
			wantBounds: "from 10s to 8760h, such as 1h",
		},
	}
	absurd := []string{
		"", " ", "2 weeks", "-1h", "-0s", "+1h", "999999999h", "9999999999s", "1d", "P1D", "PT1H", "30", "0", "1.5h", "1,5h", ".5h",
		"1h 30m", " 1h", "1h ", "1h\n", "1H", "30m1h", "1h1h", "1h30", "h", "hms", "100ms", "3600000000000ns", "1µs", "1e3h", "0x10h", "١h",
		"99999h9999999m999999999s", "00000h0000000m00000000s0s",
	}
	for name, f := range fields {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			of := func(value string) string { return fmt.Sprintf(f.spec, asJSON(value)) }
			refused := []string{f.field, "must be whole hours, minutes and seconds in that order, " + f.wantBounds}
			cases := map[string]specCase{
				"null counts as not given": {spec: fmt.Sprintf(f.spec, "null")},
				"too long to be looked at": {of(strings.Repeat("0", 32) + "h"), []string{f.field + ": Too long", "32"}},
			}
			for _, value := range []string{f.least, f.most, "1h30m", "90m", "1h0m0s", "01h", "6000s", "1h1m1s", "5000m1s"} {
				cases["accepted: "+value] = specCase{spec: of(value)}
			}
			for _, value := range append(append(absurd, f.under...), f.over...) {
				cases["refused: "+value] = specCase{of(value), refused}
			}
			for _, value := range []string{"3600", "true", "{}", "[]", `["1h"]`} {
				cases["of another type: "+value] = specCase{fmt.Sprintf(f.spec, value), []string{f.field, "must be of type string"}}
			}
			checkSpecs(t, cases)
		})
	}
}

func TestRotationRules(t *testing.T) {
	t.Parallel()
	both := []string{"spec.rotation.schedule: Forbidden: may not be given with every: keep every for an age such as 2160h, or schedule for times such as '0 3 1 * *'"}
	zoneAlone := []string{"spec.rotation.timeZone: Forbidden: may be given only with schedule: leave timeZone out, or give a schedule such as '0 3 1 * *'"}
	longGrace := []string{"spec.rotation.gracePeriod", "may not be longer than every, or a third credential would be wanted before the first one ends: shorten gracePeriod or lengthen every"}
	checkSpecs(t, map[string]specCase{
		"an empty rotation":                    {spec: `{"rotation":{}}`},
		"a null rotation":                      {spec: `{"rotation":null}`},
		"an age":                               {spec: `{"rotation":{"every":"2160h"}}`},
		"a schedule":                           {spec: `{"rotation":{"schedule":"0 3 1 * *"}}`},
		"a schedule in a time zone":            {spec: `{"rotation":{"schedule":"@monthly","timeZone":"Europe/Berlin","gracePeriod":"72h"}}`},
		"a grace period alone":                 {spec: `{"rotation":{"gracePeriod":"1h"}}`},
		"a grace period as long as every":      {spec: `{"rotation":{"every":"1h","gracePeriod":"60m"}}`},
		"no grace period":                      {spec: `{"rotation":{"every":"10m","gracePeriod":"0s"}}`},
		"a long grace period with a schedule":  {spec: `{"rotation":{"schedule":"@hourly","gracePeriod":"8760h"}}`},
		"an age and a schedule":                {`{"rotation":{"every":"2160h","schedule":"@daily"}}`, both},
		"an age, a schedule and a time zone":   {`{"rotation":{"every":"2160h","schedule":"@daily","timeZone":"UTC"}}`, both},
		"a time zone without a schedule":       {`{"rotation":{"timeZone":"UTC"}}`, zoneAlone},
		"a time zone with an age":              {`{"rotation":{"every":"2160h","timeZone":"UTC"}}`, zoneAlone},
		"a grace period a second too long":     {`{"rotation":{"every":"10m","gracePeriod":"601s"}}`, longGrace},
		"a grace period longer in other units": {`{"rotation":{"every":"90m","gracePeriod":"2h"}}`, longGrace},
		"a rotation that is a duration":        {`{"rotation":"2160h"}`, []string{"spec.rotation", "must be of type object"}},
	})
}

// Beside a duration that is none, the rule that compares it to the other one stays silent.
func TestOneBadDurationGetsOneSentence(t *testing.T) {
	t.Parallel()
	as, namespace := admin(t), freshNamespace(t)
	for _, spec := range []string{`{"rotation":{"every":"2 weeks","gracePeriod":"1h"}}`, `{"rotation":{"every":"1h","gracePeriod":""}}`} {
		_, err := as.do(t.Context(), create(namespace, apiKey("silent", spec)))
		if err == nil {
			t.Fatalf("%s was accepted, want it refused", spec)
		}
		if strings.Contains(err.Error(), "longer than every") {
			t.Errorf("%s was refused with %q, want only what is wrong with the duration", spec, err)
		}
	}
}

func TestScheduleRules(t *testing.T) {
	t.Parallel()
	of := func(schedule string) string {
		return asJSON(map[string]any{"rotation": map[string]string{"schedule": schedule}})
	}
	refused := []string{"spec.rotation.schedule", "must be five cron fields, or one of @hourly, @daily, @weekly, @monthly, @yearly, on one line, such as '0 3 1 * *'"}
	checkSpecs(t, map[string]specCase{
		"lists, ranges and steps":         {spec: of("*/15,7 0-6/2 L 1,JAN-MAR MON#2")},
		"128 characters":                  {spec: of(strings.Repeat("1,", 60) + "1 * * * ")},
		"what only the manager can parse": {spec: of("every full moon")},
		"129 characters":                  {of(strings.Repeat("*", 129)), []string{"spec.rotation.schedule: Too long", "128"}},
		"empty":                           {of(""), append(refused, "at least 1 chars")},
		"two lines":                       {of("0 3 * * *\n0 4 * * *"), refused},
		"a line break at the end":         {of("0 3 * * *\n"), refused},
		"a tab between fields":            {of("0\t3 * * *"), refused},
		"a space that is not one":         {of("0\u00a03 * * *"), refused},
		"a zero byte":                     {of("@daily\x00"), refused},
		"digits of another alphabet":      {of("٠ ٣ * * *"), refused},
		"a list of schedules":             {`{"rotation":{"schedule":["@daily"]}}`, []string{"spec.rotation.schedule", "must be of type string"}},
	})
}

func TestTimeZoneRules(t *testing.T) {
	t.Parallel()
	of := func(zone string) string {
		return asJSON(map[string]any{"rotation": map[string]string{"schedule": "@daily", "timeZone": zone}})
	}
	refused := []string{"spec.rotation.timeZone", "must be the name of a time zone in the IANA database, such as Europe/Berlin or UTC"}
	cases := map[string]specCase{
		"64 characters":            {spec: of(strings.Repeat("Z", 64))},
		"null counts as not given": {spec: `{"rotation":{"schedule":"@daily","timeZone":null}}`},
		"65 characters":            {of(strings.Repeat("Z", 65)), []string{"spec.rotation.timeZone: Too long", "64"}},
		"empty":                    {of(""), append(refused, "at least 1 chars")},
	}
	for _, zone := range []string{"UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+12", "America/Port-au-Prince", "Moon/Tycho"} {
		cases["accepted: "+zone] = specCase{spec: of(zone)}
	}
	for _, zone := range []string{"Local", "../../etc/passwd", "/etc/localtime", "Europe\\Berlin", "Europe Berlin", "+02:00", "-1", "UTC\n", "Zürich", " UTC"} {
		cases["refused: "+zone] = specCase{of(zone), refused}
	}
	checkSpecs(t, cases)
}
