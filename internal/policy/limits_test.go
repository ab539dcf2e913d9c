package policy_test

import (
	"testing"
	"time"

	. "github.com/apikey-operator/apikey-operator/internal/policy"
)

const day = 24 * time.Hour

func TestALifetimeIsBoundedFromTheTimeOfTheLook(t *testing.T) {
	t.Parallel()
	bounded := Policy{MaxLifetime: day}
	until := func(d time.Duration) Request { return Request{ExpiresAt: now.Add(d)} }
	check(t, map[string]policyCase{
		"never, without a bound":           {},
		"in a century, without one":        {asked: until(36_500 * day)},
		"never":                            {bounded, Request{}, []Code{ExpiryRequired}},
		"at the very end":                  {policy: bounded, asked: until(day)},
		"a second before":                  {policy: bounded, asked: until(day - time.Second)},
		"a nanosecond after":               {bounded, until(day + 1), []Code{LifetimeTooLong}},
		"a second after":                   {bounded, until(day + time.Second), []Code{LifetimeTooLong}},
		"in the past":                      {policy: bounded, asked: until(-day)},
		"the same instant in another zone": {policy: bounded, asked: Request{ExpiresAt: now.Add(day).In(time.FixedZone("", -5*3600))}},
		"a second after, in another zone":  {bounded, Request{ExpiresAt: now.Add(day + time.Second).In(time.FixedZone("", -5*3600))}, []Code{LifetimeTooLong}},
	})
}

func TestALifetimeThatIsTooLongIsAdmittedWhenItIsNotAnyMore(t *testing.T) {
	t.Parallel()
	asked := Request{Permissions: []string{"read"}, ExpiresAt: now.Add(10 * day)}
	policies := []Policy{
		named("nine", permissions("read"), func(p *Policy) { p.MaxLifetime = 9 * day }),
		named("seven", permissions("read"), func(p *Policy) { p.MaxLifetime = 7 * day }),
		named("none", func(p *Policy) { p.MaxLifetime = 0 }),
	}
	v := evaluate(asked, policies...)
	if want := now.Add(day); v.Admitted || !v.Later.Equal(want) {
		t.Fatalf("admitted: %t, maybe later at %v, want it to be at %v", v.Admitted, v.Later, want)
	}
	for d, want := range map[time.Duration]bool{-1: false, 0: true, time.Second: true, 20 * day: true} {
		if got := Evaluate(asked, phoenix, policies, DenyByDefault, v.Later.Add(d)); got.Admitted != want || got.Admitted && !got.Later.IsZero() {
			t.Errorf("%s after that it is admitted: %t, want %t; maybe later at %v", d, got.Admitted, want, got.Later)
		}
	}
}

func TestAWarningThatTimeEndsIsForetoldWhateverElseIsSaid(t *testing.T) {
	t.Parallel()
	asked := Request{Permissions: []string{"read"}, ExpiresAt: now.Add(10 * day)}
	lifetime := func(d time.Duration) func(*Policy) { return func(p *Policy) { p.MaxLifetime = d } }
	cases := map[string]struct {
		policies []Policy
		want     time.Time
	}{
		"where another admits":             {[]Policy{named("a", permissions("read"), lifetime(7*day), warnOnly), named("b", permissions("read"))}, now.Add(3 * day)},
		"where nothing selects":            {[]Policy{named("a", permissions("read"), lifetime(7*day), warnOnly)}, now.Add(3 * day)},
		"where another refuses for longer": {[]Policy{named("a", lifetime(7*day), warnOnly), named("b", lifetime(day))}, now.Add(3 * day)},
		"where another refuses for less":   {[]Policy{named("a", lifetime(7*day), warnOnly), named("b", lifetime(8*day))}, now.Add(2 * day)},
		"where it has none":                {[]Policy{named("a", permissions("read"), lifetime(10*day), warnOnly), named("b", permissions("read"))}, time.Time{}},
	}
	for title, c := range cases {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			if got := evaluate(asked, c.policies...).Later; !got.Equal(c.want) {
				t.Errorf("it may be otherwise at %v, want %v", got, c.want)
			}
		})
	}
}

