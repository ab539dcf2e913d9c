package integration

import (
	"testing"
	"time"
)

func TestARestartWithNothingToDoIsQuietForEveryKindOfApiKey(t *testing.T) {
	t.Parallel()
	kinds := map[string]func(*testing.T) *lab{
		"generated": newLab,
		"generated, with a Secret made for its consumers": func(t *testing.T) *lab { return newLabOf(t, shapedSpec) },
		"rotated by age":        func(t *testing.T) *lab { return newLabOf(t, `{"rotation":{"every":"24h"}}`) },
		"rotated by a schedule": func(t *testing.T) *lab { return newLabOf(t, `{"rotation":{"schedule":"0 3 * * *"}}`) },
		"revealed":              func(t *testing.T) *lab { return newLabOf(t, concealedSpec) },
		"concealed":             concealedLab,
		"imported by its hash":  func(t *testing.T) *lab { return newLabOf(t, hashSpec(importedKey)) },
		"referenced":            func(t *testing.T) *lab { return referenceLab(t, importedKey) },
		"in a grace period": func(t *testing.T) *lab {
			return edited(newLab(t), `{"spec":{"revision":2}}`)
		},
		"in a grace period of a referenced key": func(t *testing.T) *lab {
			l := referenceLab(t, importedKey)
			l.putIntoVault(otherImportedKey)
			return l
		},
		"suspended":               func(t *testing.T) *lab { return edited(newLab(t), `{"spec":{"suspended":true}}`) },
		"revoked":                 func(t *testing.T) *lab { return edited(newLab(t), `{"spec":{"revoked":true}}`) },
		"revoked and lost":        revokedLab,
		"revoked, of a reference": func(t *testing.T) *lab { return edited(referenceLab(t, importedKey), `{"spec":{"revoked":true}}`) },
		"expiring":                func(t *testing.T) *lab { return edited(newLab(t), `{"spec":{"expiresAt":"2027-01-20T00:00:00Z"}}`) },
		"expired": func(t *testing.T) *lab {
			l := edited(newLab(t), `{"spec":{"expiresAt":"2027-01-10T13:00:00Z"}}`)
			l.advance(2 * time.Hour)
			return l
		},
		"denied as a duplicate": func(t *testing.T) *lab {
			l := newLabOf(t, hashSpec(importedKey))
			l.work()
			l.advance(time.Minute)
			return l.sibling("second", hashSpec(importedKey))
		},
	}
	for name, newKind := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newKind(t)
			l.work()
			before := l.apiKey().ResourceVersion
			l.expectQuiet()
			l.expectQuiet()
			if after := l.apiKey().ResourceVersion; after != before {
				t.Errorf("the ApiKey was written")
			}
		})
	}
}

// edited is a lab whose ApiKey was issued and then changed.
func edited(l *lab, patch string) *lab {
	l.t.Helper()
	l.work()
	l.edit(patch)
	l.work()
	return l
}

// revokedLab is of a revoked key whose Secret is gone.
func revokedLab(t *testing.T) *lab {
	t.Helper()
	l := edited(newLab(t), `{"spec":{"revoked":true}}`)
	l.deleteSecret()
	return l
}
