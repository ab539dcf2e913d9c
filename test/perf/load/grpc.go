package load

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/net/http2/hpack"
)

// GRPC makes unary calls over HTTP/2 without TLS, several at once on each connection, as proxies do. Frames are put together by hand,
// since the headers of all calls are the same and a message differs by the key alone.
type GRPC struct {
	// Path is the method's, such as /package.Service/Method.
	Path string
	// Message is the encoded request, in which the bytes from KeyAt on are replaced by one key after the other.
	Message []byte
	KeyAt   int
	// Keys are keys of KeyLen bytes, one behind the other in the order of use.
	Keys   []byte
	KeyLen int
	// Streams is how many calls are in flight at once on a connection.
	Streams int
	// Answer is what each encoded response must begin with.
	Answer []byte

	next        int
	first, more []byte // the block of headers of a connection's first call, and of the others, by HPACK's dynamic table
	data        []byte // the frame with the message
	out         []byte
	conns       map[int]*grpcConn
}

type grpcConn struct {
	stream   uint32 // of the last call
	headers  *hpack.Decoder
	messages int // that were right, of the calls in flight
}

// messageHead is what stands before a message: whether it is compressed, and its length.
const messageHead = 5

// Frames and flags of HTTP/2 (RFC 9113, section 6).
const (
	frameHead = 9

	frameData         = 0x0
	frameHeaders      = 0x1
	frameReset        = 0x3
	frameSettings     = 0x4
	framePing         = 0x6
	frameGoAway       = 0x7
	frameWindowUpdate = 0x8

	flagAck        = 0x1
	flagEndStream  = 0x1
	flagEndHeaders = 0x4
)

// appendFrame appends a frame.
func appendFrame(dst []byte, kind, flags uint8, stream uint32, payload []byte) []byte {
	dst = append(dst, uint8(len(payload)>>16), uint8(len(payload)>>8), uint8(len(payload)), kind, flags)
	dst = binary.BigEndian.AppendUint32(dst, stream)
	return append(dst, payload...)
}

// Hello implements Protocol: the preface, no settings of our own, and a window for a connection that no run uses up.
func (g *GRPC) Hello() []byte {
	const all = 1<<31 - 1 - 65535
	hello := appendFrame([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), frameSettings, 0, 0, nil)
	return appendFrame(hello, frameWindowUpdate, 0, 0, binary.BigEndian.AppendUint32(nil, all))
}

// prepare encodes what is the same in all calls.
func (g *GRPC) prepare() error {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	encode := func() ([]byte, error) {
		block.Reset()
		for _, field := range [][2]string{
			{":method", "POST"}, {":scheme", "http"}, {":path", g.Path}, {":authority", "verifier"},
			{"content-type", "application/grpc"}, {"te", "trailers"}, {"grpc-timeout", "1S"}, // as Envoy sends one
		} {
			if err := encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}); err != nil {
				return nil, fmt.Errorf("encode headers: %w", err)
			}
		}
		return bytes.Clone(block.Bytes()), nil
	}
	var errs [2]error
	g.first, errs[0] = encode()
	g.more, errs[1] = encode()
	g.data = binary.BigEndian.AppendUint32([]byte{0}, uint32(len(g.Message)))
	g.data = append(g.data, g.Message...)
	g.conns = map[int]*grpcConn{}
	return errors.Join(errs[:]...)
}

// Request implements Protocol.
func (g *GRPC) Request(conn int) (out []byte, answers int) {
	if g.conns == nil {
		if err := g.prepare(); err != nil {
			panic(err) // a buffer in memory takes everything
		}
	}
	g.out = g.out[:0]
	for range g.Streams {
		g.call(conn)
	}
	return g.out, g.Streams
}

func (g *GRPC) call(conn int) {
	c, block := g.conns[conn], g.more
	if c == nil {
		const tableSize = 4096
		c, block = &grpcConn{headers: hpack.NewDecoder(tableSize, nil), stream: ^uint32(0)}, g.first
		g.conns[conn] = c
	}
	c.stream += 2
	if len(g.Keys) > 0 {
		copy(g.data[messageHead+g.KeyAt:], g.Keys[g.next:g.next+g.KeyLen])
		g.next = (g.next + g.KeyLen) % len(g.Keys)
	}
	g.out = appendFrame(g.out, frameHeaders, flagEndHeaders, c.stream, block)
	g.out = appendFrame(g.out, frameData, flagEndStream, c.stream, g.data)
}

// Answered implements Protocol.
func (g *GRPC) Answered(conn int, in []byte) (used, answers int, reply []byte, err error) {
	c := g.conns[conn]
	for len(in)-used >= frameHead {
		head := in[used:]
		length := int(head[0])<<16 | int(head[1])<<8 | int(head[2])
		if len(head) < frameHead+length {
			break
		}
		ended, more, err := g.frame(c, head[3], head[4], head[frameHead:][:length])
		if err != nil {
			return used, answers, nil, err
		}
		if ended {
			answers++
		}
		used, reply = used+frameHead+length, append(reply, more...)
	}
	return used, answers, reply, nil
}

// frame takes in one frame, and tells whether it ends a call, and what is to be sent in reply.
func (g *GRPC) frame(c *grpcConn, kind, flags uint8, payload []byte) (ended bool, reply []byte, err error) {
	switch {
	case kind == frameSettings && flags&flagAck == 0:
		return false, appendFrame(nil, frameSettings, flagAck, 0, nil), nil
	case kind == framePing && flags&flagAck == 0:
		return false, appendFrame(nil, framePing, flagAck, 0, payload), nil
	case kind == frameReset || kind == frameGoAway:
		return false, nil, fmt.Errorf("the server ends a call or the connection: frame %d, %x", kind, payload)
	case kind == frameData && len(payload) > 0:
		if len(payload) < messageHead || !bytes.HasPrefix(payload[messageHead:], g.Answer) {
			return false, nil, fmt.Errorf("the answer is %.40x", payload)
		}
		c.messages++
	case kind == frameHeaders:
		return g.endOf(c, flags, payload)
	}
	return false, nil, nil
}

// endOf reads headers, of which the last ones of a call tell its status.
func (g *GRPC) endOf(c *grpcConn, flags uint8, block []byte) (ended bool, reply []byte, err error) {
	fields, err := c.headers.DecodeFull(block)
	if err != nil || flags&flagEndStream == 0 {
		return false, nil, err
	}
	status := ""
	for _, field := range fields {
		if field.Name == "grpc-status" {
			status = field.Value
		}
	}
	if status != "0" || c.messages == 0 {
		return false, nil, fmt.Errorf("a call ended with status %q, after %d messages", status, c.messages)
	}
	c.messages--
	return true, nil, nil
}