func TestRotationMustBeByTheClockAndOftenEnough(t *testing.T) {
	t.Parallel()
	demanded := func(every, grace *time.Duration) Policy {
		return Policy{AllowImport: true, RequireRotation: &RequiredRotation{MaxEvery: every, MaxGrace: grace}}
	}
	rotated := func(every, grace time.Duration) Request {
		return Request{Rotation: Rotation{Interval: every, Grace: grace}}
	}
	month, twoDays := 30*day, 2*day
	check(t, map[string]policyCase{
		"none, where none is demanded":             {},
		"none":                                     {demanded(nil, nil), Request{}, []Code{RotationRequired}},
		"none, with a short grace period":          {demanded(&month, &twoDays), rotated(0, day), []Code{RotationRequired}},
		"none, with a long grace period":           {demanded(nil, &twoDays), rotated(0, 9*day), []Code{RotationRequired}},
		"any, where any will do":                   {policy: demanded(nil, nil), asked: rotated(3650*day, 365*day)},
		"as often as demanded":                     {policy: demanded(&month, nil), asked: rotated(month, month)},
		"more often":                               {policy: demanded(&month, nil), asked: rotated(day, day)},
		"less often by a second":                   {demanded(&month, nil), rotated(month+time.Second, 0), []Code{RotationTooRare}},
		"the longest grace period":                 {policy: demanded(nil, &twoDays), asked: rotated(90*day, twoDays)},
		"no grace period":                          {policy: demanded(nil, new(time.Duration)), asked: rotated(90*day, 0)},
		"a grace period where none is allowed":     {demanded(nil, new(time.Duration)), rotated(90*day, time.Second), []Code{GracePeriodTooLong}},
		"a grace period that is longer by 1s":      {demanded(nil, &twoDays), rotated(90*day, twoDays+time.Second), []Code{GracePeriodTooLong}},
		"too rare with too long a grace":           {demanded(&month, &twoDays), rotated(60*day, 3*day), []Code{RotationTooRare, GracePeriodTooLong}},
		"a key from elsewhere":                     {demanded(nil, nil), Request{Import: true}, []Code{RotationRequired}},
		"a key from elsewhere with a grace period": {demanded(nil, &twoDays), Request{Import: true, Rotation: Rotation{Grace: day}}, []Code{RotationRequired}},
		"a key from elsewhere, where none is demanded": {
			policy: Policy{AllowImport: true}, asked: Request{Import: true},
		},
		"a key from elsewhere, where neither is allowed": {
			Policy{RequireRotation: &RequiredRotation{}}, Request{Import: true}, []Code{RotationRequired, ImportNotAllowed},
		},
	})
}

func TestARateLimitMayLetThroughNoMoreInAnyTime(t *testing.T) {
	t.Parallel()
	most := Policy{MaxRateLimit: RateLimit{Requests: 1000, Period: time.Second, Burst: 1000}}
	asks := func(requests int64, period time.Duration, burst int64) Request {
		return Request{RateLimit: RateLimit{Requests: requests, Period: period, Burst: burst}}
	}
	tooHigh := []Code{RateLimitTooHigh}
	check(t, map[string]policyCase{
		"none, where none is demanded":                    {},
		"any, where none is demanded":                     {asked: asks(1_000_000, time.Second, 1_000_000)},
		"none":                                            {most, Request{}, []Code{RateLimitRequired}},
		"the highest":                                     {policy: most, asked: asks(1000, time.Second, 1000)},
		"one request more":                                {most, asks(1001, time.Second, 1000), tooHigh},
		"one more at once":                                {most, asks(1, time.Second, 1001), tooHigh},
		"the same in a minute":                            {policy: most, asked: asks(60_000, time.Minute, 1000)},
		"one more in a minute":                            {most, asks(60_001, time.Minute, 1000), tooHigh},
		"the same in a minute, all at once":               {most, asks(60_000, time.Minute, 60_000), tooHigh},
		"fewer in a minute than in a second":              {policy: most, asked: asks(1000, time.Minute, 1000)},
		"the highest numbers of the API do not run over":  {most, asks(1_000_000, day, 1000), nil},
		"a minute's bound and a second's limit":           {policy: Policy{MaxRateLimit: RateLimit{Requests: 60, Period: time.Minute, Burst: 60}}, asked: asks(1, time.Second, 60)},
		"a minute's bound and a second's limit above it":  {Policy{MaxRateLimit: RateLimit{Requests: 60, Period: time.Minute, Burst: 60}}, asks(2, time.Second, 2), tooHigh},
		"periods of which neither divides the other":      {policy: Policy{MaxRateLimit: RateLimit{Requests: 7, Period: 7 * time.Second, Burst: 9}}, asked: asks(3, 3*time.Second, 9)},
		"periods of which neither divides, and one above": {Policy{MaxRateLimit: RateLimit{Requests: 7, Period: 7 * time.Second, Burst: 9}}, asks(4, 3*time.Second, 4), tooHigh},
	})
}

func TestAFormatThatIsGivenMustBeThePolicys(t *testing.T) {
	t.Parallel()
	asks := func(prefix string, bytes int) Request { return Request{Format: Format{Prefix: prefix, Bytes: bytes}} }
	demanded := Policy{Format: Format{Prefix: "sk_live_", Bytes: 40}}
	check(t, map[string]policyCase{
		"any, where none is demanded":  {asked: asks("sk_test_", 24)},
		"none":                         {policy: demanded},
		"the prefix":                   {policy: demanded, asked: asks("sk_live_", 0)},
		"another prefix":               {demanded, asks("sk_test_", 0), []Code{FormatNotAllowed}},
		"a prefix that begins with it": {demanded, asks("sk_live_x", 0), []Code{FormatNotAllowed}},
		"as many bytes":                {policy: demanded, asked: asks("", 40)},
		"more bytes":                   {policy: demanded, asked: asks("", 64)},
		"fewer bytes":                  {demanded, asks("", 39), []Code{FormatNotAllowed}},
		"both wrong":                   {demanded, asks("ak_", 24), []Code{FormatNotAllowed, FormatNotAllowed}},
		"fewer bytes without a bound":  {policy: Policy{Format: Format{Prefix: "sk_live_"}}, asked: asks("", 24)},
		"a prefix without a bound":     {policy: Policy{Format: Format{Bytes: 40}}, asked: asks("ak_", 0)},
	})
}
