package decisionlog_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/apikey-operator/apikey-operator/internal/authn"
	"github.com/apikey-operator/apikey-operator/internal/decisionlog"
)

var noon = time.Date(2027, 1, 10, 12, 0, 0, 0, time.UTC)

// newLog makes a log that begins at noon. What it writes may be read after close.
func newLog(t testing.TB, settings decisionlog.Settings, out io.Writer) *decisionlog.Log {
	t.Helper()
	l, err := decisionlog.New(settings, out, noon, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func closeLog(t testing.TB, l *decisionlog.Log) {
	t.Helper()
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// object is a line, read back.
type object = map[string]any

func objects(t testing.TB, text string) (lines []object) {
	t.Helper()
	for line := range strings.Lines(text) {
		var o object
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("%v in the line %q", err, line)
		}
		lines = append(lines, o)
	}
	return lines
}

// described is a decision of which all is known.
type described decisionlog.Entry

func (d described) Describe() decisionlog.Entry { return decisionlog.Entry(d) }

// written is the only line that an entry makes.
func written(t testing.TB, e decisionlog.Entry) object {
	t.Helper()
	var out bytes.Buffer
	l := newLog(t, decisionlog.Settings{Mode: decisionlog.All, Sample: 1}, &out)
	l.Write(authn.NotReady, noon, described(e))
	closeLog(t, l)
	lines := objects(t, out.String())
	if len(lines) != 1 {
		t.Fatalf("the log holds %q", out.String())
	}
	return lines[0]
}

func TestALineSaysWhatWasDecidedForWhom(t *testing.T) {
	at := noon.Add(1500 * time.Microsecond).In(time.FixedZone("", 7200))
	var out bytes.Buffer
	l := newLog(t, decisionlog.DefaultSettings(), &out)
	l.Write(authn.PermissionDenied, at, described{
		Dialect:   "nginx",
		Namespace: "phoenix", Name: "monitor", Hint: []byte("ak_YHJS…"), Revision: 3,
		Host: []byte("api.example"), Method: []byte("GET"), URL: []byte("/customers?api_key=ak_secret"), RequestID: []byte("r-1"),
		Client: netip.MustParseAddr("192.0.2.1"), TraceID: "0af7651916cd43dd8448eb211c80319c",
	})
	l.Write(authn.UnknownKey, at, described{Dialect: "none"})
	closeLog(t, l)
	const want = `{"time":"2027-01-10T12:00:00.001Z","reason":"permission_denied","dialect":"nginx",` +
		`"namespace":"phoenix","name":"monitor","hint":"ak_YHJS…","revision":3,` +
		`"host":"api.example","method":"GET","path":"/customers","client":"192.0.2.1","request_id":"r-1",` +
		`"trace_id":"0af7651916cd43dd8448eb211c80319c"}
{"time":"2027-01-10T12:00:00.001Z","reason":"unknown_key","dialect":"none"}
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("the log (-want +got):\n%s", diff)
	}
}

func TestOfAURLHostAndPathAreLogged(t *testing.T) {
	cases := map[string]struct {
		host, url          string
		wantHost, wantPath any
	}{
		"a path":                        {"", "/a/b", nil, "/a/b"},
		"a path with a query":           {"", "/a?api_key=k", nil, "/a"},
		"a path with a fragment":        {"", "/a#api_key=k", nil, "/a"},
		"a query alone":                 {"", "?api_key=k", nil, nil},
		"an absolute URL":               {"", "https://h.example/a?x", "h.example", "/a"},
		"an absolute URL and a host":    {"real.example", "https://forged.example/a", "real.example", "/a"},
		"an absolute URL without path":  {"", "https://h.example?x=y", "h.example", nil},
		"a user and a password":         {"", "https://u:p@h.example:81/a", "h.example:81", "/a"},
		"a user where the host is told": {"u:p@h.example", "/a", "h.example", "/a"},
		"a URL within the path":         {"", "/proxy/https://h.example/a", nil, "/proxy/https://h.example/a"},
		"a URL within the query":        {"", "/a?to=https://h.example/b", nil, "/a"},
		"dot segments as they are":      {"", "/a/../b/%2e%2e/c", nil, "/a/../b/%2e%2e/c"},
		"nothing":                       {"", "", nil, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := written(t, decisionlog.Entry{Host: []byte(c.host), URL: []byte(c.url)})
			if got["host"] != c.wantHost || got["path"] != c.wantPath {
				t.Errorf("host %v and path %v, want %v and %v", got["host"], got["path"], c.wantHost, c.wantPath)
			}
		})
	}
}

func TestWhatIsTooLongIsCutAtTheEndOfACharacter(t *testing.T) {
	long := strings.Repeat("0", 3000)
	got := written(t, decisionlog.Entry{
		Host: []byte(long), Method: []byte(long), URL: []byte("/" + strings.Repeat("ü", 1500)), RequestID: []byte(long),
		Client: netip.MustParseAddr("fe80::1").WithZone(long),
	})
	want := object{
		"time": "2027-01-10T12:00:00.000Z", "reason": "not_ready", "dialect": "",
		"host": long[:252] + "…", "method": long[:29] + "…", "path": "/" + strings.Repeat("ü", 1022) + "…",
		"request_id": long[:125] + "…", "client": "fe80::1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the line (-want +got):\n%s", diff)
	}
}

func TestAnEntryMayBeReusedOnceItIsWritten(t *testing.T) {
	var out bytes.Buffer
	l := newLog(t, decisionlog.DefaultSettings(), &out)
	buffer := []byte("/first")
	l.Write(authn.NotReady, noon, described{URL: buffer})
	copy(buffer, "/other")
	closeLog(t, l)
	if got := objects(t, out.String())[0]["path"]; got != "/first" {
		t.Errorf("the path is %v, want what it was", got)
	}
}

func TestOfEachReasonTenLinesASecondAreWrittenAndTheRestIsCounted(t *testing.T) {
	var out bytes.Buffer
	l := newLog(t, decisionlog.DefaultSettings(), &out)
	at := func(ms int, reason authn.Reason, times int) {
		for range times {
			l.Write(reason, noon.Add(time.Duration(ms)*time.Millisecond), described{})
		}
	}
	at(0, authn.UnknownKey, 3)
	at(900, authn.UnknownKey, 20)  // 7 are written
	at(950, authn.Expired, 1)      // another reason has its own
	at(1000, authn.UnknownKey, 20) // 3 are a second old, 3 are written
	at(1899, authn.UnknownKey, 1)
	at(1900, authn.UnknownKey, 20) // 7 are a second old
	at(5000, authn.UnknownKey, 1)
	closeLog(t, l)

	type seen struct {
		time, reason string
		suppressed   any
	}
	var got []seen
	for _, o := range objects(t, out.String()) {
		got = append(got, seen{o["time"].(string)[17:23], o["reason"].(string), o["suppressed"]})
	}
	var want []seen
	lines := func(second, reason string, times int, suppressed any) {
		for i := range times {
			if i > 0 {
				suppressed = nil
			}
			want = append(want, seen{second, reason, suppressed})
		}
	}
	lines("00.000", "unknown_key", 3, nil)
	lines("00.900", "unknown_key", 7, nil)
	lines("00.950", "expired", 1, nil)
	lines("01.000", "unknown_key", 3, float64(13))
	lines("01.900", "unknown_key", 7, float64(18))
	lines("05.000", "unknown_key", 1, float64(13))
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(seen{})); diff != "" {
		t.Errorf("the lines (-want +got):\n%s", diff)
	}
	if got := l.Suppressed(authn.UnknownKey); got != 44 {
		t.Errorf("%d are counted as suppressed, want 44", got)
	}
	if got := l.Suppressed(authn.Expired); got != 0 {
		t.Errorf("%d are counted as suppressed of a reason that had none", got)
	}
}

func TestAClockThatIsSetBackDoesNotSilenceTheLog(t *testing.T) {
	var out bytes.Buffer
	l := newLog(t, decisionlog.DefaultSettings(), &out)
	for range 20 {
		l.Write(authn.NotReady, noon, described{})
	}
	for range 20 {
		l.Write(authn.NotReady, noon.Add(-500*time.Millisecond), described{}) // a goroutine that was held up
	}
	for range 20 {
		l.Write(authn.NotReady, noon.Add(-time.Hour), described{})
	}
	closeLog(t, l)
	if lines := len(objects(t, out.String())); lines != 20 {
		t.Errorf("%d lines, want 10 before the step and 10 after it", lines)
	}
}

func TestTheModeSaysWhatIsLogged(t *testing.T) {
	cases := map[string]struct {
		settings                  decisionlog.Settings
		wantAllowed, wantRefusals int
	}{
		"refusals":                 {decisionlog.Settings{Mode: decisionlog.Refusals, Sample: 1}, 0, 9},
		"all":                      {decisionlog.Settings{Mode: decisionlog.All, Sample: 1}, 9, 9},
		"all, one of 4 allowed":    {decisionlog.Settings{Mode: decisionlog.All, Sample: 4}, 3, 9},
		"all, one of many allowed": {decisionlog.Settings{Mode: decisionlog.All, Sample: 1000}, 1, 9},
		"off":                      {decisionlog.Settings{Mode: decisionlog.Off, Sample: 1}, 0, 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			l := newLog(t, c.settings, &out)
			for range 9 {
				l.Write(authn.Allowed, noon, described{})
				l.Write(authn.Revoked, noon, described{})
			}
			closeLog(t, l)
			allowed, refusals := strings.Count(out.String(), `"allowed"`), strings.Count(out.String(), `"revoked"`)
			if allowed != c.wantAllowed || refusals != c.wantRefusals {
				t.Errorf("%d allowed and %d refusals are logged, want %d and %d", allowed, refusals, c.wantAllowed, c.wantRefusals)
			}
			if got := l.Suppressed(authn.Allowed); got != 0 {
				t.Errorf("%d are counted as suppressed, though they were not asked for", got)
			}
		})
	}
}

func TestSettingsThatMakeNoSenseAreRefused(t *testing.T) {
	cases := map[string]struct {
		settings decisionlog.Settings
		want     string
	}{
		"a mode that is none": {decisionlog.Settings{Mode: "some", Sample: 1}, `"some" is unknown: give refusals, all or off`},
		"one of none":         {decisionlog.Settings{Mode: decisionlog.All}, "give 1 or more"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := decisionlog.New(c.settings, io.Discard, noon, slog.Default())
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("err = %v, want one that contains %q", err, c.want)
			}
		})
	}
}

// stuck is an output that takes nothing until it is released.
type stuck struct {
	release chan struct{}
	bytes.Buffer
}

func (s *stuck) Write(b []byte) (int, error) {
	<-s.release
	return s.Buffer.Write(b)
}

func TestAnOutputThatIsStuckLosesLinesAndNoTime(t *testing.T) {
	out := &stuck{release: make(chan struct{})}
	l := newLog(t, decisionlog.DefaultSettings(), out)
	const seconds = 100
	for second := range seconds {
		for range 20 {
			l.Write(authn.UnknownKey, noon.Add(time.Duration(second)*time.Second), described{})
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Close(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("closing ends with %v, though nothing could be written", err)
	}
	close(out.release)
	closeLog(t, l)
	lines := objects(t, out.String())
	if got := uint64(len(lines)) + l.Dropped(); got != seconds*10 || l.Dropped() == 0 {
		t.Errorf("%d lines and %d dropped ones, want %d together, some of them dropped", len(lines), l.Dropped(), seconds*10)
	}
	l.Write(authn.NotReady, noon.Add(time.Hour), described{}) // too late, and harmless
	if got := uint64(len(lines)) + l.Dropped(); got != seconds*10+1 {
		t.Errorf("a line after the end is not counted as dropped")
	}
}

func TestWhatADroppedLineWasToTellIsToldByTheNext(t *testing.T) {
	out := &stuck{release: make(chan struct{})}
	l := newLog(t, decisionlog.DefaultSettings(), out)
	write := func(second, times int) {
		for range times {
			l.Write(authn.UnknownKey, noon.Add(time.Duration(second)*time.Second), described{})
		}
	}
	second := 0
	for ; l.Dropped() == 0; second++ { // until the buffer is full
		write(second, 11)
	}
	write(second, 1) // dropped, and with it what it tells of the second before
	second++
	out.release <- struct{}{} // one line is written, so that there is room for one
	for before := l.Dropped(); ; second++ {
		write(second, 1)
		if l.Dropped() == before {
			break
		}
		before = l.Dropped()
		runtime.Gosched() // to the goroutine that writes
	}
	close(out.release)
	closeLog(t, l)
	told := uint64(0)
	for _, o := range objects(t, out.String()) {
		if n, ok := o["suppressed"].(float64); ok {
			told += uint64(n)
		}
	}
	if told != l.Suppressed(authn.UnknownKey) {
		t.Errorf("the lines tell of %d suppressed ones, want all %d", told, l.Suppressed(authn.UnknownKey))
	}
}

// broken is an output that fails for a while.
type broken struct {
	failures int
	bytes.Buffer
}

func (b *broken) Write(p []byte) (int, error) {
	if b.failures--; b.failures >= 0 {
		return 0, errors.New("nobody reads this")
	}
	return b.Buffer.Write(p)
}

func TestAnOutputThatFailsIsToldOfOnceAndTriedAgain(t *testing.T) {
	out := &broken{failures: 3}
	var complaints bytes.Buffer
	l, err := decisionlog.New(decisionlog.DefaultSettings(), out, noon, slog.New(slog.NewTextHandler(&complaints, nil)))
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		l.Write(authn.NotReady, noon, described{})
	}
	closeLog(t, l)
	if lines := len(objects(t, out.String())); lines != 2 || l.Dropped() != 3 {
		t.Errorf("%d lines and %d dropped ones, want 2 and 3", lines, l.Dropped())
	}
	if got := strings.Count(complaints.String(), "nobody reads this"); got != 1 {
		t.Errorf("the failure is told of %d times, want once: %s", got, complaints.String())
	}
}

func TestManyGoroutinesTogetherKeepTheLimitAndLoseNoCount(t *testing.T) {
	const goroutines, each = 8, 5000
	var out bytes.Buffer
	l := newLog(t, decisionlog.DefaultSettings(), &out)
	var ticks atomic.Int64
	var group sync.WaitGroup
	for range goroutines {
		group.Go(func() {
			for range each {
				at := noon.Add(time.Duration(ticks.Add(1)) * 10 * time.Microsecond) // 0.4 seconds in all
				l.Write(authn.UnknownKey, at, described{URL: []byte("/")})
			}
		})
	}
	group.Wait()
	closeLog(t, l)
	if lines := len(objects(t, out.String())); lines != 10 {
		t.Errorf("%d lines in less than a second, want 10", lines)
	}
	if got := l.Suppressed(authn.UnknownKey); got != goroutines*each-10 {
		t.Errorf("%d are counted as suppressed, want %d", got, goroutines*each-10)
	}
}

func TestWhatIsNotWrittenDoesNotAllocate(t *testing.T) {
	for mode, reason := range map[decisionlog.Mode]authn.Reason{
		decisionlog.Refusals: authn.UnknownKey, decisionlog.All: authn.Allowed, decisionlog.Off: authn.UnknownKey,
	} {
		t.Run(string(mode), func(t *testing.T) {
			l := newLog(t, decisionlog.Settings{Mode: mode, Sample: 2}, io.Discard)
			url := []byte("/customers?page=2")
			decision := &described{URL: url}
			write := func() { l.Write(reason, noon, decision) }
			for range 20 {
				write()
			}
			if allocs := testing.AllocsPerRun(100, write); allocs != 0 {
				t.Errorf("%v allocations, want none", allocs)
			}
			closeLog(t, l)
		})
	}
}

// known are all fields of a line, and whether each has it.
var known = map[string]bool{
	"time": true, "reason": true, "dialect": true,
	"namespace": false, "name": false, "hint": false, "revision": false, "host": false, "method": false, "path": false,
	"client": false, "request_id": false, "trace_id": false, "suppressed": false,
}

func FuzzALineIsOneObjectOfTheKnownFields(f *testing.F) {
	f.Add([]byte("api.example"), []byte("GET"), []byte("/a?api_key=k"), []byte("r-1"), "192.0.2.1")
	f.Add([]byte("\"}\n{\"reason\":\"allowed\"}"), []byte("\xff\x00"), []byte("/\u2028\u202e\u009b\x7f\U000e0001"), []byte("\r\n"), "fe80::1%\n")
	f.Add([]byte("u:p@h"), bytes.Repeat([]byte("ü"), 40), []byte("x://a@b?c"), bytes.Repeat([]byte("\\"), 200), "")
	f.Fuzz(func(t *testing.T, host, method, url, id []byte, client string) {
		address, _ := netip.ParseAddr(client)
		var out bytes.Buffer
		l := newLog(t, decisionlog.DefaultSettings(), &out)
		l.Write(authn.NotReady, noon, described{Host: host, Method: method, URL: url, RequestID: id, Client: address})
		closeLog(t, l)
		if err := checkLine(out.String()); err != nil {
			t.Fatalf("%v: %q", err, out.String())
		}
	})
}
