package load

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Protocol makes requests and understands answers. Connections are told apart by their number.
type Protocol interface {
	// Hello is sent once on each new connection.
	Hello() []byte
	// Request returns what is sent next, and how many answers there will be. It is valid until the next call.
	Request(conn int) (out []byte, answers int)
	// Answered is given what has arrived and was not used yet, and tells how much of it is used now, how many answers it
	// completes, and what is to be sent in reply besides.
	Answered(conn int, in []byte) (used, answers int, reply []byte, err error)
}

// Client holds connections to one server. It must be used from one goroutine.
type Client struct {
	protocol Protocol
	epoll    int
	conns    []conn
	byFD     map[int32]int
	events   []unix.EpollEvent
}

type conn struct {
	fd       int
	inFlight int           // answers that are awaited
	sent     time.Duration // since the start of the run: when what is in flight was due
	in       []byte        // read and not used yet
}

// readSize holds any answer to one request.
const readSize = 16 << 10

// Dial opens connections to an address of 127.0.0.1.
func Dial(address string, connections int, protocol Protocol) (*Client, error) {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, fmt.Errorf("the server's address: %w", err)
	}
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	c := &Client{
		protocol: protocol, epoll: epoll,
		conns: make([]conn, connections), byFD: map[int32]int{}, events: make([]unix.EpollEvent, connections),
	}
	for i := range c.conns {
		if err := c.open(i, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	return c, nil
}

func (c *Client) open(i int, to unix.Sockaddr) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	c.conns[i] = conn{fd: fd, in: make([]byte, 0, readSize)}
	c.byFD[int32(fd)] = i
	if err := unix.Connect(fd, to); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return fmt.Errorf("TCP_NODELAY: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return fmt.Errorf("set non-blocking: %w", err)
	}
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
	if err := unix.EpollCtl(c.epoll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
		return fmt.Errorf("epoll_ctl: %w", err)
	}
	return c.write(i, c.protocol.Hello())
}

// Close closes all connections.
func (c *Client) Close() error {
	var errs []error
	for i := range c.conns {
		if c.conns[i].fd != 0 {
			errs = append(errs, unix.Close(c.conns[i].fd))
		}
	}
	return errors.Join(append(errs, unix.Close(c.epoll))...)
}

// write sends all of it at once, which a socket's buffer takes where one request is in flight.
func (c *Client) write(i int, out []byte) error {
	if len(out) == 0 {
		return nil
	}
	n, err := write(c.conns[i].fd, out)
	if err != nil {
		return fmt.Errorf("write a request: %w", err)
	}
	if n < len(out) {
		return fmt.Errorf("of a request of %d bytes, %d were taken", len(out), n)
	}
	return nil
}

func (c *Client) send(i int, due time.Duration) error {
	out, answers := c.protocol.Request(i)
	c.conns[i].inFlight, c.conns[i].sent = answers, due
	return c.write(i, out)
}

// look calls answered for each connection on which nothing is in flight any more since the last time, and returns how many
// answers came. It does not wait: a client that sleeps has the processor of the server wake its own, which takes the
// server's time, and how often that happens depends on how quick the server is.
func (c *Client) look(answered func(i int) error) (answers int, err error) {
	n, err := poll(c.epoll, c.events)
	if errors.Is(err, unix.EINTR) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("epoll_wait: %w", err)
	}
	for _, event := range c.events[:n] {
		i := c.byFD[event.Fd]
		came, err := c.receive(i)
		if err != nil {
			return answers, err
		}
		answers += came
		if c.conns[i].inFlight -= came; came > 0 && c.conns[i].inFlight == 0 {
			if err := answered(i); err != nil {
				return answers, err
			}
		}
	}
	return answers, nil
}

// receive reads what is there and returns how many answers it completes.
func (c *Client) receive(i int) (answers int, err error) {
	conn := &c.conns[i]
	had := len(conn.in)
	if had == cap(conn.in) {
		return 0, errors.New("an answer is longer than any should be")
	}
	n, err := read(conn.fd, conn.in[had:cap(conn.in)])
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read an answer: %w", err)
	}
	if n == 0 {
		return 0, errors.New("the server closed a connection")
	}
	conn.in = conn.in[:had+n]
	used, answers, reply, err := c.protocol.Answered(i, conn.in)
	if err != nil {
		return 0, err
	}
	conn.in = conn.in[:copy(conn.in, conn.in[used:])]
	return answers, c.write(i, reply)
}
