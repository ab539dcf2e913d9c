package main

import (
	"bytes"
	"fmt"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/protobuf/proto"

	"github.com/apikey-operator/apikey-operator/test/perf/corpus"
	"github.com/apikey-operator/apikey-operator/test/perf/load"
)

// What Envoy's workers keep to a verifier: few connections, with many calls in flight.
const (
	grpcConnections = 8
	streams         = 16
)

// overGRPC compares the verifier with a server that returns a constant, both asked as Envoy asks.
func overGRPC(b *bench) ([]result, error) {
	verifier, err := b.verifier(few)
	if err != nil {
		return nil, err
	}
	noOp, err := b.noOp("no-op verifier 1")
	if err != nil {
		return nil, err
	}
	var pair [2]*target
	for i, s := range []*server{verifier, noOp} {
		protocol, err := calls(b.shuffled(few))
		if err != nil {
			return nil, err
		}
		if pair[i], err = b.connect(s.grpc, grpcConnections, s.name, protocol, s); err != nil {
			return nil, err
		}
	}
	return b.ratio("grpc", 0.9, pair[0], pair[1])
}

// calls are Checks of one request with one key after the other.
func calls(keys []byte) (*load.GRPC, error) {
	message, err := proto.Marshal(check())
	if err != nil {
		return nil, fmt.Errorf("encode a question: %w", err)
	}
	return &load.GRPC{
		Path: authv3.Authorization_Check_FullMethodName, Message: message, KeyAt: bytes.Index(message, keyMark), Keys: keys, KeyLen: corpus.KeyLen,
		Streams: streams,
		Answer:  []byte{1<<3 | 2, 0}, // an empty status, the first field: OK
	}, nil
}

// check is what Envoy asks for a request of a client with curl's headers and a key, on a route with requirements.
func check() *authv3.CheckRequest {
	address := func(ip string, port uint32) *authv3.AttributeContext_Peer {
		socket := &corev3.SocketAddress{Address: ip, PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: port}}
		return &authv3.AttributeContext_Peer{Address: &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: socket}}}
	}
	extensions := map[string]string{}
	for parameter := range strings.SplitSeq(corpus.Requirement, "&") {
		name, value, _ := strings.Cut(parameter, "=")
		extensions[name] = value
	}
	return &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		Source:            address("192.0.2.17", 41234),
		Destination:       address("192.0.2.1", 8443),
		ContextExtensions: extensions,
		Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
			Id: "1234567890123456789", Method: "GET", Path: "/v1/customers/4711/orders?limit=50", Host: "api.example.com",
			Scheme: "https", Protocol: "HTTP/1.1",
			Headers: map[string]string{
				":authority": "api.example.com", ":method": "GET", ":path": "/v1/customers/4711/orders?limit=50", ":scheme": "https",
				"accept": "*/*", "user-agent": "curl/8.5.0", "x-api-key": string(keyMark), "x-forwarded-for": "192.0.2.17",
				"x-forwarded-proto": "https", "x-request-id": "01234567-89ab-4def-8123-456789abcdef",
			},
		}},
	}}
}
