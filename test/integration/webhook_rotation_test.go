package integration

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/controllers/webhookcert"
)

// Two managers, which both think that they lead, rotate certificates every four seconds and CAs every five; one of them
// serves each certificate only when the next has been made. Clients create and change ApiKeys all the while, and the API server refuses what
// any replica cannot be asked about. It runs by itself, not beside other tests: with lives this short, a machine that
// is busy with something else could let certificates end.
func TestCertificateRotationUnderLoadLosesNoAdmissionRequest(t *testing.T) {
	const wantIssuers, wantCertificates, clients = 3, 5, 4
	l := newWebhookLab(t, webhookcert.Durations{
		Authority: 26 * time.Second, Serving: 20 * time.Second, Renew: 16 * time.Second, Settle: time.Second, Backdate: time.Hour,
	})
	prompt := l.startReplica(admin(t), 0)
	laggard := l.startReplica(admin(t), 5*time.Second)
	l.validate(prompt, laggard)
	l.mutate(prompt)
	l.awaitCalls(prompt, laggard)

	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	load := startLoad(ctx, admin(t), l.namespace, clients)
	err := poll(ctx, func() (bool, error) {
		for _, r := range []*replica{prompt, laggard} {
			if issuers, certificates := r.counts(); issuers < wantIssuers || certificates < wantCertificates {
				return false, load.failed()
			}
		}
		return true, load.failed()
	})
	sent, loadErr := load.stop()
	if err := errors.Join(err, loadErr); err != nil {
		t.Fatalf("after %s and %d requests: %v", time.Since(began), len(sent), err)
	}
	for name, r := range map[string]*replica{"prompt": prompt, "late": laggard} {
		issuers, certificates := r.counts()
		t.Logf("the %s replica served %d certificates of %d CAs within %.1f s", name, certificates, issuers, time.Since(began).Seconds())
		asked := r.wasAskedAbout()
		for _, description := range sent {
			if !asked[description] {
				t.Errorf("the %s replica was not asked about %q", name, description)
			}
		}
	}
	t.Logf("%d requests were answered, and none was lost", len(sent))
	if len(sent) < 100 {
		t.Errorf("%d requests are no load", len(sent))
	}
}

// load is clients that create and change ApiKeys without a pause.
type load struct {
	end   context.CancelFunc
	group sync.WaitGroup

	mutex sync.Mutex
	sent  []string // what was accepted, by description
	err   error
}

func startLoad(ctx context.Context, as identity, namespace string, clients int) *load {
	ctx, cancel := context.WithCancel(ctx)
	l := &load{end: cancel}
	for i := range clients {
		l.group.Go(func() {
			for n := 0; ctx.Err() == nil && l.failed() == nil; n++ {
				name := fmt.Sprintf("load-%d-%d", i, n)
				l.do(ctx, as, create(namespace, apiKey(name, `{"description":"create `+name+`"}`)), "create "+name)
				l.do(ctx, as, patch(namespace, name, mergePatch, `{"spec":{"description":"change `+name+`"}}`), "change "+name)
			}
		})
	}
	return l
}

func (l *load) do(ctx context.Context, as identity, r request, description string) {
	_, err := as.do(ctx, r)
	l.mutex.Lock()
	defer l.mutex.Unlock()
	switch {
	case err == nil:
		l.sent = append(l.sent, description)
	case ctx.Err() == nil:
		l.err = errors.Join(l.err, fmt.Errorf("%s: %w", description, err))
	}
}

func (l *load) failed() error {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.err
}

func (l *load) stop() (sent []string, err error) {
	l.end()
	l.group.Wait()
	return l.sent, l.err
}

// The same load shows that it can fail: an API server that trusts nobody has each request refused.
func TestTheLoadSeesWhatIsRefused(t *testing.T) {
	t.Parallel()
	l := newWebhookLab(t, webhookcert.DefaultDurations())
	r := l.startReplica(admin(t), 0)
	l.options.Configuration += "-of-nobody" // so no CA is injected into what follows
	l.validate(r)
	l.await("the API server to refuse what it cannot ask about", func() (bool, error) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		load := startLoad(ctx, admin(t), l.namespace, 1)
		err := poll(ctx, func() (bool, error) { return load.failed() != nil, nil })
		_, failure := load.stop()
		return failure != nil && strings.Contains(failure.Error(), "failed calling webhook") && strings.Contains(failure.Error(), "x509"), err
	})
}
