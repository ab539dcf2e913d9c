package authgrpc

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/apikey-operator/apikey-operator/internal/authn"
	"github.com/apikey-operator/apikey-operator/internal/gate"
	"github.com/apikey-operator/apikey-operator/internal/index"
)

func wantHeader(name, value string, action corev3.HeaderValueOption_HeaderAppendAction) *corev3.HeaderValueOption {
	return &corev3.HeaderValueOption{
		Header: &corev3.HeaderValue{Key: name, Value: value}, AppendAction: action, KeepEmptyValue: value == "",
	}
}

func TestAnAllowedRequestGoesOnWithItsIdentityAndWithoutTheKey(t *testing.T) {
	const replace = corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD
	f := newFixture(t)
	got := check(t, f.serve(t), f.question("x-api-key", "KEY", "x-apikey-tenant", "spoofed"))
	want := &authv3.OkHttpResponse{
		Headers: []*corev3.HeaderValueOption{
			wantHeader("X-Apikey-Namespace", "phoenix", replace),
			wantHeader("X-Apikey-Name", "monitor", replace),
			wantHeader("X-Apikey-Tenant", "acme", replace),
			wantHeader("X-Apikey-Permissions", "read,customers:*", replace),
			wantHeader("X-Apikey-Scopes", "category=general|premium", replace),
			wantHeader("X-Apikey-Revision", "3", replace),
			wantHeader("X-Request-Id", "id-1", replace),
		},
		HeadersToRemove: []string{"X-API-Key"},
	}
	if got.GetStatus().GetCode() != 0 {
		t.Errorf("status %v, which is no OK", got.GetStatus())
	}
	if diff := cmp.Diff(want, got.GetOkResponse(), protocmp.Transform()); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
}

