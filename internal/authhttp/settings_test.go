package authhttp

import (
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestTheDefaultSettingsAreValid(t *testing.T) {
	if err := DefaultSettings().Validate(); err != nil {
		t.Error(err)
	}
}

func TestSettingsThatMakeNoSense(t *testing.T) {
	tests := map[string]struct {
		change  func(*Settings)
		wantErr string
	}{
		"a tiny header limit":       {func(s *Settings) { s.MaxHeaderBytes = 4095 }, "use 4096 to 1048576"},
		"a huge header limit":       {func(s *Settings) { s.MaxHeaderBytes = 1<<20 + 1 }, "use 4096 to 1048576"},
		"no body limit":             {func(s *Settings) { s.MaxBodyBytes = 0 }, "--max-body-bytes"},
		"no connections":            {func(s *Settings) { s.MaxConnections = 0 }, "--max-connections"},
		"no read time-out":          {func(s *Settings) { s.ReadTimeout = 0 }, "--read-timeout: the read time-out is 0s, use 10ms to 1h"},
		"a negative write time-out": {func(s *Settings) { s.WriteTimeout = -time.Second }, "--write-timeout"},
		"an idle time-out too long": {func(s *Settings) { s.IdleTimeout = 2 * time.Hour }, "--idle-timeout"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			settings := DefaultSettings()
			tt.change(&settings)
			err := settings.Validate()
			if err == nil || !strings.Contains(err.Error(), tt.wantErr) || strings.Contains(err.Error(), "\n") {
				t.Errorf("err = %v, want one line that contains %q", err, tt.wantErr)
			}
			s, err := New(settings, newFixture(t).gate, slog.New(slog.DiscardHandler))
			if s != nil || err == nil {
				t.Errorf("a server was made of them, err = %v", err)
			}
		})
	}
}
