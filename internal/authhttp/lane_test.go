package authhttp

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/apikey-operator/apikey-operator/internal/gate"
	"github.com/apikey-operator/apikey-operator/internal/index"
)

// ways are the two that a connection may be served in.
func (f *fixture) ways() map[string]func(net.Conn) {
	return map[string]func(net.Conn){
		"lane": func(conn net.Conn) {
			f.slots <- struct{}{}
			f.serveLane(f.newLane(conn))
		},
		"fasthttp": func(conn net.Conn) { _ = f.http.ServeConn(conn) },
	}
}

// answer is one as a proxy sees it.
type answer struct {
	Status  int
	Headers map[string][]string
	Body    string
	Close   bool
}

// madeIDLen is the length of a request's ID that was made here.
const madeIDLen = 16

// talk sends bytes at once to one end of a connection whose other end is served, and reads all answers until that is
// closed. Of the headers, those are left out that differ each time.
func talk(t testing.TB, serve func(net.Conn), sent []byte) []answer {
	t.Helper()
	ours, theirs := net.Pipe()
	defer func() { _ = ours.Close() }()
	go serve(theirs)
	go func() { _, _ = ours.Write(sent) }() // fails where the server has had enough
	var all []answer
	for r := bufio.NewReader(ours); ; {
		response, err := http.ReadResponse(r, nil)
		if err != nil {
			return all
		}
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		if response.Header.Get("Date") == "" || response.Header.Get(gate.HeaderRequestID) == "" {
			t.Errorf("headers %v", response.Header)
		}
		headers := maps.Clone(response.Header)
		delete(headers, "Date")
		if len(response.Header.Get(gate.HeaderRequestID)) == madeIDLen {
			delete(headers, gate.HeaderRequestID)
		}
		all = append(all, answer{response.StatusCode, headers, string(body), response.Close})
	}
}

const lastRequest = "GET / HTTP/1.1\r\nHost: v\r\nConnection: close\r\n\r\n"

// limited gives the fixture's key a rate limit that is reached at the second request.
func limited(t *testing.T, f *fixture) {
	f.record.RateLimit = index.RateLimit{Requests: 1, Period: time.Minute, Burst: 1}
	f.set(t, f.record)
}

func TestAPlainRequestIsAnsweredAsFasthttpAnswersIt(t *testing.T) {
	tests := map[string]struct {
		prepare func(*testing.T, *fixture)
		target  string
		headers string
	}{
		"a hit":                   {target: "/auth/nginx?permission=read&cache=5", headers: "X-API-Key: KEY\nX-Original-Method: GET\n"},
		"a hit on forward":        {target: "/auth/forward", headers: "Authorization: Bearer KEY\nX-Forwarded-Method: GET\n"},
		"a hit on envoy":          {target: "/auth/envoy/permission=read/a/../b?c", headers: "x-api-key: KEY\n"},
		"an ID of its own":        {target: "/auth/nginx", headers: "X-API-Key: KEY\nX-Request-ID: abc-1\n"},
		"no key":                  {target: "/auth/nginx"},
		"no key on forward":       {target: "/auth/forward"},
		"an unknown key":          {target: "/auth/envoy/-/a", headers: "X-API-Key: KEYx\n"},
		"two keys":                {target: "/auth/nginx", headers: "X-API-Key: KEY\nX-Api-Key: other\n"},
		"a cookie":                {target: "/auth/nginx", headers: "Cookie: a=b; api_key=KEY; c\n"},
		"a permission that lacks": {target: "/auth/forward?permission=write", headers: "X-API-Key: KEY\n"},
		"no rule for the method":  {target: "/auth/nginx?rule=PUT:read", headers: "X-API-Key: KEY\nX-Original-Method: GET\n"},
		"nonsense is demanded":    {target: "/auth/forward?nonsense", headers: "X-API-Key: KEY\n"},
		"nobody's path":           {target: "/auth"},
		"within a rate limit":     {prepare: func(t *testing.T, f *fixture) { limited(t, f); f.record.RateLimit.Burst = 9; f.set(t, f.record) }, target: "/auth/nginx", headers: "X-API-Key: KEY\n"},
		"while not ready":         {prepare: func(_ *testing.T, f *fixture) { f.isReady = false }, target: "/auth/forward", headers: "X-API-Key: KEY\n"},
		"while draining":          {prepare: func(_ *testing.T, f *fixture) { f.Drain() }, target: "/auth/nginx", headers: "X-API-Key: KEY\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := map[string][]answer{}
			for way := range (&fixture{}).ways() {
				f := newFixture(t, everyPlace)
				if tt.prepare != nil {
					tt.prepare(t, f)
				}
				raw := "GET " + tt.target + " HTTP/1.1\nHost: v\n" + tt.headers + "\n"
				raw = strings.ReplaceAll(strings.ReplaceAll(raw, "\n", "\r\n"), "KEY", f.key)
				got[way] = talk(t, f.ways()[way], []byte(raw+lastRequest))
			}
			if len(got["lane"]) == 0 {
				t.Fatal("no answer")
			}
			if diff := cmp.Diff(got["fasthttp"], got["lane"]); diff != "" {
				t.Errorf("answers (-fasthttp +lane):\n%s", diff)
			}
		})
	}
}

