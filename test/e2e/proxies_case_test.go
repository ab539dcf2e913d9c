package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

// proxyCase is a request that every proxy is sent.
type proxyCase struct {
	// request goes over the wire as it stands here, after {NAME} was replaced by the key of that name; {limited} by one that
	// no other proxy uses.
	request string
	// before is how often the same is sent before, and has to be let through.
	before int
	want   outcome
	// but says which proxies do otherwise.
	but []deviation
	// client looks at what the client got.
	client func(t *testing.T, f *front, r reply)
	// upstream looks at the request as it reached the upstream.
	upstream func(t *testing.T, f *front, echo stack.Echo)
}

// outcome is what becomes of a request.
type outcome struct {
	status int
	// reason is the verifier's for a refusal; empty where the proxy refused by itself or the upstream was reached.
	reason string
	// as is the ApiKey that the upstream is told of; empty where it is not reached.
	as string
}

// deviation is an outcome that some proxies come to, and why.
type deviation struct {
	kinds []kind
	want  outcome
	why   string
}

// passes is the outcome for a request that the upstream gets, as one of an ApiKey.
func passes(as string) outcome { return outcome{status: http.StatusOK, as: as} }

// refused is what the verifier refuses for a reason.
func refused(status int, reason string) outcome { return outcome{status: status, reason: reason} }

// byItself is what the proxy does without asking, or whatever the verifier said.
func byItself(status int) outcome { return outcome{status: status} }

// in says which proxies come to an outcome.
func (o outcome) in(why string, kinds ...kind) deviation {
	return deviation{kinds: kinds, want: o, why: why}
}

// wanted is the outcome behind one proxy.
func (c proxyCase) wanted(f *front) (want outcome, why string) {
	want = c.want
	for _, d := range c.but {
		for _, kind := range d.kinds {
			if kind == f.kind {
				want, why = d.want, d.why
			}
		}
	}
	if want.reason != "" && !f.speaksOwnStatus() && want.status != http.StatusUnauthorized {
		want.status = http.StatusForbidden
	}
	return want, why
}

// get is a GET of a path with header lines, over HTTP/1.1.
func get(path string, lines ...string) string { return send("GET "+path+" HTTP/1.1", "", lines...) }

// send is a request with a first line, header lines and a body. {length} becomes the length of what follows the header.
func send(first, body string, lines ...string) string {
	lines = append([]string{first, "Host: api.example", "Connection: close"}, lines...)
	if body != "" {
		lines = append(lines, "Content-Length: {length}")
	}
	return strings.Join(lines, "\r\n") + "\r\n\r\n" + body
}

// reply is what a client got of a proxy.
type reply struct {
	status int
	header http.Header
	body   string
	last   bool // the proxy closes the connection after it
	id     string
	// echoes are the requests as they reached the upstream; more than one would be too many.
	echoes []stack.Echo
}

// send sends a request on a connection of its own.
func (f *front) send(t *testing.T, request string) reply {
	t.Helper()
	connection, err := dial(f.address)
	if err != nil {
		t.Fatalf("%s: %v", f.kind, err)
	}
	defer func() { _ = connection.Close() }()
	return f.sendOn(t, connection, request)
}

// sendOn sends a request as it stands, but for lines that name it to the upstream and to nginx's log.
func (f *front) sendOn(t *testing.T, connection *connection, request string) reply {
	t.Helper()
	r := reply{id: fmt.Sprintf("case-%d", requestNumber.Add(1))}
	first, rest, _ := strings.Cut(request, "\r\n")
	response, err := connection.exchange(first + "\r\n" + stack.CaseHeader + ": " + r.id + "\r\nX-Request-ID: " + r.id + "\r\n" + rest)
	if err != nil {
		t.Fatalf("%s: %v", f.kind, err)
	}
	r.status, r.header, r.body, r.last = response.StatusCode, response.Header, response.body, response.Close
	r.echoes = shared.upstream.Seen(r.id)
	if r.status != http.StatusOK {
		var text bytes.Buffer
		_, _ = fmt.Fprintf(&text, "%s %d\n", r.id, r.status)
		_ = r.header.Write(&text)
		shared.witness.Told(append(text.Bytes(), r.body...))
	}
	return r
}

// received is an answer that was read to its end.
type received struct {
	*http.Response
	body string
}

// connection is a client's, on which one request follows another.
type connection struct {
	net.Conn

	reader *bufio.Reader
}

func dial(address string) (*connection, error) {
	c, err := net.DialTimeout("tcp", address, 10*time.Second)
	if err != nil {
		return nil, err
	}
	return &connection{c, bufio.NewReader(c)}, c.SetDeadline(time.Now().Add(30 * time.Second))
}

// exchange sends bytes and reads the final answer to the end.
func (c *connection) exchange(request string) (received, error) {
	// A server may refuse what it has seen before it was sent all, so a failed write is no failure yet.
	_, writeErr := c.Write([]byte(request))
	method, _, _ := strings.Cut(request, " ")
	for {
		response, err := http.ReadResponse(c.reader, &http.Request{Method: method})
		if err != nil {
			return received{}, fmt.Errorf("read the answer: %w", errors.Join(err, writeErr))
		}
		body, err := io.ReadAll(response.Body)
		if response.StatusCode >= 200 {
			return received{response, string(body)}, err
		}
	}
}

