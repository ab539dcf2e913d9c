package apikey

import (
	"errors"
	"testing"
	"time"
)

func TestFailedWritesAreTriedEverMoreSeldomAndTwoMinutesApartAtMost(t *testing.T) {
	a, key, now := newAttempts(), apiKeyWith("u"), at
	var delays []time.Duration
	for range 20 {
		last := a.failed(key, "h", errors.New("refused"), 0, now)
		if last.failure == nil {
			t.Fatalf("the failure is not told")
		}
		delays = append(delays, last.next.Sub(now))
		if _, early := a.waiting(key, "h", last.next.Add(-time.Nanosecond)); !early {
			t.Errorf("an attempt is made before its time")
		}
		now = last.next
		if _, early := a.waiting(key, "h", now); early {
			t.Errorf("no attempt is made at its time")
		}
	}
	if delays[0] != firstRetry || delays[1] != 2*firstRetry || delays[19] != lastRetry {
		t.Errorf("the delays are %v", delays)
	}
}

func TestAFewLostRacesAreNoFailure(t *testing.T) {
	a, key := newAttempts(), apiKeyWith("u")
	for range maxRaces {
		if last := a.failed(key, "h", errChanged, 0, at); last.failure != nil {
			t.Fatalf("a lost race is told as a failure: %v", last.failure)
		}
	}
	if last := a.failed(key, "h", errChanged, 0, at); last.failure == nil {
		t.Errorf("what looks like a race for ever is never told as a failure")
	}
}

func TestAttemptsAreCountedForOneWriteOfOneApiKey(t *testing.T) {
	a := newAttempts()
	a.failed(apiKeyWith("u"), "h", errors.New("refused"), 0, at)
	if _, early := a.waiting(apiKeyWith("v"), "h", at); early {
		t.Errorf("a later ApiKey of the name waits for an earlier one")
	}
	if _, early := a.waiting(apiKeyWith("u"), "other", at); early {
		t.Errorf("another credential waits")
	}
	a.forget(nameOf(apiKeyWith("u")))
	if _, early := a.waiting(apiKeyWith("u"), "h", at); early {
		t.Errorf("what is forgotten still waits")
	}
}

func TestAWriteThatMayLandIsNotRepeatedMeanwhile(t *testing.T) {
	a, key := newAttempts(), apiKeyWith("u")
	if last := a.failed(key, "h", errors.New("no answer"), time.Minute, at); !last.next.Equal(at.Add(time.Minute)) {
		t.Errorf("the next attempt is made after %s, want a minute", last.next.Sub(at))
	}
	for range 20 {
		a.failed(key, "h", errors.New("refused"), 0, at)
	}
	if last := a.failed(key, "h", errors.New("no answer"), time.Minute, at); !last.next.Equal(at.Add(lastRetry)) {
		t.Errorf("the next attempt is made after %s, though it failed often", last.next.Sub(at))
	}
}
