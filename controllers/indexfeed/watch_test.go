package indexfeed_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"testing"

	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"github.com/apikey-operator/apikey-operator/controllers/indexfeed"
	"github.com/apikey-operator/apikey-operator/internal/index"
)

// deaf holds requests up until it is released, whatever becomes of their context.
type deaf struct {
	asked    chan struct{}
	released chan struct{}
	once     *sync.Once
}

func (d deaf) RoundTrip(*http.Request) (*http.Response, error) {
	d.once.Do(func() { close(d.asked) })
	<-d.released
	return nil, errors.New("released")
}

func TestAFeedEndsWithItsContextThoughItsReflectorDoesNot(t *testing.T) {
	server := deaf{asked: make(chan struct{}), released: make(chan struct{}), once: &sync.Once{}}
	defer close(server.released)
	feed := indexfeed.New(index.New(), &bench{}, clock.RealClock{}, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- feed.Run(ctx, &rest.Config{Host: "http://api.test", Transport: server}) }()
	<-server.asked
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
