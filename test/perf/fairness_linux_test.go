package main

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/apikey-operator/apikey-operator/test/perf/corpus"
	"github.com/apikey-operator/apikey-operator/test/perf/serve"
)

// Beside Date and Content-Length, which both send.
func TestNginxAnswersWithAsManyHeadersAndBytes(t *testing.T) {
	ofNginx := append(nginxAnswer(), [2]string{"Server", "nginx"}, [2]string{"Connection", "keep-alive"})
	size := func(headers [][2]string) (bytes int) {
		for _, header := range headers {
			bytes += len(header[0]) + len(header[1])
		}
		return bytes
	}
	if len(ofNginx) != len(serve.Answer) || size(ofNginx) != size(serve.Answer) {
		t.Errorf("nginx sends %d headers of %d bytes, want %d of %d", len(ofNginx), size(ofNginx), len(serve.Answer), size(serve.Answer))
	}
}

func TestAKeyComesIntoEachRequestOnce(t *testing.T) {
	message, err := proto.Marshal(check())
	if err != nil {
		t.Fatal(err)
	}
	for name, template := range map[string][]byte{"subrequest": subrequest(), "request": request(), "check": message} {
		if bytes.Count(template, keyMark) != 1 {
			t.Errorf("%s: the key's place is not there once: %q", name, template)
		}
	}
}

func TestTheCorpusHoldsItsKeysAndNoUnknownOnes(t *testing.T) {
	const n = 100
	all := corpus.Keys(n)
	seen := map[string]bool{}
	for at := 0; at < len(all); at += corpus.KeyLen {
		seen[string(all[at:][:corpus.KeyLen])] = true
	}
	if len(all) != n*corpus.KeyLen || len(seen) != n {
		t.Fatalf("%d bytes, %d distinct keys", len(all), len(seen))
	}
	corpus.Shuffle(all)
	for at := 0; at < len(all); at += corpus.KeyLen {
		delete(seen, string(all[at:][:corpus.KeyLen]))
	}
	if len(seen) > 0 {
		t.Errorf("shuffling lost %d keys", len(seen))
	}
	if bytes.Contains(corpus.UnknownKeys(n), all[:corpus.KeyLen]) {
		t.Error("an unknown key is one of the corpus")
	}
}

func TestRowsAreSelectedByName(t *testing.T) {
	if all, err := selectRows(""); err != nil || len(all) != len(rows) {
		t.Errorf("%d rows, %v", len(all), err)
	}
	if two, err := selectRows("refusal,hit_10k"); err != nil || len(two) != 2 || two[0].name != "refusal" {
		t.Errorf("%v, %v", two, err)
	}
	if _, err := selectRows("hit"); err == nil {
		t.Error("a row that is none is taken")
	}
}
