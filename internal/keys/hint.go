package keys

import "bytes"

// AppendHint appends the hint of a generated key as it was presented, whose format nobody tells: what Plaintext.Hint
// gives, or less of it. It is the same where the prefix ends in "_" or "-", as most do. After another prefix it is not
// to be seen where the random part begins, so that it is taken to begin as early as it may. It must not be asked of
// other keys, of whose beginning nothing may be shown.
func AppendHint(dst, key []byte) []byte {
	// No random part holds these, and no prefix is empty.
	least := max(bytes.LastIndexAny(key, "_-")+1, 1)
	for n := MaxBytes; n >= MinBytes; n-- {
		prefixLen := len(key) - checksumLen - widths[n-MinBytes]
		if prefixLen >= least && prefixLen <= MaxPrefixLen {
			dst = append(dst, key[:prefixLen+hintRandomChars]...)
			break
		}
	}
	return append(dst, ellipsis...)
}

// widths are how many digits a random part has, by its bytes from MinBytes on.
var widths = func() (widths [MaxBytes - MinBytes + 1]int) {
	for i := range widths {
		widths[i] = len(largestNumber(MinBytes + i))
	}
	return widths
}()
