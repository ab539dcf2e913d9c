package stack

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// The ports to choose from lie below those that the kernel gives to outgoing connections (32768 and up
// on Linux, 49152 elsewhere), so that no connection takes one between the choice and the listening.
const (
	lowestPort  = 16384
	highestPort = 32767
)

// FreeAddress is an address of 127.0.0.1 on which nothing listens, and that neither this process nor another one
// that asks in this way is given again while this one lives.
func FreeAddress() (string, error) { return freeAddress(0) }

// freeAddress is such an address where the same is true of the port that lies so much higher; 0: of itself alone.
func freeAddress(second int) (string, error) {
	for range 100 {
		port := lowestPort + rand.IntN(highestPort-lowestPort-second+1) //nolint:gosec // which port it is need not be a secret
		if takePort(port) && (second == 0 || takePort(port+second)) {
			return loopback(port), nil
		}
	}
	return "", errors.New("no free port was found on 127.0.0.1")
}

// takePort says whether a port is free, and has it given to nobody else then.
func takePort(port int) bool {
	if !claims.claim(loopback(port)) {
		return false
	}
	listener, err := net.Listen("tcp", loopback(port))
	return err == nil && listener.Close() == nil
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// claims are the addresses that this process has given out.
var claims addressClaims

// addressClaims holds the UDP port of each address for the life of the process. Nothing here speaks UDP, so that is a
// lock on the TCP port of the same number: seen by all processes, and gone with this one however it ends.
type addressClaims struct {
	mutex sync.Mutex
	held  []net.PacketConn // kept, since a connection that nothing refers to is closed
}

func (c *addressClaims) claim(address string) bool {
	conn, err := net.ListenPacket("udp", address)
	if err != nil {
		return false
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.held = append(c.held, conn)
	return true
}
