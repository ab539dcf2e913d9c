package lifecycle_test

import (
	"fmt"
	"testing"
	"time"

	. "github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

// jitterOf is the delay of a credential that was issued now.
func jitterOf(t *testing.T, id string, revision int64, every time.Duration) time.Duration {
	t.Helper()
	c := issuedAt(now).on(credential(revision, Current, "a"))
	return dueOf(t, Desired{ID: id, Rotation: Rotation{Every: every}}, c).Sub(now) - every
}

func TestJitterIsBounded(t *testing.T) {
	for every, most := range map[time.Duration]time.Duration{
		10 * time.Minute:                time.Minute,
		10*time.Minute + 9*time.Second:  time.Minute,
		10*time.Minute + 10*time.Second: time.Minute + time.Second,
		time.Hour:                       5 * time.Minute,
		2160 * time.Hour:                5 * time.Minute,
	} {
		var least, greatest time.Duration = time.Hour, -1
		for i := range 5000 {
			drawn := jitterOf(t, fmt.Sprintf("uid-%d", i), 1, every)
			least, greatest = min(least, drawn), max(greatest, drawn)
			if drawn%time.Second != 0 {
				t.Fatalf("every %s: the delay %s has fractions of a second", every, drawn)
			}
		}
		if least != 0 || greatest != most {
			t.Errorf("every %s: delays lie between %s and %s, want 0 and %s", every, least, greatest, most)
		}
	}
}

func TestJitterIsTheSameForOneCredentialAndAnotherForTheNext(t *testing.T) {
	differ := 0
	for i := range 100 {
		id := fmt.Sprintf("uid-%d", i)
		first := jitterOf(t, id, 1, 2160*time.Hour)
		if again := jitterOf(t, id, 1, 2160*time.Hour); again != first {
			t.Fatalf("one credential is delayed by %s and by %s", first, again)
		}
		if jitterOf(t, id, 2, 2160*time.Hour) != first {
			differ++
		}
	}
	if differ < 90 {
		t.Errorf("%d of 100 keys have another delay at their next revision, want nearly all", differ)
	}
}

// TestJitterSpreadsWhatWasMadeTogether holds the delays to an even distribution by the chi-squared test: with 300
// degrees of freedom an even one exceeds 381 once in a thousand, and these are fixed inputs.
func TestJitterSpreadsWhatWasMadeTogether(t *testing.T) {
	const keys, seconds, bound = 10_000, 301, 381.0
	var perSecond [seconds]int
	for i := range keys {
		id := fmt.Sprintf("0190b5a3-%04x-7000-8000-%012x", i%7, i) // UIDs that differ in little
		perSecond[jitterOf(t, id, 1, 24*time.Hour)/time.Second]++
	}
	chi, expected := 0.0, float64(keys)/seconds
	for second, n := range perSecond {
		chi += (float64(n) - expected) * (float64(n) - expected) / expected
		if n > 2*int(expected) {
			t.Errorf("%d keys rotate in second %d, want about %.0f", n, second, expected)
		}
	}
	if chi > bound {
		t.Errorf("the delays are uneven: chi-squared is %.0f, want at most %.0f", chi, bound)
	}
}
