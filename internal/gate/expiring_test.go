package gate

import (
	"slices"
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/authn"
	"github.com/apikey-operator/apikey-operator/internal/index"
)

// expiringUses are the ApiKeys that were told of since they end soon.
type expiringUses struct {
	uncounted

	told []string
	end  int64
}

func (u *expiringUses) ExpiringKeyUsed(namespace, name string, end int64) {
	u.told, u.end = append(u.told, namespace+"/"+name), end
}

func TestAllowedRequestsOfApiKeysThatEndSoonAreToldOf(t *testing.T) {
	soon, later := noon.Add(ExpiresSoon-time.Nanosecond), noon.Add(ExpiresSoon)
	tests := map[string]struct {
		change   func(*index.Record)
		now      time.Time
		want     authn.Reason
		wantTold bool
	}{
		"it never ends":                          {func(*index.Record) {}, noon, authn.Allowed, false},
		"it never ends, and the clock is broken": {func(*index.Record) {}, time.Unix(-1e9, 0), authn.Allowed, false},
		"it ends later":                          {func(r *index.Record) { r.NotAfter = later }, noon, authn.Allowed, false},
		"it ends soon":                           {func(r *index.Record) { r.NotAfter = soon }, noon, authn.Allowed, true},
		"it ends soon, and its grace period as well": {func(r *index.Record) {
			r.NotAfter, r.Credentials[0].NotAfter = soon, soon
		}, noon, authn.Allowed, true},
		"only its grace period ends soon": {func(r *index.Record) {
			r.NotAfter, r.Credentials[0].NotAfter = later, soon
		}, noon, authn.Allowed, false},
		"only the grace period of one that never ends": {func(r *index.Record) {
			r.Credentials[0].NotAfter = soon
		}, noon, authn.Allowed, false},
		"it ends soon, and is refused": {func(r *index.Record) { r.NotAfter, r.Suspended = soon, true }, noon, authn.Suspended, false},
		"it has ended":                 {func(r *index.Record) { r.NotAfter = noon }, noon, authn.Expired, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w, uses := newWorld(t), &expiringUses{}
			w.config.Metrics = uses
			w.config.Now = func() time.Time { return test.now }
			test.change(&w.record)
			w.set(t)
			got := ask(w.gate(t), func(q *Question) {
				q.Requirement, _ = authn.ParseRequirement("permission=read")
				q.Credential, q.Place = authn.NewCredential([]byte(w.key)), InHeader
			})
			if got != test.want {
				t.Errorf("answered %s, want %s", got, test.want)
			}
			var want []string
			if test.wantTold {
				want = []string{"phoenix/monitor"}
			}
			if !slices.Equal(uses.told, want) || test.wantTold && uses.end != soon.UnixNano() {
				t.Errorf("told of %v, ending at %d; want %v, ending at %d", uses.told, uses.end, want, soon.UnixNano())
			}
		})
	}
}
