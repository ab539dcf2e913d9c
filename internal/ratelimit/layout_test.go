package ratelimit

import (
	"testing"
	"unsafe"
)

func TestNoTwoLocksShareACacheLine(t *testing.T) {
	const line = 64
	if size := unsafe.Sizeof(shard{}); size%line != 0 {
		t.Errorf("a shard has %d bytes, which are not whole lines of %d", size, line)
	}
}
