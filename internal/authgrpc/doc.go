// Package authgrpc answers Envoy and what is built on it, which ask over gRPC whether a request may pass:
// envoy.service.auth.v3.Authorization
// (https://www.envoyproxy.io/docs/envoy/latest/api-v3/service/auth/v3/external_auth.proto). Beside it stand the health
// service of gRPC and, where wanted, its reflection.
//
// A decision is always an answer: whatever comes in, and whatever fails in here, is a refusal and never an error of gRPC,
// since a proxy that is set to let requests pass while its verifier is away (failure_mode_allow) takes an error for that.
package authgrpc
