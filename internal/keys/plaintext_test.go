package keys_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// holder has the key in an unexported field, where fmt calls no methods.
type holder struct {
	Exported   keys.Plaintext
	unexported keys.Plaintext
	pointer    *keys.Plaintext
	list       []keys.Plaintext
	byName     map[string]keys.Plaintext
}

func TestNoWayOfPrintingShowsTheKey(t *testing.T) {
	key := generate(t, bytes.NewReader(counting(32)), keys.Format{})
	holds := holder{key, key, &key, []keys.Plaintext{key}, map[string]keys.Plaintext{"k": key}}
	for _, value := range []any{key, &key, holds, &holds, []any{key}, errors.Join(fmt.Errorf("x: %v", key))} {
		for _, text := range printed(t, value) {
			assertNoTrace(t, key, text)
		}
	}
}

// printed gives every form that value takes in logs, errors and encodings.
func printed(t *testing.T, value any) []string {
	t.Helper()
	var texts []string
	for verb := byte('A'); verb <= 'z'; verb++ {
		for _, flags := range []string{"", "+", "#", "-60.3", " ", "0"} {
			texts = append(texts, fmt.Sprintf("%"+flags+string(verb), value))
		}
	}
	texts = append(texts, fmt.Sprint(value), fmt.Sprintln(value))

	encodedJSON, err := json.Marshal(map[string]any{"value": value})
	if err != nil {
		t.Fatal(err)
	}
	texts = append(texts, string(encodedJSON))
	if encodedXML, err := xml.Marshal(value); err == nil { // not everything has an XML form
		texts = append(texts, string(encodedXML))
	}

	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("message", "value", value)
	slog.New(slog.NewTextHandler(&log, nil)).Info("message", "value", value)
	return append(texts, log.String())
}

func assertNoTrace(t *testing.T, key keys.Plaintext, text string) {
	t.Helper()
	secret := key.Reveal()
	traces := map[string]string{
		"the key itself":         string(secret),
		"its random part":        string(secret[len("ak_"):30]),
		"its bytes as a list":    fmt.Sprint(secret[10:16])[1:10],
		"its bytes in hex":       fmt.Sprintf("%x", secret[10:16]),
		"its bytes in hex, caps": fmt.Sprintf("%X", secret[10:16]),
		"its bytes in Go syntax": fmt.Sprintf("%#v", secret[10:12])[len("[]byte{"):],
	}
	for what, trace := range traces {
		if bytes.Contains([]byte(text), []byte(trace)) {
			t.Fatalf("shows %s: %s", what, text)
		}
	}
}

func TestPrintingAKeySaysThatItIsRedacted(t *testing.T) {
	key := generate(t, bytes.NewReader(counting(32)), keys.Format{})
	for _, text := range []string{
		key.String(), key.GoString(), fmt.Sprintf("%v", key), fmt.Sprintf("%#v", key), fmt.Sprintf("%x", key),
		key.LogValue().String(),
	} {
		if text != "[REDACTED]" {
			t.Errorf("printed %q, want [REDACTED]", text)
		}
	}
}

func TestWipeEmptiesEveryCopy(t *testing.T) {
	key := generate(t, bytes.NewReader(counting(32)), keys.Format{})
	duplicate := key
	memory := key.Reveal()

	key.Wipe()

	if len(duplicate.Reveal()) != 0 {
		t.Error("a copy still holds the key")
	}
	if !bytes.Equal(memory, make([]byte, len(memory))) {
		t.Error("the memory of the key was not overwritten")
	}
	if hint := duplicate.Hint(); hint != "…" {
		t.Errorf("hint = %q, want only the ellipsis", hint)
	}
	key.Wipe() // again does no harm
}

func TestTheZeroPlaintextHoldsNothing(t *testing.T) {
	var key keys.Plaintext
	if key.Reveal() != nil || key.Hint() != "…" || fmt.Sprint(key) != "[REDACTED]" {
		t.Errorf("reveals %q, hints %q, prints %v", key.Reveal(), key.Hint(), key)
	}
	key.Wipe()
}
