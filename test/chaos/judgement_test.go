package chaos

import (
	"errors"
	"net/http"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

var began = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func credential(revision int64, state v1alpha1.CredentialState, hash string) v1alpha1.Credential {
	return v1alpha1.Credential{Revision: revision, State: state, Hash: hash}
}

func until(c v1alpha1.Credential, seconds int) v1alpha1.Credential {
	c.NotAfter = &metav1.Time{Time: began.Add(time.Duration(seconds) * time.Second)}
	return c
}

// told makes a ledger of statuses that were seen a second apart.
func told(statuses ...[]v1alpha1.Credential) *ledger {
	l := newLedger()
	for i, credentials := range statuses {
		key := &v1alpha1.ApiKey{Status: v1alpha1.ApiKeyStatus{Credentials: credentials}}
		l.see(key, began.Add(time.Duration(i)*time.Second))
	}
	return l
}

// TestAnAnswerIsJudgedByWhatTheStatusesPromised is what the silence of the chaos rests on.
func TestAnAnswerIsJudgedByWhatTheStatusesPromised(t *testing.T) {
	const pending, current, previous = v1alpha1.CredentialPending, v1alpha1.CredentialCurrent, v1alpha1.CredentialPrevious
	first := []v1alpha1.Credential{credential(1, current, "a")}
	announced := []v1alpha1.Credential{credential(1, current, "a"), credential(2, pending, "b")}
	replaced := []v1alpha1.Credential{credential(2, current, "b"), until(credential(1, previous, "a"), 10)}
	nextAnnounced := append([]v1alpha1.Credential{credential(3, pending, "c")}, replaced...)
	endedEarly := []v1alpha1.Credential{credential(2, current, "b"), credential(3, pending, "c")}
	cases := map[string]struct {
		ledger     *ledger
		hash       string
		at         time.Duration
		status     int
		want       error
		wantBroken bool
	}{
		"the current one is accepted":                {told(first), "a", 0, http.StatusOK, nil, false},
		"the current one is refused":                 {told(first), "a", 0, http.StatusUnauthorized, errRefused, false},
		"the current one is refused as not ready":    {told(first), "a", 0, http.StatusForbidden, errRefused, false},
		"the current one meets an error":             {told(first), "a", 0, http.StatusInternalServerError, nil, false},
		"an announced one is refused":                {told(first, announced), "b", time.Second, http.StatusUnauthorized, errRefused, false},
		"one that is in no status is refused":        {told(first), "x", 0, http.StatusUnauthorized, errRefused, false},
		"one in its grace is refused":                {told(first, announced, replaced), "a", 9999 * time.Millisecond, http.StatusUnauthorized, errRefused, false},
		"one is refused at its end":                  {told(first, announced, replaced), "a", 10 * time.Second, http.StatusUnauthorized, nil, false},
		"one is accepted within a second of its end": {told(first, announced, replaced), "a", 11 * time.Second, http.StatusOK, nil, false},
		"one is accepted long after its end":         {told(first, announced, replaced), "a", 11001 * time.Millisecond, http.StatusOK, errAccepted, false},
		"one that a newer one ended is refused": {
			told(first, announced, replaced, nextAnnounced, endedEarly), "a", 4 * time.Second, http.StatusUnauthorized, nil, false,
		},
		"one that a newer one ended is accepted later": {
			told(first, announced, replaced, nextAnnounced, endedEarly), "a", 4*time.Second + events + time.Millisecond, http.StatusOK, errAccepted, false,
		},
		"one whose grace was withdrawn is refused": {
			told(first, announced, replaced, []v1alpha1.Credential{credential(2, current, "b")}), "a", 5 * time.Second, http.StatusUnauthorized, errRefused, true,
		},
		"one that got no grace is refused": {
			told(first, announced, []v1alpha1.Credential{credential(2, current, "b")}), "a", 5 * time.Second, http.StatusUnauthorized, errRefused, true,
		},
		"one that came back is accepted": {
			told(first, announced, replaced, nextAnnounced, endedEarly, nextAnnounced), "a", 5 * time.Second, http.StatusOK, nil, true,
		},
		"one that was promised less": {
			told(first, replaced, []v1alpha1.Credential{credential(2, current, "b"), until(credential(1, previous, "a"), 5)}), "b", 0, http.StatusOK, nil, true,
		},
		"a lower revision becomes current": {told(first, []v1alpha1.Credential{credential(1, current, "b")}), "b", 0, http.StatusOK, nil, true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			at := began.Add(c.at)
			if err := c.ledger.judge(call{hash: c.hash, sent: at, answered: at, status: c.status}); !errors.Is(err, c.want) {
				t.Errorf("it says %v, want %v", err, c.want)
			}
			if _, _, broken := c.ledger.account(); (broken != nil) != c.wantBroken {
				t.Errorf("the statuses contradict each other: %v, want that %t", broken, c.wantBroken)
			}
		})
	}
}
