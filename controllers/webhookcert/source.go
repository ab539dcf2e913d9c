package webhookcert

import (
	"crypto/tls"
	"errors"
	"net/http"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// errNoCertificate says what is missing until the leader has made the Secret and this replica has seen it.
var errNoCertificate = errors.New("no certificate for the webhook yet: its Secret was not made yet, or not seen")

// Source is where the webhook's server takes its certificate from. It always has the last one that was sound: a
// Secret that is damaged or removed takes nothing away.
type Source struct {
	dnsName string
	current atomic.Pointer[tls.Certificate]
}

// GetCertificate is for tls.Config.
func (s *Source) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if current := s.current.Load(); current != nil {
		return current, nil
	}
	return nil, errNoCertificate
}

// Ready is for a readiness probe.
func (s *Source) Ready(*http.Request) error {
	_, err := s.GetCertificate(nil)
	return err
}

// take takes over what a Secret holds, if that is sound.
func (s *Source) take(object any) {
	secret, ok := object.(*corev1.Secret)
	if !ok {
		return
	}
	c := read(secret, s.dnsName)
	if c.serving == nil {
		log.Log.WithName("webhookcert").Info("the webhook's Secret holds no certificate that can be served; going on with the last one",
			"namespace", secret.Namespace, "name", secret.Name)
		return
	}
	s.current.Store(&c.serving.pair)
}

func (s *Source) eventHandler() toolscache.ResourceEventHandler {
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc:    s.take,
		UpdateFunc: func(_, object any) { s.take(object) },
	}
}