// reason is the verifier's, as far as the proxy tells it.
func (f *front) reason(t *testing.T, r reply) string {
	t.Helper()
	if f.accessLog == "" {
		return r.header.Get("X-Apikey-Reason")
	}
	if r.status != http.StatusUnauthorized && r.status != http.StatusForbidden {
		return "" // what nginx does not understand has no name in its log
	}
	var reason string
	await(t, "nginx's log line of "+r.id, func(context.Context) error {
		log, err := os.ReadFile(f.accessLog)
		if err != nil {
			return err
		}
		seen := false
		for line := range bytes.Lines(log) {
			if !bytes.Contains(line, []byte(`"`+r.id+`"`)) {
				continue
			}
			var entry struct{ URI, Reason string }
			if err := json.Unmarshal(line, &entry); err != nil {
				return err
			}
			seen = true
			if strings.HasPrefix(entry.URI, "/_external-auth-") {
				reason = entry.Reason
			}
		}
		if !seen {
			return errors.New("it is not there yet")
		}
		return nil
	})
	return reason
}

// check compares what a client and the upstream got with what they should have.
func (k *proxiedKeys) check(t *testing.T, f *front, c proxyCase, r reply) {
	t.Helper()
	want, why := c.wanted(f)
	if why != "" {
		why = " (" + why + ")"
	}
	if got := (outcome{status: r.status, reason: f.reason(t, r)}); got.status != want.status || got.reason != want.reason {
		t.Errorf("%s: status %d, reason %q, want %d, %q%s", f.kind, got.status, got.reason, want.status, want.reason, why)
		return
	}
	if want.reason != "" && f.speaksOwnStatus() {
		checkRefusal(t, f, want, r)
	}
	if c.client != nil {
		c.client(t, f, r)
	}
	wantEchoes := 0
	if want.as != "" {
		wantEchoes = 1
	}
	if len(r.echoes) != wantEchoes {
		t.Errorf("%s: the upstream got %d requests, want %d%s", f.kind, len(r.echoes), wantEchoes, why)
		return
	}
	if want.as == "" {
		return
	}
	k.checkUpstream(t, f, c, want.as, r.echoes[0])
	if c.upstream != nil {
		c.upstream(t, f, r.echoes[0])
	}
}

// checkRefusal looks at what a client is told that may know why.
func checkRefusal(t *testing.T, f *front, want outcome, r reply) {
	t.Helper()
	if r.body != "" { // as after HEAD
		if got := r.header.Get("Content-Type"); got != "application/problem+json" {
			t.Errorf("%s: the refusal is of type %q", f.kind, got)
		}
		var problem struct {
			Status int
			Reason string
		}
		if err := json.Unmarshal([]byte(r.body), &problem); err != nil || problem.Status != want.status || problem.Reason != want.reason {
			t.Errorf("%s: the refusal says %s (%v)", f.kind, r.body, err)
		}
	}
	if challenge := r.header.Get("WWW-Authenticate"); want.status == http.StatusUnauthorized && !strings.HasPrefix(challenge, "Bearer realm=") {
		t.Errorf("%s: WWW-Authenticate is %q", f.kind, challenge)
	}
	if after := r.header.Get("Retry-After"); (want.status == http.StatusTooManyRequests) != (after != "") {
		t.Errorf("%s: Retry-After is %q", f.kind, after)
	}
	if got := r.header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("%s: Cache-Control of a refusal is %q", f.kind, got)
	}
}

// checkUpstream looks that the upstream was told who the key is of, by each header once, and nothing else that could be
// taken for that; and that it did not get the key where it must not.
func (k *proxiedKeys) checkUpstream(t *testing.T, f *front, c proxyCase, as string, echo stack.Echo) {
	t.Helper()
	want := map[string][]string{}
	for _, name := range stack.IdentityHeaders {
		value := k.identity(f, as)[name]
		if value != "" || !f.dropsEmpty {
			want[name] = []string{value}
		}
	}
	got := map[string][]string{}
	for name, values := range echo.Headers {
		if folded := strings.ToLower(strings.ReplaceAll(name, "_", "-")); strings.HasPrefix(folded, "x-apikey-") && folded != "x-apikey-reason" {
			got[name] = values
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: identity at the upstream (-want +got):\n%s", f.kind, diff)
	}
	for _, name := range f.keyless(c.request, echo.URI) {
		for _, value := range echo.Headers[name] {
			if strings.Contains(value, k.of(f, as)) {
				t.Errorf("%s: the key reached the upstream in %s", f.kind, name)
			}
		}
	}
}

// keyless are the headers without which a request has to reach the upstream.
func (f *front) keyless(request, uri string) []string {
	switch {
	case strings.HasPrefix(uri, "/no-key-upstream/"):
		return []string{"X-Api-Key", "Authorization"}
	case !f.dropsKeyHeader:
		return nil
	case strings.Contains(strings.ToLower(request), "\r\nx-api-key: {"):
		return []string{"X-Api-Key"}
	}
	return []string{"Authorization"}
}