func TestARequestOverTheRateLimitIsAnsweredAsFasthttpAnswersIt(t *testing.T) {
	got := map[string][]answer{}
	for way := range (&fixture{}).ways() {
		f := newFixture(t)
		limited(t, f)
		one := "GET /auth/forward HTTP/1.1\r\nHost: v\r\nX-API-Key: " + f.key + "\r\n\r\n"
		got[way] = talk(t, f.ways()[way], []byte(one+one+lastRequest))
	}
	if lane := got["lane"]; len(lane) != 3 || lane[1].Status != http.StatusTooManyRequests {
		t.Fatalf("answers %v", lane)
	}
	if diff := cmp.Diff(got["fasthttp"], got["lane"]); diff != "" {
		t.Errorf("answers (-fasthttp +lane):\n%s", diff)
	}
}

func TestAConnectionIsHandedOverAtTheFirstRequestThatIsNotPlain(t *testing.T) {
	f := newFixture(t)
	conn := dial(t, f.serve(t))
	for _, step := range []struct {
		raw            string
		wantHandedOver int32
	}{
		{oneRequest, 0},
		{strings.Repeat(oneRequest, 2), 0},
		{"POST /auth/nginx HTTP/1.1\nHost: v\nX-API-Key: KEY\nContent-Length: 5\n\nhello", 1},
		{oneRequest, 1},
	} {
		f.send(t, conn, step.raw)
		for _, got := range answers(t, conn, "", strings.Count(step.raw, "HTTP/1.1")) {
			if got != "200" {
				t.Errorf("after %q: %s", step.raw, got)
			}
		}
		if got := f.http.GetOpenConnectionsCount(); got != step.wantHandedOver {
			t.Errorf("after %q fasthttp has %d connections, want %d", step.raw, got, step.wantHandedOver)
		}
	}
}

func TestARequestInPiecesIsAnswered(t *testing.T) {
	f := newFixture(t)
	conn := dial(t, f.serve(t))
	f.send(t, conn, oneRequest+"GET /auth/nginx HTTP/1.1\nHost: v\nX-API-")
	if diff := cmp.Diff([]string{"200"}, answers(t, conn, "", 1)); diff != "" {
		t.Fatalf("answers (-want +got):\n%s", diff)
	}
	f.send(t, conn, "Key: KEY\n\n"+oneRequest)
	if diff := cmp.Diff([]string{"200", "200"}, answers(t, conn, "", 2)); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}

func TestALongRequestIsAnswered(t *testing.T) {
	f := newFixture(t)
	conn := dial(t, f.serve(t))
	f.send(t, conn, "GET /auth/nginx HTTP/1.1\nHost: v\nX-API-Key: KEY\nX-Long: "+strings.Repeat("a", 3*laneBuffer)+"\n\n")
	if diff := cmp.Diff([]string{"200"}, answers(t, conn, "", 1)); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}

func TestAConnectionInUseOutlivesTheTimeouts(t *testing.T) {
	const timeout = 2 * time.Second
	f := newFixture(t, func(s *settings) {
		s.connections.IdleTimeout, s.connections.ReadTimeout, s.connections.WriteTimeout = timeout, timeout, timeout
	})
	conn := dial(t, f.serve(t))
	for began := time.Now(); time.Since(began) < 5*timeout/2; {
		f.send(t, conn, oneRequest)
		if diff := cmp.Diff([]string{"200"}, answers(t, conn, "", 1)); diff != "" {
			t.Fatalf("after %v (-want +got):\n%s", time.Since(began), diff)
		}
	}
}

func TestAFreshConnectionIsAnsweredDuringShutdown(t *testing.T) {
	f := newFixture(t)
	address, served := f.serveUntil(t)
	fresh, used := dial(t, address), dial(t, address)
	f.send(t, used, oneRequest)
	if diff := cmp.Diff([]string{"200"}, answers(t, used, "", 1)); diff != "" {
		t.Fatalf("answers (-want +got):\n%s", diff)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- f.Shutdown(within(t, 10*time.Second)) }()
	if diff := cmp.Diff([]string{"closed"}, answers(t, used, "", 1)); diff != "" {
		t.Errorf("on the idle connection (-want +got):\n%s", diff)
	}
	// Its first request may be on the way.
	f.send(t, fresh, oneRequest)
	if diff := cmp.Diff([]string{"200 close", "closed"}, answers(t, fresh, "", 2)); diff != "" {
		t.Errorf("on the fresh connection (-want +got):\n%s", diff)
	}
	if err := errors.Join(<-stopped, <-served); err != nil {
		t.Error(err)
	}
}

