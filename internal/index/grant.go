package index

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A grant's text is, one behind the other, its permissions, scopes and tenant, and before them their
// lengths, big-endian. Behind them stand its rate limit and its networks, where it has them: so that most, which have
// neither, take no memory for them, bits of the first length that it never needs tell.
const (
	scopesLenAt = 2
	tenantLenAt = 4
	grantHead   = 5

	hasNetworks  = 1 << 7
	hasRateLimit = 1 << 6
)

// maxGrant bounds a grant's text. The API allows 2.5 KiB of identity headers, and 32 networks each in spec and grant.
const maxGrant = 8 << 10

// grantAt returns the text of a grant.
func grantAt(a *arena, p place) string {
	text := a.at(p)
	end := networksAt(text)
	if text[0]&hasNetworks != 0 {
		end += networksLen(text[end:])
	}
	return text[:end]
}

func permissionsLen(text string) int {
	return int(text[0]&^(hasNetworks|hasRateLimit))<<8 | int(text[1])
}

func scopesLen(text string) int { return int(text[scopesLenAt])<<8 | int(text[scopesLenAt+1]) }

func permissionsOf(text string) string {
	return text[grantHead:][:permissionsLen(text)]
}

func scopesOf(text string) string {
	return text[grantHead+permissionsLen(text):][:scopesLen(text)]
}

func tenantOf(text string) string {
	return text[grantHead+permissionsLen(text)+scopesLen(text):][:text[tenantLenAt]]
}

// rateLimitOffset is where a grant's rate limit stands, if it has one.
func rateLimitOffset(text string) int {
	return grantHead + permissionsLen(text) + scopesLen(text) + int(text[tenantLenAt])
}

// networksAt is where a grant's networks stand, if it has some.
func networksAt(text string) int {
	if text[0]&hasRateLimit != 0 {
		return rateLimitOffset(text) + rateLimitSize
	}
	return rateLimitOffset(text)
}

// grantTextOf is the text of what r was granted. It fails where that cannot be told to an upstream unambiguously, or not
// be kept, which the feed should have refused.
func grantTextOf(r *Record) ([]byte, error) {
	text, err := identityTextOf(r)
	if err != nil {
		return nil, err
	}
	if r.RateLimit != (RateLimit{}) {
		text[0] |= hasRateLimit
		if text, err = appendRateLimit(text, r.RateLimit); err != nil {
			return nil, err
		}
	}
	if r.Networks.restricted {
		text[0] |= hasNetworks
		if text, err = appendNetworks(text, r.Networks); err != nil {
			return nil, err
		}
	}
	return text, checkLen(text)
}

// identityTextOf is the part of the text that upstreams are told.
func identityTextOf(r *Record) ([]byte, error) {
	text, err := appendPermissions(make([]byte, grantHead), r.Permissions)
	if err != nil {
		return nil, err
	}
	permissions := len(text) - grantHead
	if text, err = appendScopes(text, r.Scopes); err != nil {
		return nil, err
	}
	scopes := len(text) - grantHead - permissions
	text = append(text, r.Tenant...)
	if len(r.Tenant) > 255 {
		return nil, errors.New("its tenant is longer than 255 bytes")
	}
	if err := checkLen(text); err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(text[grantHead:], notVisible); i >= 0 {
		return nil, fmt.Errorf("it holds the byte %#x, which no header may carry", text[grantHead+i])
	}
	binary.BigEndian.PutUint16(text, uint16(permissions))
	binary.BigEndian.PutUint16(text[scopesLenAt:], uint16(scopes))
	text[tenantLenAt] = uint8(len(r.Tenant))
	return text, nil
}

func checkLen(text []byte) error {
	if len(text) > maxGrant {
		return fmt.Errorf("what it was granted takes %d bytes, more than %d", len(text), maxGrant)
	}
	return nil
}

func appendPermissions(text []byte, permissions []string) ([]byte, error) {
	for i, p := range permissions {
		if p == "" || strings.Contains(p, ",") {
			return nil, fmt.Errorf("permission %.64q is empty or holds a comma", p)
		}
		if i > 0 {
			text = append(text, ',')
		}
		text = append(text, p...)
	}
	return text, nil
}

// appendScopes keeps a dimension without values: it allows nothing, where an absent one may be taken
// for "anything".
func appendScopes(text []byte, scopes map[string][]string) ([]byte, error) {
	for i, dimension := range slices.Sorted(maps.Keys(scopes)) {
		if !isScopePart(dimension) {
			return nil, fmt.Errorf("scope %.64q: %w", dimension, errScopePart)
		}
		if i > 0 {
			text = append(text, ';')
		}
		text = append(append(text, dimension...), '=')
		for i, value := range slices.Sorted(slices.Values(scopes[dimension])) {
			if !isScopePart(value) {
				return nil, fmt.Errorf("a value of scope %.64q: %w", dimension, errScopePart)
			}
			if i > 0 {
				text = append(text, '|')
			}
			text = append(text, value...)
		}
	}
	return text, nil
}

func isScopePart(s string) bool { return s != "" && !strings.ContainsAny(s, "=|;") }

var errScopePart = errors.New("it is empty or holds one of = | ;")

func notVisible(c byte) bool { return c <= ' ' || c >= 0x7f }
