package serve

import (
	"context"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
)

// Answer are the headers that a verifier answers with, for servers that answer the same without deciding anything; the
// values are as long as those of the corpus.
var Answer = [][2]string{
	{"X-Request-Id", "0123456789abcdef0123456789abcdef"},
	{"Cache-Control", "no-store"},
	{"X-Apikey-Namespace", "team-499"},
	{"X-Apikey-Name", "service-9999-key"},
	{"X-Apikey-Tenant", "tenant-1999"},
	{"X-Apikey-Permissions", "orders:*,customers:view,customers:edit"},
	{"X-Apikey-Scopes", "category=general|premium"},
	{"X-Apikey-Revision", "1"},
}

// NoOp answers whatever it is asked as a verifier does that has let a request pass: over HTTP on fasthttp, and over gRPC on
// grpc-go, both as they are.
func NoOp() error {
	server := fasthttp.Server{NoDefaultServerHeader: true, Handler: func(ctx *fasthttp.RequestCtx) {
		h := &ctx.Response.Header
		h.SetNoDefaultContentType(true)
		for i := range Answer {
			h.Set(Answer[i][0], Answer[i][1])
		}
	}}
	constant := grpc.NewServer()
	authv3.RegisterAuthorizationServer(constant, constantServer{answer: constantAnswer()})
	return serve(prometheus.NewRegistry(), server.Serve, constant.Serve)
}

// constantServer lets every request pass, with the same answer.
type constantServer struct {
	authv3.UnimplementedAuthorizationServer

	answer *authv3.CheckResponse
}

// Check implements envoy.service.auth.v3.Authorization.
func (s constantServer) Check(context.Context, *authv3.CheckRequest) (*authv3.CheckResponse, error) {
	return s.answer, nil
}

// constantAnswer has the headers that the verifier sends over gRPC.
func constantAnswer() *authv3.CheckResponse {
	ok := &authv3.OkHttpResponse{HeadersToRemove: []string{"X-API-Key"}}
	for _, header := range Answer {
		if header[0] != "Cache-Control" {
			ok.Headers = append(ok.Headers, &corev3.HeaderValueOption{
				Header:       &corev3.HeaderValue{Key: header[0], Value: header[1]},
				AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
			})
		}
	}
	return &authv3.CheckResponse{
		Status: &status.Status{}, HttpResponse: &authv3.CheckResponse_OkResponse{OkResponse: ok},
	}
}