func TestAPanicOnALaneIsRefused(t *testing.T) {
	f := newFixture(t)
	f.routes[0].status = nil
	got := talk(t, f.ways()["lane"], []byte("GET /auth/nginx HTTP/1.1\r\nHost: v\r\nX-API-Key: "+f.key+"\r\n\r\n"+lastRequest))
	if len(got) != 1 || got[0].Status != http.StatusForbidden || !got[0].Close || f.metrics.panics != 1 {
		t.Errorf("answers %v, panics counted: %d", got, f.metrics.panics)
	}
}

// broken is a connection that meets a bug when it is read.
type broken struct {
	net.Conn
	closed *bool
}

func (broken) Read([]byte) (int, error) { panic("a bug") }
func (b broken) Close() error {
	*b.closed = true
	return b.Conn.Close()
}

func TestABugInReadingEndsItsConnectionAndNothingElse(t *testing.T) {
	f := newFixture(t, func(s *settings) { s.connections.MaxConnections = 1 })
	ours, theirs := net.Pipe()
	defer func() { _ = ours.Close() }()
	closed := false
	f.slots <- struct{}{}
	f.serveLane(f.newLane(broken{theirs, &closed}))
	if !closed || f.metrics.panics != 1 || len(f.slots) != 0 {
		t.Errorf("closed: %t, panics counted: %d, slots held: %d", closed, f.metrics.panics, len(f.slots))
	}
	got := talk(t, f.ways()["lane"], []byte("GET /auth/nginx HTTP/1.1\r\nHost: v\r\nX-API-Key: "+f.key+"\r\n\r\n"+lastRequest))
	if len(got) != 2 || got[0].Status != http.StatusOK {
		t.Errorf("afterwards the answers are %v", got)
	}
	if err := f.Shutdown(within(t, 10*time.Second)); err != nil {
		t.Errorf("shutdown waits for a connection that is gone: %v", err)
	}
}

func TestAnsweringOnALaneDoesNotAllocate(t *testing.T) {
	f := newFixture(t)
	l := &lane{server: f.Server, out: make([]byte, 0, laneBuffer)}
	raw := []byte("GET /auth/nginx?permission=read HTTP/1.1\r\nHost: v\r\nX-Real-IP: 192.0.2.1\r\nX-API-Key: " + f.key + "\r\n\r\n")
	ask := func() {
		if l.head.Read(raw) != len(raw) || l.decide() {
			t.Fatal("the request is not plain")
		}
	}
	if allocs := testing.AllocsPerRun(100, ask); allocs != 0 {
		t.Errorf("%v allocations, want none", allocs)
	}
	if !bytes.HasPrefix(l.out, []byte("HTTP/1.1 200 OK\r\n")) {
		t.Errorf("answered %q", l.out)
	}
}

// FuzzLane sends whatever in both ways, and the answers must be the same.
func FuzzLane(f *testing.F) {
	for _, seed := range []string{
		"GET /auth/nginx?permission=read HTTP/1.1\r\nHost: v\r\nX-API-Key: GOODKEY\r\n\r\n",
		"GET /auth/forward?cache=5 HTTP/1.1\r\nHost: v\r\nAuthorization: Bearer GOODKEY\r\nX-Forwarded-For: 1, 2\r\n\r\nGET / HTTP/1.1\r\n\r\n",
		"GET /auth/envoy/-/a?api_key=GOODKEY HTTP/1.1\r\nHost: v\r\nConnection: keep-alive\r\n\r\nPOST / HTTP/1.1\r\nHost: v\r\nContent-Length: 1\r\n\r\na",
		"GET /auth/nginx HTTP/1.1\r\nHost: v\r\nCookie: a; api_key=GOODKEY\r\nX-Request-ID: a b\r\nConnection: close\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	fix := newFixture(f, everyPlace, func(s *settings) { s.connections.ReadTimeout = time.Second })
	ways := fix.ways()
	f.Fuzz(func(t *testing.T, raw []byte) {
		sent := append(bytes.ReplaceAll(raw, []byte(placeholder), []byte(fix.key)), "\r\n\r\n"+lastRequest...)
		if diff := cmp.Diff(talk(t, ways["fasthttp"], sent), talk(t, ways["lane"], sent)); diff != "" {
			t.Errorf("%q is answered differently (-fasthttp +lane):\n%s", raw, diff)
		}
	})
}
