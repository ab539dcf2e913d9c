package integration

import "testing"

// A time that Go cannot decode stops every typed cache in the cluster from syncing, so what passes
// here must be decodable; TestEveryAcceptedValueDecodes holds the API server to that.
func TestExpiresAtRules(t *testing.T) {
	t.Parallel()
	expires := func(value string) string { return asJSON(map[string]string{"expiresAt": value}) }
	const sentence = "must be a time in the years 2000 to 2199, with upper-case T and Z, such as 2027-01-10T23:59:59Z"
	pattern := []string{"spec.expiresAt", "should match '^2[01]"}
	explained := []string{"spec.expiresAt", "should match '^2[01]", sentence}
	dateTime := []string{"spec.expiresAt", "must be of type date-time"}

	cases := map[string]specCase{
		"null counts as no expiry":   {spec: `{"expiresAt":null}`},
		"no expiry at all":           {spec: `{}`},
		"a number of seconds":        {`{"expiresAt":1799625599}`, dateTime},
		"a truth":                    {`{"expiresAt":true}`, dateTime},
		"an object":                  {`{"expiresAt":{}}`, dateTime},
		"an empty list":              {`{"expiresAt":[]}`, []string{"spec.expiresAt", sentence}},
		"a list of a good time":      {`{"expiresAt":["2027-01-10T23:59:59Z"]}`, []string{"spec.expiresAt", sentence}},
		"a list of lists":            {`{"expiresAt":[[]]}`, []string{"spec.expiresAt", sentence}},
		"a list of null":             {`{"expiresAt":[null]}`, []string{"spec.expiresAt", sentence}},
		"an empty string":            {expires(""), dateTime},
		"a duration":                 {expires("2 weeks"), dateTime},
		"a date alone":               {expires("2027-01-10"), dateTime},
		"a space instead of the T":   {expires("2027-01-10 23:59:59Z"), dateTime},
		"no seconds":                 {expires("2027-01-10T23:59Z"), dateTime},
		"no zone":                    {expires("2027-01-10T23:59:59"), dateTime},
		"seconds since 1970":         {expires("1799625599"), dateTime},
		"white space before":         {expires(" 2027-01-10T23:59:59Z"), dateTime},
		"a line break after":         {expires("2027-01-10T23:59:59Z\n"), dateTime},
		"30 February":                {expires("2027-02-30T00:00:00Z"), dateTime},
		"31 April":                   {expires("2027-04-31T00:00:00Z"), dateTime},
		"29 February, common year":   {expires("2027-02-29T00:00:00Z"), dateTime},
		"29 February, century":       {expires("2100-02-29T00:00:00Z"), dateTime},
		"month 13":                   {expires("2027-13-01T00:00:00Z"), dateTime},
		"day 0":                      {expires("2027-01-00T00:00:00Z"), dateTime},
		"24 o'clock":                 {expires("2027-01-10T24:00:00Z"), dateTime},
		"a leap second":              {expires("2016-12-31T23:59:60Z"), dateTime},
		"lower-case t and z":         {expires("2027-01-10t23:59:59z"), explained},
		"lower-case t":               {expires("2027-01-10t23:59:59Z"), explained},
		"lower-case z":               {expires("2027-01-10T23:59:59z"), explained},
		"a comma before the split":   {expires("2027-01-10T23:59:59,5Z"), pattern},
		"ten digits of a second":     {expires("2027-01-10T23:59:59.1234567890Z"), pattern},
		"an offset of 24 hours":      {expires("2027-01-10T23:59:59+24:00"), pattern},
		"an offset of 99 hours":      {expires("2027-01-10T23:59:59+99:99"), explained},
		"the year 1999":              {expires("1999-12-31T23:59:59Z"), explained},
		"the year 2200":              {expires("2200-01-01T00:00:00Z"), explained},
		"the year 9999":              {expires("9999-12-31T23:59:59Z"), explained},
		"the year 0":                 {expires("0000-01-01T00:00:00Z"), explained},
		"before 2000 by its offset":  {expires("2000-01-01T00:00:00+00:01"), []string{"spec.expiresAt", sentence}},
		"after 2199 by its offset":   {expires("2199-12-31T23:59:59-00:01"), []string{"spec.expiresAt", sentence}},
		"a year of five digits":      {expires("02027-01-10T23:59:59Z"), dateTime},
		"a sign before the year":     {expires("+2027-01-10T23:59:59Z"), dateTime},
		"digits of another alphabet": {expires("٢٠٢٧-01-10T23:59:59Z"), dateTime},
	}
	for _, valid := range []string{
		"2027-01-10T23:59:59Z",
		"2000-01-01T00:00:00Z",
		"2199-12-31T23:59:59Z",
		"2199-12-31T23:59:59.999999999Z",
		"2028-02-29T00:00:00Z",
		"2027-01-10T23:59:59.5Z",
		"2027-01-10T23:59:59.123456789+05:45",
		"2027-01-10T23:59:59+23:59",
		"2027-01-10T23:59:59-23:59",
		"2027-01-10T23:59:59-00:00",
		"2000-01-01T00:00:00-23:59",
		"2199-12-31T23:59:59+23:59",
	} {
		cases["accepted: "+valid] = specCase{spec: expires(valid)}
	}
	checkSpecs(t, cases)
}
