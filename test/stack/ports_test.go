package stack

import (
	"net"
	"testing"
)

func TestAFreeAddressCanBeListenedOn(t *testing.T) {
	address, err := FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Error(err)
	}
}

// With 300 draws of 16384 ports two would be the same in nineteen of twenty runs.
func TestNoAddressIsGivenTwice(t *testing.T) {
	given := map[string]bool{}
	for range 300 {
		address, err := FreeAddress()
		if err != nil {
			t.Fatal(err)
		}
		if given[address] {
			t.Fatalf("%s was given before", address)
		}
		given[address] = true
	}
}
