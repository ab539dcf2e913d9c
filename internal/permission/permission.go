// Package permission holds the syntax of permissions and what it means that one covers another.
package permission

import "strings"

// MaxLength is how long a permission may be, in bytes.
const MaxLength = 64

// Wildcard alone covers every permission; as the last segment, everything below what stands before it.
const Wildcard = "*"

// Valid says whether p may be granted: segments of letters, digits, '_' and '-' joined by ':' or '.', with
// the wildcard only alone or as the last segment.
func Valid(p string) bool {
	if p == Wildcard {
		return true
	}
	if n := len(p); n > 2 && p[n-1] == '*' && isSeparator(p[n-2]) {
		return len(p) <= MaxLength && Concrete(p[:n-2])
	}
	return Concrete(p)
}

// Concrete says whether p is a permission without a wildcard, as a route may demand it.
func Concrete(p string) bool {
	if len(p) == 0 || len(p) > MaxLength {
		return false
	}
	inSegment := false
	for i := range len(p) {
		switch {
		case isSegment(p[i]):
			inSegment = true
		case isSeparator(p[i]) && inSegment:
			inSegment = false
		default:
			return false
		}
	}
	return inSegment
}

// Covers says whether who holds one permission may do all that the other allows. Both are taken to be
// valid. "customers:*" covers "customers:view" and "customers:view:own" and "customers:*", but neither
// "customers" nor "customers.view": the two separators are different characters.
func Covers(held, asked string) bool {
	if held == Wildcard || held == asked {
		return true
	}
	below, ok := strings.CutSuffix(held, Wildcard)
	return ok && len(asked) > len(below) && strings.HasPrefix(asked, below)
}

func isSeparator(c byte) bool { return c == ':' || c == '.' }

func isSegment(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-'
}
