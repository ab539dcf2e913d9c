package cluster

import "testing"

// step is a part of the life of an installation. The later ones need what the earlier ones have left.
type step struct {
	name string
	test func(*testing.T)
}

func TestAnInstallationOnARealNode(t *testing.T) {
	for _, s := range []step{
		{"helm installs it where Pod Security is restricted", installs},
		{"pods run as the chart says", runsAsTheChartSays},
		{"requests pass nginx by what their keys allow", decides},
		{"the webhook refuses by its Service what no policy allows", refusesAtOnce},
		{"pods can do with their tokens what their roles say and nothing else", staysWithinItsRights},
		{"a rotation loses no request", rotates},
		{"a deleted verifier loses no request", losesAVerifier},
		{"a deleted manager loses no request", losesTheManager},
		{"a restart of all verifiers loses no request", restartsVerifiers},
		{"helm uninstall leaves keys, which work again with the chart of the previous commit", comesBack},
		{"an upgrade from there loses no request", upgrades},
		{"no key is in a log", keepsKeysToItself},
		{"a Roles-only installation serves its namespace", servesOneNamespace},
		{"verifiers serve TLS out of mounted Secrets", servesTLS},
	} {
		passed := t.Run(s.name, func(t *testing.T) {
			t.Cleanup(func() {
				if t.Failed() {
					showWhatHappened(t)
				}
			})
			s.test(t)
		})
		if !passed {
			t.Fatal("the rest builds on this")
		}
	}
}
