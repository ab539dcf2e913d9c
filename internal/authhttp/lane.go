package authhttp

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/authn"
	"github.com/apikey-operator/apikey-operator/internal/gate"
	"github.com/apikey-operator/apikey-operator/internal/plainhttp"
)

// lane is one connection as long as nothing but plain requests comes on it. It reads and answers them itself, since of the
// time that a question took, most went into reading HTTP in all its forms and into setting timers. At the first request
// that is not plain, or of which only a part has arrived, it hands the connection over to fasthttp with what it has read,
// for good; fasthttp serves it as if it had been the first.
type lane struct {
	server *Server
	conn   net.Conn
	head   plainhttp.Head
	in     []byte // read and not answered yet
	out    []byte
	// between is true while the connection is between two requests, when nobody misses it.
	between atomic.Bool
	timed   time.Time // when the deadlines were set last
	date    []byte    // the value of the header Date
}

// laneBuffer holds a plain request. Longer ones are fasthttp's.
const laneBuffer = 4 << 10

var lanes = sync.Pool{New: func() any {
	return &lane{in: make([]byte, 0, laneBuffer), out: make([]byte, 0, laneBuffer)}
}}

// newLane makes a lane of a connection, for which Shutdown waits from now on.
func (s *Server) newLane(conn net.Conn) *lane {
	l := lanes.Get().(*lane) //nolint:forcetypeassert // nothing else is put in
	l.server, l.conn = s, conn
	s.open.add(l)
	return l
}

// serveLane serves a connection until it ends, and frees its slot.
func (s *Server) serveLane(l *lane) {
	defer func() { <-s.slots }()
	defer s.endAfterPanic(l)
	rest, plain := l.serve()
	if plain {
		_ = l.conn.Close() // the other side may have been quicker
	} else {
		// fasthttp says of a connection's error what was sent on it, so nobody is told.
		_ = s.http.ServeConn(&resumed{Conn: l.conn, rest: rest})
	}
	s.open.remove(l)
	*l = lane{in: l.in[:0], out: l.out[:0], head: l.head}
	lanes.Put(l)
}

// endAfterPanic ends the connection of what cannot be read because of a bug, ours or fasthttp's, and nothing else.
func (s *Server) endAfterPanic(l *lane) {
	cause := recover()
	if cause == nil {
		return
	}
	s.gate.Panicked(cause)
	_ = l.conn.Close()
	s.open.remove(l)
}

// serve answers plain requests until the connection ends, or until one comes that is not, and returns what was read of that.
func (l *lane) serve() (rest []byte, plain bool) {
	if err := l.conn.SetDeadline(time.Now().Add(l.server.timeouts.read)); err != nil {
		return nil, true
	}
	for {
		n, err := l.conn.Read(l.in[len(l.in):cap(l.in)])
		l.between.Store(false)
		if l.in = l.in[:len(l.in)+n]; n == 0 && err != nil {
			return nil, true
		}
		if !l.tick() {
			return nil, true
		}
		for len(l.in) > 0 {
			length := l.head.Read(l.in)
			if length == 0 {
				return append([]byte(nil), l.in...), false
			}
			if !l.answer() {
				return nil, true
			}
			l.in = l.in[:copy(l.in, l.in[length:])]
		}
		if l.between.Store(true); l.server.open.stopping() && l.conn.SetReadDeadline(time.Now().Add(lastLook)) != nil {
			return nil, true
		}
	}
}

// tick notes the time and puts the deadlines off. As that costs as much as a decision, it is done only now and then, and the
// deadlines are later by that: no connection is closed before its time, and none is kept for much longer.
func (l *lane) tick() bool {
	t := &l.server.timeouts
	now := time.Now()
	l.date = l.server.date.at(now)
	if now.Sub(l.timed) < t.slack {
		return true
	}
	l.timed = now
	return l.conn.SetReadDeadline(now.Add(t.idle+t.slack)) == nil && l.conn.SetWriteDeadline(now.Add(t.write+t.slack)) == nil
}

// timeouts are those of the settings.
type timeouts struct{ read, write, idle, slack time.Duration }

func timeoutsOf(s Settings) timeouts {
	return timeouts{
		read: s.ReadTimeout, write: s.WriteTimeout, idle: s.IdleTimeout,
		slack: min(time.Second, s.WriteTimeout/4, s.IdleTimeout/4),
	}
}

// answer answers the request whose head was read, and reports whether another one may come.
func (l *lane) answer() bool {
	last := l.decide()
	_, err := l.conn.Write(l.out)
	return err == nil && !last
}

// decide writes down the answer.
func (l *lane) decide() (last bool) {
	s := l.server
	defer l.denyAfterPanic(&last)
	q := gate.NewQuestion()
	route := s.read(&l.head, l.head.Target(), q)
	route.Ask(q)
	last = l.head.Last || s.draining.Load()
	l.out = s.appendAnswer(l.out[:0], l.date, route, q, last)
	q.Done()
	q.Release()
	return last
}

// denyAfterPanic is Server.denyAfterPanic for a lane.
func (l *lane) denyAfterPanic(last *bool) {
	cause := recover()
	if cause == nil {
		return
	}
	l.server.gate.Panicked(cause)
	q := gate.NewQuestion()
	defer q.Release()
	q.Reason = authn.NotReady
	q.RequestID = l.head.Peek(gate.HeaderRequestID)
	l.out, *last = l.server.appendAnswer(l.out[:0], l.date, &l.server.noRoute, q, true), true
}

// resumed is a connection of which a part was read already.
type resumed struct {
	net.Conn
	rest []byte
}

func (r *resumed) Read(p []byte) (int, error) {
	if len(r.rest) > 0 {
		n := copy(p, r.rest)
		r.rest = r.rest[n:]
		return n, nil
	}
	return r.Conn.Read(p)
}
