package lifecycle

import (
	"slices"
	"time"
)

// Overdue is how long a rotation that policy demands may take after its time: longer than its jitter, and than all that
// passes by itself.
const Overdue = time.Hour

// withOverdue denies a credential that is older than policy allows where something keeps it from being replaced: a
// Secret in its place, or one that cannot be written. Whoever can bring that about could keep one key for ever
// otherwise. A rotation that has only begun late, since no manager ran, is given its time.
func withOverdue(p Plan, d Desired, at instant) Plan {
	current, issued := FindCurrent(p.Credentials)
	if d.MaxAge == 0 || !issued || d.Source.Kind != Generated || p.Action == Look || p.Expired || d.Revoked || d.Deleting {
		return p
	}
	end := countsFrom(current).Add(d.MaxAge + Overdue)
	pending := slices.ContainsFunc(p.Credentials, func(c Credential) bool {
		return c.open() && at.reached(c.IssuedAt.Add(Overdue))
	})
	switch {
	case at.doubtful():
	case !at.reached(end):
		p.Wake = earliest(p.Wake, end)
	case p.Blocked != NotBlocked, pending:
		p.Denied = DeniedOverdue
	}
	return p
}