func TestEveryIdentityHeaderIsOverwrittenWhereThereIsNothingToSay(t *testing.T) {
	f := newFixture(t)
	f.record.Tenant, f.record.Permissions, f.record.Scopes = "", nil, nil
	f.set(t, f.record)
	got := check(t, f.serve(t), f.question("x-api-key", "KEY")).GetOkResponse().GetHeaders()
	var names []string
	for _, option := range got {
		names = append(names, option.GetHeader().GetKey()+"="+option.GetHeader().GetValue())
		if option.GetAppendAction() != corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD {
			t.Errorf("%s: %v, which lets a client's value survive", option.GetHeader().GetKey(), option.GetAppendAction())
		}
	}
	want := []string{
		"X-Apikey-Namespace=phoenix", "X-Apikey-Name=monitor", "X-Apikey-Tenant=", "X-Apikey-Permissions=", "X-Apikey-Scopes=",
		"X-Apikey-Revision=3", "X-Request-Id=id-1",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
}

// Each test spoils a good request for what a route demands that the good key has, or the key.
func TestEveryReasonHasItsStatusAndIsExplained(t *testing.T) {
	const (
		challenge    = `Bearer realm="apikey-operator"`
		invalidToken = challenge + `, error="invalid_token"`
	)
	elsewhere := index.OnlyFrom(netip.MustParsePrefix("198.51.100.0/24"))
	tests := map[authn.Reason]struct {
		spoil         func(*fixture)
		request       func(*fixture) *authv3.CheckRequest
		wantStatus    int32
		wantCode      int32
		wantChallenge string
	}{
		authn.NotReady: {spoil: func(f *fixture) { f.ready = func() bool { return false } }, wantStatus: 503, wantCode: 14},
		authn.InvalidRequirement: {
			request: func(f *fixture) *authv3.CheckRequest {
				return demanding(f.question("x-api-key", "KEY"), "permissions", "read")
			},
			wantStatus: 403, wantCode: 7,
		},
		authn.MissingCredential: {
			request:    func(f *fixture) *authv3.CheckRequest { return f.question() },
			wantStatus: 401, wantCode: 16, wantChallenge: challenge,
		},
		authn.MalformedCredential: {
			request:    func(f *fixture) *authv3.CheckRequest { return f.question("x-api-key", strings.Repeat("a", 513)) },
			wantStatus: 401, wantCode: 16, wantChallenge: invalidToken,
		},
		authn.UnknownKey: {
			request:    func(f *fixture) *authv3.CheckRequest { return f.question("x-api-key", "KEYx") },
			wantStatus: 401, wantCode: 16, wantChallenge: invalidToken,
		},
		authn.Expired: {
			spoil:      func(f *fixture) { f.record.NotAfter = noon },
			wantStatus: 401, wantCode: 16, wantChallenge: invalidToken,
		},
		authn.Revoked: {
			spoil:      func(f *fixture) { f.record.Revoked = true },
			wantStatus: 401, wantCode: 16, wantChallenge: invalidToken,
		},
		authn.Suspended: {
			spoil:      func(f *fixture) { f.record.Suspended = true },
			wantStatus: 401, wantCode: 16, wantChallenge: invalidToken,
		},
		authn.NotGranted:        {spoil: func(f *fixture) { f.record.NotGranted = true }, wantStatus: 403, wantCode: 7},
		authn.AddressNotAllowed: {spoil: func(f *fixture) { f.record.Networks = elsewhere }, wantStatus: 403, wantCode: 7},
		authn.PermissionDenied: {
			spoil:      func(f *fixture) { f.record.Permissions = nil },
			wantStatus: 403, wantCode: 7, wantChallenge: challenge + `, error="insufficient_scope", scope="read"`,
		},
		authn.TenantMismatch: {spoil: func(f *fixture) { f.record.Tenant = "other" }, wantStatus: 403, wantCode: 7},
		authn.ScopeMismatch: {
			spoil:      func(f *fixture) { f.record.Scopes = nil },
			wantStatus: 403, wantCode: 7,
		},
		authn.NamespaceMismatch: {
			request: func(f *fixture) *authv3.CheckRequest {
				return demanding(f.question("x-api-key", "KEY"), "namespace", "elsewhere")
			},
			wantStatus: 403, wantCode: 7,
		},
		authn.RateLimited: {
			spoil: func(f *fixture) {
				f.record.RateLimit = index.RateLimit{Requests: 1, Period: time.Hour, Burst: 1}
				f.set(t, f.record)
				f.ask(f.question("x-api-key", "KEY").GetAttributes())
			},
			wantStatus: 429, wantCode: 8,
		},
	}
	for r := range authn.ReasonCount {
		reason := authn.Reason(r)
		if reason == authn.Allowed {
			continue
		}
		t.Run(reason.String(), func(t *testing.T) {
			tt, ok := tests[reason]
			if !ok {
				t.Fatal("there is no test for this reason")
			}
			f := newFixture(t)
			if tt.spoil != nil {
				tt.spoil(f)
				f.set(t, f.record)
			}
			request := demanding(f.question("x-api-key", "KEY"), "permission", "read", "tenant", "acme", "scope.category", "general")
			if tt.request != nil {
				request = tt.request(f)
			}
			got := check(t, f.serve(t), request)
			want := map[string]string{
				"X-Apikey-Reason": reason.String(), "Content-Type": "application/problem+json", "Cache-Control": "no-store", "X-Request-Id": "id-1",
			}
			if tt.wantChallenge != "" {
				want["WWW-Authenticate"] = tt.wantChallenge
			}
			if reason == authn.RateLimited {
				want["RateLimit-Policy"], want["RateLimit"], want["Retry-After"] = `"apikey";q=1;w=3600`, `"apikey";r=0;t=3600`, "3600"
			}
			denied := got.GetDeniedResponse()
			if diff := cmp.Diff(want, values(denied.GetHeaders())); diff != "" {
				t.Errorf("headers (-want +got):\n%s", diff)
			}
			if status := int32(denied.GetStatus().GetCode()); status != tt.wantStatus || got.GetStatus().GetCode() != tt.wantCode {
				t.Errorf("HTTP status %d and code %d, want %d and %d", status, got.GetStatus().GetCode(), tt.wantStatus, tt.wantCode)
			}
			if diff := cmp.Diff(string(gate.Problem(reason)), denied.GetBody()); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
			if n := f.metrics.counts()["grpc/"+reason.String()]; n != 1 {
				t.Errorf("counted %d times, want once: %v", n, f.metrics.counts())
			}
			if strings.Contains(f.log.String(), f.key) {
				t.Error("the key is in the log")
			}
		})
	}
}

func TestARateLimitIsToldOfToTheClient(t *testing.T) {
	f := newFixture(t)
	f.record.RateLimit = index.RateLimit{Requests: 10, Period: time.Minute, Burst: 20}
	f.set(t, f.record)
	got := check(t, f.serve(t), f.question("x-api-key", "KEY")).GetOkResponse()
	want := map[string]string{"RateLimit-Policy": `"apikey";q=10;w=60;apikey-burst=20`, "RateLimit": `"apikey";r=19;t=6`}
	if diff := cmp.Diff(want, values(got.GetResponseHeadersToAdd())); diff != "" {
		t.Errorf("headers for the client (-want +got):\n%s", diff)
	}
	if len(got.GetHeaders()) != upstreamHeaders {
		t.Errorf("headers for the upstream: %v", got.GetHeaders())
	}
}

func TestAReplacedRequestIDGoesBack(t *testing.T) {
	f := newFixture(t)
	conn := f.serve(t)
	for name, request := range map[string]*authv3.CheckRequest{
		"none":               f.question("x-api-key", "KEY", "x-request-id", ""),
		"one with a space":   f.question("x-api-key", "KEY", "x-request-id", "a b"),
		"one with a newline": f.rawQuestion("x-api-key", "KEY", "x-request-id", "a\r\nb"),
		"for a refusal":      f.question("x-request-id", `"`),
	} {
		t.Run(name, func(t *testing.T) {
			got := check(t, conn, request)
			id := values(got.GetOkResponse().GetHeaders())["X-Request-Id"] + values(got.GetDeniedResponse().GetHeaders())["X-Request-Id"]
			if len(id) != 16 || strings.Trim(id, "0123456789abcdef") != "" {
				t.Errorf("ID %q, want 16 hexadecimal digits", id)
			}
		})
	}
}
