package server

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tlsfloor/tlsfloor/verify"
	"github.com/tlsfloor/tlsfloor/verify/wire"
)

// receive talks to one connection and closes it.
func (s *Server) receive(ctx context.Context, conn net.Conn, sc Scenario) Visit {
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	v := Visit{Time: time.Now(), Scenario: sc.Name}
	var e evidence
	patient := &patient{Conn: conn, patience: s.Patience}
	if sc.Offer.Act == verify.Answer {
		conn = patient
	}
	m := s.peer.Meet(ctx, conn, sc.Offer, func(c *tls.Conn) {
		state := c.ConnectionState()
		e.version = wire.Version(state.Version)
		v.Version, v.Cipher = e.version.String(), wire.Suite(state.CipherSuite).OpenSSL()
		v.Request, e.said = speakHTTP(ctx, c, sc)
	})
	e.Sight, e.completed = m.Transcript.Sight(), m.Completed
	// A client on a busy machine may refuse after the half-close: then it does so for a reason of its own.
	e.waited = patient.waited.Load() && e.Alert.ComplainsOfEOF()
	if !e.completed {
		e.alert = ended(e.Sight, m.Err)
	}
	v.Offered, v.Alert = offered(e.Sight), e.alert
	v.Verdict, v.Note = sc.judge(e)
	v.End = v.end(e, ctx.Err() != nil)
	return v
}

// patient is the connection of a crafted ServerHello. A half-close right behind it would take a client that
// refuses and one that would go on for the same: both say nothing more. So it is put off until the client has
// said something, or has waited.
type patient struct {
	net.Conn
	patience time.Duration
	waited   atomic.Bool
	once     sync.Once
	timer    *time.Timer // nil before the half-close was asked for
}

// CloseWrite comes behind the ServerHello; only then reading shows what the client makes of it.
func (p *patient) CloseWrite() error {
	p.timer = time.AfterFunc(p.patience, func() {
		p.waited.Store(true)
		p.halfClose()
	})
	return nil
}

// Read is called by one goroutine, and after CloseWrite by the same one.
func (p *patient) Read(b []byte) (int, error) {
	n, err := p.Conn.Read(b)
	if p.timer != nil && p.timer.Stop() {
		p.halfClose()
	}
	return n, err
}

func (p *patient) halfClose() {
	p.once.Do(func() {
		if half, ok := p.Conn.(interface{ CloseWrite() error }); ok {
			half.CloseWrite()
		} else {
			p.Conn.Close()
		}
	})
}

// maxHeader bounds in bytes a request's header.
const maxHeader = 8 << 10

// speakHTTP answers one request on a completed connection, and returns its method and path, "" where none
// came; said tells whether anything came.
func speakHTTP(ctx context.Context, c *tls.Conn, sc Scenario) (request string, said bool) {
	var mu sync.Mutex // net/http has a goroutine of its own
	said = HTTP(ctx, c, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		request = short(r.Method + " " + r.URL.Path)
		mu.Unlock()
		answer(w, r, sc, c)
	}))
	mu.Lock()
	defer mu.Unlock()
	return request, said
}

// HTTP answers one request on a completed connection with HTTP/1.1, until ctx's deadline, and reports whether
// anything came.
func HTTP(ctx context.Context, c *tls.Conn, h http.Handler) bool {
	var said atomic.Bool
	one := &single{conn: c, done: make(chan struct{})}
	left := time.Second
	if deadline, ok := ctx.Deadline(); ok {
		left = max(time.Until(deadline), time.Millisecond)
	}
	web := &http.Server{
		Handler: h, MaxHeaderBytes: maxHeader, ReadTimeout: left, WriteTimeout: left, ErrorLog: silent,
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){}, // HTTP/1.1 only
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateActive: // the first byte came
				said.Store(true)
			case http.StateClosed:
				one.once.Do(func() { close(one.done) })
			}
		},
	}
	web.SetKeepAlivesEnabled(false)
	web.Serve(one)
	return said.Load()
}

// HangUp says that we send no more, reads what the peer still has to say, and closes: an alert on its way is
// not lost to a reset.
func HangUp(conn net.Conn) {
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
		io.Copy(io.Discard, io.LimitReader(conn, 64<<10))
	}
	conn.Close()
}

// single is a listener that gives out one connection, and ends when that does.
type single struct {
	conn  net.Conn
	given bool
	done  chan struct{}
	once  sync.Once
}

func (s *single) Accept() (net.Conn, error) {
	if !s.given {
		s.given = true
		return s.conn, nil
	}
	<-s.done
	return nil, io.EOF
}

func (s *single) Close() error   { return nil }
func (s *single) Addr() net.Addr { return s.conn.LocalAddr() }
