package index

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// maxTextBytes bounds the strings of one ApiKey. The API allows 2.5 KiB of identity headers.
const maxTextBytes = 8 << 10

// encoder turns records into slots and their text. Its memory is used again for each record.
type encoder struct {
	text []byte
}

// claim is what all credentials of one ApiKey have in common: their slots but for hash, end and revision.
type claim struct {
	slot     slot
	notAfter time.Time
	text     string
}

// of returns the slot of one credential.
func (c *claim) of(credential Credential) slot {
	s := c.slot
	s.hash = credential.Hash
	s.notAfter = endOf(credential.NotAfter, c.notAfter)
	s.revision = credential.Revision
	return s
}

// encode fails on a record that cannot be told to an upstream unambiguously, which the feed should
// have refused.
func (e *encoder) encode(r *Record) (claim, error) {
	s, err := e.encodeText(r)
	if err != nil {
		return claim{}, fmt.Errorf("apikey %.64q in namespace %.64q is not indexed: %w", r.Name, r.Namespace, err)
	}
	s.createdAt = unixNano(r.CreatedAt)
	s.uid = rankUID(r.UID)
	s.state = r.state()
	return claim{slot: s, notAfter: r.NotAfter, text: string(e.text)}, nil
}

func (e *encoder) encodeText(r *Record) (slot, error) {
	if r.Namespace == "" || r.Name == "" {
		return slot{}, errors.New("it has no name")
	}
	if max(len(r.Namespace), len(r.Name), len(r.Tenant)) > 255 {
		return slot{}, errors.New("its namespace, name or tenant is longer than 255 bytes")
	}
	e.text = e.text[:0]
	s := slot{
		namespace: uint8(e.append(r.Namespace)),
		name:      uint8(e.append(r.Name)),
		tenant:    uint8(e.append(r.Tenant)),
	}
	permissions, err := e.appendPermissions(r.Permissions)
	if err != nil {
		return slot{}, err
	}
	scopes, err := e.appendScopes(r.Scopes)
	if err != nil {
		return slot{}, err
	}
	if len(e.text) > maxTextBytes {
		return slot{}, fmt.Errorf("its names, tenant, permissions and scopes take %d bytes, more than %d", len(e.text), maxTextBytes)
	}
	if i := slices.IndexFunc(e.text, notVisible); i >= 0 {
		return slot{}, fmt.Errorf("it holds the byte %#x, which no header may carry", e.text[i])
	}
	s.permissions, s.scopes = uint16(permissions), uint16(scopes)
	return s, nil
}

// append returns how many bytes it added.
func (e *encoder) append(s string) int {
	e.text = append(e.text, s...)
	return len(s)
}

func (e *encoder) appendPermissions(permissions []string) (int, error) {
	before := len(e.text)
	for i, p := range permissions {
		if p == "" || strings.Contains(p, ",") {
			return 0, fmt.Errorf("permission %.64q is empty or holds a comma", p)
		}
		if i > 0 {
			e.append(",")
		}
		e.append(p)
	}
	return len(e.text) - before, nil
}

// appendScopes keeps a dimension without values: it allows nothing, where an absent one may be taken
// for "anything".
func (e *encoder) appendScopes(scopes map[string][]string) (int, error) {
	const separators = "=|;"
	before := len(e.text)
	for i, dim := range slices.Sorted(maps.Keys(scopes)) {
		if dim == "" || strings.ContainsAny(dim, separators) {
			return 0, fmt.Errorf("scope %.64q is empty or holds one of %s", dim, separators)
		}
		if i > 0 {
			e.append(";")
		}
		e.append(dim)
		e.append("=")
		for i, value := range slices.Sorted(slices.Values(scopes[dim])) {
			if value == "" || strings.ContainsAny(value, separators) {
				return 0, fmt.Errorf("a value of scope %.64q is empty or holds one of %s", dim, separators)
			}
			if i > 0 {
				e.append("|")
			}
			e.append(value)
		}
	}
	return len(e.text) - before, nil
}

func notVisible(c byte) bool {
	return c <= ' ' || c >= 0x7f
}
