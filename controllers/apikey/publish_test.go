package apikey

import (
	"context"
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

func TestACreateIsNotRepeatedWhileItMayLand(t *testing.T) {
	const fence = 40 * time.Second
	secrets := schema.GroupResource{Resource: "secrets"}
	failed := errors.New("connection lost")
	cases := map[string]struct {
		cause error
		seen  *corev1.Secret
		want  time.Duration
	}{
		"no answer came":                         {failed, nil, fence},
		"its time was over":                      {context.DeadlineExceeded, nil, fence},
		"the API server gave it up":              {apierrors.NewTimeoutError("given up", 0), nil, fence},
		"the API server failed within":           {apierrors.NewInternalError(failed), nil, fence},
		"the API server refused it":              {apierrors.NewForbidden(secrets, "probe", failed), nil, 0},
		"the API server had no time for it":      {apierrors.NewTooManyRequests("busy", 1), nil, 0},
		"another came first":                     {apierrors.NewAlreadyExists(secrets, "probe"), nil, 0},
		"it was not sent":                        {errChanged, nil, 0},
		"it was done, in another way":            {errRewritten, nil, 0},
		"no answer came to an update":            {failed, &corev1.Secret{}, 0},
		"the API server gave up an update":       {apierrors.NewTimeoutError("given up", 0), &corev1.Secret{}, 0},
		"the API server failed within an update": {apierrors.NewInternalError(failed), &corev1.Secret{}, 0},
	}
	r := New(Options{Settings: lifecycle.Settings{Fence: fence}})
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			cause := c.cause
			if !errors.Is(cause, errChanged) && !errors.Is(cause, errRewritten) {
				cause = sanitize(cause)
			}
			if got := r.mayLand(view{secret: c.seen}, cause); got != c.want {
				t.Errorf("it may land for %s, want %s", got, c.want)
			}
		})
	}
}
