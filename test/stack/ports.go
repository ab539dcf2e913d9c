package stack

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
)

// The ports to choose from lie below those that the kernel gives to outgoing connections (32768 and up
// on Linux, 49152 elsewhere), so that no connection takes one between the choice and the listening.
const (
	lowestPort  = 16384
	highestPort = 32767
)

// FreeAddress is an address of 127.0.0.1 on which nothing listens.
func FreeAddress() (string, error) {
	for range 100 {
		port := lowestPort + rand.IntN(highestPort-lowestPort+1) //nolint:gosec // which port it is need not be a secret
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		listener, err := net.Listen("tcp", address)
		if err != nil {
			continue
		}
		return address, listener.Close()
	}
	return "", errors.New("no free port was found on 127.0.0.1")
}
