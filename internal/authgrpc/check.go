package authgrpc

import (
	"context"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"github.com/apikey-operator/apikey-operator/internal/authn"
	"github.com/apikey-operator/apikey-operator/internal/gate"
)

// Check implements envoy.service.auth.v3.Authorization. It never returns an error.
func (s *Server) Check(_ context.Context, request *authv3.CheckRequest) (response *authv3.CheckResponse, _ error) {
	defer func() {
		if cause := recover(); cause != nil { // gRPC itself recovers from nothing
			s.gate.Panicked(cause)
			response = s.refuse(authn.NotReady)
		}
	}()
	if request.GetAttributes() == unreadable {
		return s.refuseUnreadable(), nil
	}
	return s.ask(request.GetAttributes()), nil
}

func (s *Server) ask(attributes *authv3.AttributeContext) (response *authv3.CheckResponse) {
	q, r := gate.NewQuestion(), newReader()
	r.read(q, s.gate, attributes)
	s.route.Ask(q)
	if q.Reason == authn.Allowed {
		response = s.allow(q)
	} else {
		response = deny(s.gate, q)
	}
	q.Done()
	q.Release()
	r.release()
	return response
}

// refuseUnreadable answers what is no question.
func (s *Server) refuseUnreadable() *authv3.CheckResponse {
	reason := s.gate.Unread()
	s.gate.Nowhere().Refuse(reason)
	return s.refuse(reason)
}

// refuse makes an answer where nothing was decided.
func (s *Server) refuse(reason authn.Reason) *authv3.CheckResponse {
	q := gate.NewQuestion()
	defer q.Release()
	q.Reason = reason
	return deny(s.gate, q)
}
