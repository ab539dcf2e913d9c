package main

import (
	"context"
	"net"

	"github.com/spf13/pflag"

	"github.com/apikey-operator/apikey-operator/internal/authgrpc"
	"github.com/apikey-operator/apikey-operator/internal/authhttp"
	"github.com/apikey-operator/apikey-operator/internal/gate"
)

// noAddress is the address of a listener that is not wanted.
const noAddress = "0"

// grpcFlags are those of the front end that speaks gRPC.
type grpcFlags struct {
	bindAddress string
	settings    authgrpc.Settings
}

func (f *grpcFlags) register(flags *pflag.FlagSet) {
	s := &f.settings
	*s = authgrpc.DefaultSettings()
	flags.StringVar(&f.bindAddress, "grpc-bind-address", ":9091", "address that Envoy and its kin ask over gRPC; 0 for none")
	flags.BoolVar(&s.RemoveCredential, "grpc-remove-credential", s.RemoveCredential,
		"over gRPC, have the proxy remove the credential header from what goes upstream, and Authorization where the key stood in it")
	flags.IntVar(&s.MaxMessageBytes, "grpc-max-message-bytes", s.MaxMessageBytes,
		"longest question over gRPC; must hold the headers that the proxy accepts, and the body where it sends that along")
	flags.BoolVar(&s.Reflection, "grpc-reflection", s.Reflection, "tell whoever asks over gRPC which services there are")
}

func (f *grpcFlags) wanted() bool { return f.bindAddress != noAddress }

// listen opens the listener, nil where none is wanted.
func (f *grpcFlags) listen(ctx context.Context) (net.Listener, error) {
	if !f.wanted() {
		return nil, nil //nolint:nilnil // see above
	}
	return listen(ctx, "grpc-bind-address", f.bindAddress)
}

// newServer makes the front end, nil where none is wanted. It serves as many connections as that over HTTP, and is as patient.
func (f *grpcFlags) newServer(g *gate.Gate, http authhttp.Settings, tls *proxyTLS, ready func() bool) (*authgrpc.Server, error) {
	if !f.wanted() {
		return nil, nil //nolint:nilnil // see above
	}
	settings := f.settings
	settings.MaxConnections, settings.ReadTimeout = http.MaxConnections, http.ReadTimeout
	config := authgrpc.Config{Gate: g, Ready: ready, TLS: tls.config("h2"), HandshakeFailed: tls.handshakeFailed}
	return authgrpc.New(settings, config) //nolint:wrapcheck // it names the flag
}
