package keys

import "hash/crc32"

// ChecksumOK reports whether key ends in the checksum of what stands before it. It holds for every
// generated key, whatever its prefix; for a mistyped or made-up one it holds once in 4 billion times.
// It does not allocate.
func ChecksumOK[T string | []byte](key T) bool {
	if len(key) < minKeyLength {
		return false
	}
	body := len(key) - checksumLen
	given, ok := decodeChecksum(key[body:])
	return ok && given == checksum(key[:body])
}

// checksum is crc32.ChecksumIEEE. For a string it does without the conversion to a byte slice, which
// would allocate because the library passes the slice to a function variable.
func checksum[T string | []byte](data T) uint32 {
	if b, ok := any(data).([]byte); ok {
		return crc32.ChecksumIEEE(b)
	}
	crc := ^uint32(0)
	for i := range len(data) {
		crc = crc32.IEEETable[byte(crc)^data[i]] ^ crc>>8
	}
	return ^crc
}

// decodeChecksum reads 6 base62 digits; false where one is no digit or the number exceeds 32 bits.
func decodeChecksum[T string | []byte](digits T) (uint32, bool) {
	var sum uint64
	for i := range len(digits) {
		d := digitValues[digits[i]]
		if d == notADigit {
			return 0, false
		}
		sum = sum*base + uint64(d)
	}
	return uint32(sum), sum <= 1<<32-1
}

const notADigit = 0xff

// digitValues is the inverse of the alphabet of math/big: 0-9, a-z, A-Z.
var digitValues = func() (values [256]uint8) {
	for i := range values {
		values[i] = notADigit
	}
	for i, c := range []byte("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
		values[c] = uint8(i)
	}
	return values
}()
