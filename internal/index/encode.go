package index

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// Never is the NotAfter of an Entry that does not end.
const Never = math.MaxInt64

// maxTextBytes bounds the strings of one ApiKey. The API allows 2.5 KiB of identity headers.
const maxTextBytes = 8 << 10

// encoder turns records into claims. Its memory is used again for each record.
type encoder struct {
	notAfter time.Time
	lengths  [7]byte
	state    state
	texts    []byte
	rank     [rankLen]byte
}

// load takes in what the credentials of r have in common. It fails on a record that cannot be told to
// an upstream unambiguously, which the feed should have refused.
func (e *encoder) load(r *Record) error {
	if err := e.loadTexts(r); err != nil {
		return fmt.Errorf("apikey %.64q in namespace %.64q is not indexed: %w", r.Name, r.Namespace, err)
	}
	e.notAfter = r.NotAfter
	e.state = stateOf(r)
	uid := rankUID(r.UID)
	binary.BigEndian.PutUint64(e.rank[:], uint64(unixNano(r.CreatedAt))^1<<63) // so that negative times come first
	copy(e.rank[8:], uid[:])
	return nil
}

// append adds the claim for one credential of the record that was loaded.
func (e *encoder) append(dst []byte, c Credential) []byte {
	dst = append(dst, c.Hash[:]...)
	dst = binary.BigEndian.AppendUint64(dst, uint64(endOf(c.NotAfter, e.notAfter)))
	dst = binary.BigEndian.AppendUint64(dst, uint64(c.Revision))
	dst = append(dst, e.lengths[:]...)
	dst = append(dst, byte(e.state))
	dst = append(dst, e.texts...)
	return append(dst, e.rank[:]...)
}

func (e *encoder) loadTexts(r *Record) error {
	if r.Namespace == "" || r.Name == "" {
		return errors.New("it has no name")
	}
	if max(len(r.Namespace), len(r.Name), len(r.Tenant)) > math.MaxUint8 {
		return errors.New("its namespace, name or tenant is longer than 255 bytes")
	}
	e.texts = e.texts[:0]
	if err := e.addPermissions(r.Permissions); err != nil {
		return err
	}
	permissions := len(e.texts)
	if err := e.addScopes(r.Scopes); err != nil {
		return err
	}
	scopes := len(e.texts) - permissions
	e.add(r.Tenant, r.Namespace, r.Name)
	if len(e.texts) > maxTextBytes {
		return fmt.Errorf("its names, tenant, permissions and scopes take %d bytes, more than %d", len(e.texts), maxTextBytes)
	}
	if i := slices.IndexFunc(e.texts, notVisible); i >= 0 {
		return fmt.Errorf("it holds the byte %#x, which no header may carry", e.texts[i])
	}
	lengths := binary.BigEndian.AppendUint16(e.lengths[:0], uint16(permissions))
	lengths = binary.BigEndian.AppendUint16(lengths, uint16(scopes))
	_ = append(lengths, uint8(len(r.Tenant)), uint8(len(r.Namespace)), uint8(len(r.Name)))
	return nil
}

func (e *encoder) add(texts ...string) {
	for _, s := range texts {
		e.texts = append(e.texts, s...)
	}
}

func (e *encoder) addPermissions(permissions []string) error {
	for i, p := range permissions {
		if p == "" || strings.Contains(p, ",") {
			return fmt.Errorf("permission %.64q is empty or holds a comma", p)
		}
		if i > 0 {
			e.add(",")
		}
		e.add(p)
	}
	return nil
}

// addScopes keeps a dimension without values: it allows nothing, where an absent one may be taken
// for "anything".
func (e *encoder) addScopes(scopes map[string][]string) error {
	const separators = "=|;"
	for i, dim := range slices.Sorted(maps.Keys(scopes)) {
		if dim == "" || strings.ContainsAny(dim, separators) {
			return fmt.Errorf("scope %.64q is empty or holds one of %s", dim, separators)
		}
		if i > 0 {
			e.add(";")
		}
		e.add(dim, "=")
		for i, value := range slices.Sorted(slices.Values(scopes[dim])) {
			if value == "" || strings.ContainsAny(value, separators) {
				return fmt.Errorf("a value of scope %.64q is empty or holds one of %s", dim, separators)
			}
			if i > 0 {
				e.add("|")
			}
			e.add(value)
		}
	}
	return nil
}

func notVisible(c byte) bool {
	return c <= ' ' || c >= 0x7f
}

func stateOf(r *Record) (s state) {
	if r.Revoked {
		s |= revoked
	}
	if r.Suspended {
		s |= suspended
	}
	if r.Expired {
		s |= expired
	}
	if r.NotGranted {
		s |= notGranted
	}
	return s
}

// rankUID gives the 16 bytes by which a UID ranks: those it spells where it is a UUID in its usual form,
// whose order is that of the text, else the start of its SHA-256.
func rankUID(uid string) (rank [16]byte) {
	digits := strings.ReplaceAll(uid, "-", "")
	if len(uid) == 36 && len(digits) == 32 && digits == strings.ToLower(digits) {
		if _, err := hex.Decode(rank[:], []byte(digits)); err == nil {
			return rank
		}
	}
	sum := sha256.Sum256([]byte(uid))
	return [16]byte(sum[:])
}

// endOf is when a credential of an ApiKey ends: the earlier of the two, zero standing for never.
func endOf(credential, apiKey time.Time) int64 {
	end := int64(Never)
	for _, t := range [...]time.Time{credential, apiKey} {
		if !t.IsZero() {
			end = min(end, unixNano(t))
		}
	}
	return end
}

// unixNano is t.UnixNano, with years that an int64 cannot hold (before 1678, after 2261) taken as the
// nearest that it can, where t.UnixNano is undefined.
func unixNano(t time.Time) int64 {
	const limit = math.MaxInt64 / int64(time.Second)
	switch seconds := t.Unix(); {
	case seconds >= limit:
		return math.MaxInt64
	case seconds <= -limit:
		return math.MinInt64
	}
	return t.UnixNano()
}
