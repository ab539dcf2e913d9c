package index

import (
	"encoding/binary"
	"errors"
	"math"
	"time"
)

// RateLimit is how often a key may be used: so many requests in each period, and so many at once after a pause.
// The zero value is no limit.
type RateLimit struct {
	Requests int64
	Period   time.Duration // whole seconds
	Burst    int64
}

// The text of a rate limit is its requests, the seconds of its period and its burst, 4 bytes each, big-endian.
const rateLimitSize = 3 * 4

func appendRateLimit(text []byte, l RateLimit) ([]byte, error) {
	if l.Period%time.Second != 0 {
		return nil, errors.New("the period of its rate limit is not of whole seconds")
	}
	for _, part := range [...]int64{l.Requests, int64(l.Period / time.Second), l.Burst} {
		if part < 1 || part > math.MaxUint32 {
			return nil, errors.New("its rate limit is none")
		}
		text = binary.BigEndian.AppendUint32(text, uint32(part))
	}
	return text, nil
}

func rateLimitAt(text string) RateLimit {
	var parts [rateLimitSize]byte
	copy(parts[:], text)
	return RateLimit{
		Requests: int64(binary.BigEndian.Uint32(parts[0:])),
		Period:   time.Duration(binary.BigEndian.Uint32(parts[4:])) * time.Second,
		Burst:    int64(binary.BigEndian.Uint32(parts[8:])),
	}
}
