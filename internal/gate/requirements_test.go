package gate

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestDistinctRequirementsDoNotFillMemoryOrTheLog(t *testing.T) {
	var log bytes.Buffer
	r := newRequirements(slog.New(slog.NewJSONHandler(&log, nil)))
	for i := range maxRequirements + 100 {
		r.get([]byte(fmt.Sprintf("nonsense=%d", i)))
	}
	r.get([]byte("tenant=" + strings.Repeat("a", maxRequirementBytes)))
	if kept := len(*r.known.Load()); kept != maxInvalid {
		t.Errorf("%d are kept, want %d: nonsense must leave room for what routes demand", kept, maxInvalid)
	}
	for i := range maxRequirements {
		r.get([]byte(fmt.Sprintf("permission=p%d", i)))
	}
	if kept := len(*r.known.Load()); kept != maxRequirements {
		t.Errorf("%d are kept, want %d", kept, maxRequirements)
	}
	if lines, want := strings.Count(log.String(), "\n"), maxInvalid+1; lines != want { // and one that says it is full
		t.Errorf("%d lines, want %d", lines, want)
	}
	// What does not fit is read the same, right and wrong.
	if r.get([]byte("tenant=acme")) == nil || r.get([]byte("more nonsense")) != nil {
		t.Error("what is not remembered is read otherwise")
	}
}
