package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

// call is a request through nginx.
type call struct {
	method  string // default: GET
	path    string
	key     string      // sent as X-API-Key where not empty
	headers http.Header // further ones; the names are sent as they are written here
	body    string
}

// answer is what came back.
type answer struct {
	Status int
	Header http.Header
	Body   string
	// Echo is the request as the upstream got it; nil where the upstream was not reached.
	Echo *stack.Echo

	requestID string
}

// decision is what nginx's access log tells of the verifier's answer to one request.
type decision struct {
	Status       string
	Reason       string
	CacheControl string
}

// httpClient opens a connection for each request, as a stranger would.
var httpClient = &http.Client{
	Timeout:   30 * time.Second,
	Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true},
}

var requestNumber atomic.Int64

// send sends a request through the environment's nginx.
func (e *environment) send(t *testing.T, c call) answer {
	t.Helper()
	a, err := e.try(t.Context(), e.nginx, c)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (e *environment) try(ctx context.Context, nginx *stack.Nginx, c call) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, c.method, nginx.URL(c.path), strings.NewReader(c.body))
	if err != nil {
		return answer{}, err
	}
	id := fmt.Sprintf("request-%d", requestNumber.Add(1))
	request.Header["X-Request-ID"] = []string{id}
	for name, values := range c.headers {
		request.Header[name] = values
	}
	if c.key != "" {
		request.Header["X-API-Key"] = []string{c.key}
	}
	response, err := httpClient.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, fmt.Errorf("read the answer: %w", err)
	}
	a := answer{Status: response.StatusCode, Header: response.Header, Body: string(body), requestID: id}
	if response.StatusCode != http.StatusOK {
		return a, e.tell(a)
	}
	a.Echo = &stack.Echo{}
	if err := json.Unmarshal(body, a.Echo); err != nil {
		return answer{}, fmt.Errorf("what answered 200 is not the upstream: %w: %s", err, body)
	}
	return a, nil
}

// tell has the witness write down what a client was answered.
func (e *environment) tell(a answer) error {
	var text bytes.Buffer
	_, _ = fmt.Fprintf(&text, "%s %d\n", a.requestID, a.Status)
	err := a.Header.Write(&text)
	_, _ = fmt.Fprintf(&text, "\n%s\n", a.Body)
	e.witness.Told(text.Bytes())
	return err
}

// decision waits for nginx's account of what the verifier said to the request that was answered.
func (e *environment) decision(t *testing.T, a answer) decision {
	t.Helper()
	var found decision
	await(t, "nginx's log line of the subrequest of "+a.requestID, func(context.Context) error {
		log, err := os.ReadFile(e.nginx.AccessLog)
		if err != nil {
			return err
		}
		for line := range bytes.Lines(log) {
			var entry struct {
				decision

				ID, URI string
			}
			if err := json.Unmarshal(line, &entry); err != nil {
				return fmt.Errorf("%w: %s", err, line)
			}
			if entry.ID == a.requestID && strings.HasPrefix(entry.URI, "/_external-auth-") {
				found = entry.decision
				return nil
			}
		}
		return fmt.Errorf("it is not there yet")
	})
	return found
}

// expect sends a request and compares the status, and where the verifier refused it the reason.
func (e *environment) expect(t *testing.T, c call, wantStatus int, wantReason string) answer {
	t.Helper()
	a := e.send(t, c)
	got := e.decision(t, a)
	if a.Status != wantStatus || got.Reason != wantReason {
		t.Errorf("%s %s: status %d, reason %q, want %d, %q", c.method, c.path, a.Status, got.Reason, wantStatus, wantReason)
	}
	if reached := a.Echo != nil; reached != (wantStatus == http.StatusOK) {
		t.Errorf("%s %s: the upstream was reached: %t", c.method, c.path, reached)
	}
	return a
}

// awaitStatus sends a request until it is answered with a status, and returns how long that took. It then waits
// until each verifier would have answered so: one may hear of a change some milliseconds after another.
func (e *environment) awaitStatus(t *testing.T, c call, want int) time.Duration {
	t.Helper()
	began := time.Now()
	var took time.Duration
	for {
		a := e.send(t, c)
		if took = time.Since(began); a.Status == want {
			break
		}
		if took > patience {
			t.Fatalf("%s: waited %s in vain for %d; the last answer was %d", c.path, patience, want, a.Status)
		}
	}
	e.awaitEverywhere(t, requirementOf(t, c.path), c.key, want)
	return took
}

// requirementOf is what the route of a path demands.
func requirementOf(t *testing.T, path string) string {
	t.Helper()
	for _, route := range routes {
		if strings.HasPrefix(path, route.Path) {
			return route.Requirement
		}
	}
	t.Fatalf("there is no route for %s", path)
	return ""
}

// awaitEverywhere waits until every verifier answers a key with a status.
func (e *environment) awaitEverywhere(t *testing.T, requirement, key string, want int) {
	t.Helper()
	for _, v := range e.verifiers {
		awaitVerifier(t, v, requirement, key, want)
	}
}

// awaitVerifier waits until a verifier answers a key with a status.
func awaitVerifier(t *testing.T, v *stack.Verifier, requirement, key string, want int) {
	t.Helper()
	await(t, fmt.Sprintf("%d from %s", want, v.Name), func(context.Context) error {
		if got := askVerifier(t, v, requirement, key); got.StatusCode != want {
			return fmt.Errorf("it answers %d, %s", got.StatusCode, got.Header.Get("X-Apikey-Reason"))
		}
		return nil
	})
}

// askVerifier asks a verifier itself, as nginx would for a GET.
func askVerifier(t *testing.T, v *stack.Verifier, requirement, key string) *http.Response {
	t.Helper()
	return rawRequest(t, v.Address, "GET /auth/nginx?"+requirement+" HTTP/1.1\r\nHost: verifier\r\nX-Original-Method: GET\r\n"+
		"X-Original-URL: http://a.test/\r\nX-Real-IP: 127.0.0.1\r\nX-API-Key: "+key+"\r\nConnection: close\r\n\r\n")
}

// identity are our headers as they reached the upstream; one that is missing there is missing here.
func (a answer) identity() map[string]string {
	found := map[string]string{}
	for _, name := range stack.IdentityHeaders {
		if values, ok := a.Echo.Headers[name]; ok {
			found[name] = strings.Join(slices.Clone(values), " AND ")
		}
	}
	return found
}
