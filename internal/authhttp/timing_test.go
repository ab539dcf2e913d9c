package authhttp

import (
	"fmt"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/apikey-operator/apikey-operator/internal/index"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

const base62 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

// checksumLen is how many characters of a key are its checksum.
const checksumLen = 6

// withChecksum appends what makes a key of anything: public arithmetic.
func withChecksum(body string) string {
	const base = uint32(len(base62))
	var digits [checksumLen]byte
	sum := crc32.ChecksumIEEE([]byte(body))
	for i := range digits {
		digits[len(digits)-1-i] = base62[sum%base]
		sum /= base
	}
	return body + string(digits[:])
}

// alike makes up a key that has its first characters in common with a real one, and not the next. It does the same work however
// many they are, since what was done just before a measurement changes it by some nanoseconds.
func alike(r *rand.Rand, key string, shared int) string {
	body := make([]byte, len(key)-checksumLen)
	for i := range body {
		if body[i] = base62[r.IntN(len(base62))]; i < shared {
			body[i] = key[i]
		}
	}
	if body[shared] == key[shared] {
		body[shared] = base62[(strings.IndexByte(base62, key[shared])+1)%len(base62)]
	}
	return withChecksum(string(body))
}

// mistyped changes the last character, so that the checksum does not hold.
func mistyped(key string) string {
	last := strings.IndexByte(base62, key[len(key)-1])
	return key[:len(key)-1] + string(base62[(last+1)%len(base62)])
}

// sampled are the times that answers to one kind of key took, in nanoseconds.
type sampled struct {
	name   string
	known  []string // the real keys that it is about
	shared int      // how many characters are in common with one of those
	// choose gives the key of this kind, of a real one and one that is made up.
	choose func(known, madeUp string) string
	times  []float64
	// same says that its times must not differ from those of keys that have nothing in common with a real one.
	same bool
}

// timed is a server that knows many keys, of which half are revoked.
type timed struct {
	*fixture
	random        *rand.Rand
	live, revoked []string
}

func newTimed(b *testing.B) *timed {
	b.Helper()
	const known = 20_000
	source := rand.NewChaCha8([32]byte{})
	tm := &timed{fixture: newFixture(b), random: rand.New(source)}
	for i := range known {
		key, err := keys.Generate(source, keys.Format{})
		if err != nil {
			b.Fatal(err)
		}
		record := tm.record
		record.Name = fmt.Sprint("key-", i)
		record.Credentials = []index.Credential{{Hash: key.Hash(), Revision: 1}}
		record.Revoked = i%2 == 0
		tm.set(b, record)
		if record.Revoked {
			tm.revoked = append(tm.revoked, string(key.Reveal()))
		} else {
			tm.live = append(tm.live, string(key.Reveal()))
		}
	}
	return tm
}

// kinds are those that are compared, the first with each of the others.
func (tm *timed) kinds() []*sampled {
	body := len(tm.live[0]) - checksumLen
	prefix := strings.LastIndexAny(tm.live[0], "_-") + 1
	madeUp := func(_, madeUp string) string { return madeUp }
	return []*sampled{
		{name: "unknown, nothing in common but the prefix", same: true, known: tm.live, shared: prefix, choose: madeUp},
		{name: "unknown, the same once more", same: true, known: tm.live, shared: prefix, choose: madeUp},
		{name: "unknown, 4 characters in common", same: true, known: tm.live, shared: prefix + 4, choose: madeUp},
		{name: "unknown, 16 characters in common", same: true, known: tm.live, shared: prefix + 16, choose: madeUp},
		{name: "unknown, 32 characters in common", same: true, known: tm.live, shared: prefix + 32, choose: madeUp},
		{name: "unknown, all in common but the last", same: true, known: tm.live, shared: body - 1, choose: madeUp},
		{name: "unknown, the same with a revoked one", same: true, known: tm.revoked, shared: body - 1, choose: madeUp},
		{name: "revoked", known: tm.revoked, shared: prefix, choose: func(known, _ string) string { return known }},
		{name: "the checksum does not hold", known: tm.live, shared: prefix, choose: func(_, madeUp string) string { return mistyped(madeUp) }},
	}
}

// measure asks with each kind in an order that nobody can foretell, so that whatever else goes on meets all alike.
func (tm *timed) measure(b *testing.B, kinds []*sampled, samples int) {
	b.Helper()
	ctx := newRequest(b, "/auth/nginx", "X-API-Key", tm.live[0])
	for range samples * len(kinds) {
		s := kinds[tm.random.IntN(len(kinds))]
		known := s.known[tm.random.IntN(len(s.known))]
		ctx.Request.Header.Set("X-API-Key", s.choose(known, alike(tm.random, known, s.shared)))
		ctx.Response.Reset()
		began := time.Now()
		tm.handle(ctx)
		s.times = append(s.times, float64(time.Since(began)))
		if ctx.Response.StatusCode() != fasthttp.StatusUnauthorized {
			b.Fatalf("%s: %s", s.name, reasonOf(ctx))
		}
	}
}

// BenchmarkTimingOfRefusals measures whether the time that a refusal takes tells how much of a real key was right: by Welch's
// t-test over times without their slowest tenth, as dudect does it (https://eprint.iacr.org/2016/1123). There, 4.5 is where one
// begins to look, and 10 where there is no doubt. `make timing` runs it.
func BenchmarkTimingOfRefusals(b *testing.B) {
	const samples, doubtless = 400_000, 10
	tm := newTimed(b)
	if key := tm.live[0]; !keys.ChecksumOK(alike(tm.random, key, 0)) || keys.ChecksumOK(mistyped(key)) {
		b.Fatal("what is made up has another checksum than it should have, so that something else would be measured")
	}
	kinds := tm.kinds()
	const warmUp = 10_000
	tm.measure(b, kinds, warmUp)
	for _, s := range kinds {
		s.times = s.times[:0]
	}
	for b.Loop() {
		tm.measure(b, kinds, samples)
	}
	first := kinds[0].cropped()
	for _, s := range kinds {
		times := s.cropped()
		t := welch(first, times)
		b.Logf("%-42s median %5.0f ns, mean %7.1f ns, difference %+7.1f ns, t %+7.2f", s.name, times[len(times)/2], mean(times), mean(times)-mean(first), t)
		if s.same && math.Abs(t) > doubtless {
			b.Errorf("%s: t is %.1f: the time tells what a key has in common with a real one", s.name, t)
		}
	}
}

// cropped are the times in their order without the slowest tenth, which the machine's other work makes.
func (s *sampled) cropped() []float64 {
	sorted := slices.Sorted(slices.Values(s.times))
	return sorted[:len(sorted)*9/10]
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// welch is the t statistic of two samples.
func welch(a, b []float64) float64 {
	variance := func(values []float64) float64 {
		m, sum := mean(values), 0.0
		for _, v := range values {
			sum += (v - m) * (v - m)
		}
		return sum / float64(len(values)-1)
	}
	return (mean(b) - mean(a)) / math.Sqrt(variance(a)/float64(len(a))+variance(b)/float64(len(b)))
}
