package verify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/tlsfloor/tlsfloor/verify/wire"
)

// Peer is the judge's own end of a connection: servers that are honest, weak or lie, each with certificates of its own making.
type Peer struct{ *pki }

// NewPeer makes the certificates; what clients read of them is written into dir.
func NewPeer(dir string) (*Peer, error) {
	p, err := mint(dir, time.Now())
	if err != nil {
		return nil, fmt.Errorf("minting the run's certificates: %w", err)
	}
	return &Peer{p}, nil
}

// Files tells where in the work folder the peer's files are.
func (p *Peer) Files() Files { return p.files }

// Talk plays the server of o (whose act is Serve or Answer) on conn, and closes it. After a completed handshake at o.Version, which
// completed tells, use has the connection; it may be nil. What passes is recorded, up to a bound, and conn blocks no longer than ctx.
func (p *Peer) Talk(ctx context.Context, conn net.Conn, o Offer, use func(*tls.Conn)) (t Transcript, completed bool) {
	r := bounded(ctx, conn)
	completed = p.talk(ctx, r, o, use)
	r.hangUp()
	return r.transcript, completed
}

func (p *Peer) talk(ctx context.Context, conn *recorder, o Offer, use func(*tls.Conn)) bool {
	if o.Act == Serve {
		return p.serve(ctx, conn, o, use)
	}
	answer(conn, o)
	return false
}

// recorder keeps what passes through a connection.
type recorder struct {
	net.Conn
	mu         sync.Mutex
	transcript Transcript
	timedOut   bool // a read ended by the deadline
}

func (r *recorder) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	r.timedOut = r.timedOut || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed)
	r.keep(FromSubject, p[:n])
	return n, err
}

func (r *recorder) Write(p []byte) (int, error) {
	n, err := r.Conn.Write(p)
	r.keep(FromJudge, p[:n])
	return n, err
}

func (r *recorder) keep(from Side, p []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.transcript = r.transcript.add(from, p)
}

// hangUp says that we send no more, reads what the peer still has to say, and closes: an alert on its way is not lost to a reset.
func (r *recorder) hangUp() {
	if half, ok := r.Conn.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
		io.Copy(io.Discard, io.LimitReader(r, maxTranscript))
	}
	r.Close()
}

// bounded wraps conn so that it can block no longer than ctx.
func bounded(ctx context.Context, conn net.Conn) *recorder {
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline)
	}
	context.AfterFunc(ctx, func() { conn.Close() })
	return &recorder{Conn: conn}
}

// suites are what a server speaks below TLS 1.3: something that every version has.
var suites = []uint16{
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
	tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_256_CBC_SHA,
}

// serve is a crypto/tls server of exactly one version. It reports whether the handshake was completed; what comes after is use's own.
func (p *Peer) serve(ctx context.Context, conn *recorder, o Offer, use func(*tls.Conn)) bool {
	leaf := p.leaves[o.Leaf]
	leaf.OCSPStaple = p.staples[o.Staple]
	config := &tls.Config{
		Certificates: []tls.Certificate{leaf}, CipherSuites: suites, SessionTicketsDisabled: true,
		MinVersion: uint16(o.Version), MaxVersion: uint16(o.Version), ClientCAs: p.clients,
	}
	if o.Ask {
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	s := tls.Server(conn, config)
	if s.HandshakeContext(ctx) != nil || s.ConnectionState().Version != uint16(o.Version) {
		return false
	}
	if use != nil {
		use(s)
	}
	return true
}

// Greeting is what the Go server sends over a completed connection; a client reads it before it says OK.
const Greeting = "ok\n"

// manners are what the server says to a client: a command may well speak HTTP.
func manners(who Who) func(*tls.Conn) {
	if who == Command {
		return func(s *tls.Conn) {
			say(s, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nConnection: close\r\n\r\n"+Greeting)
		}
	}
	return func(s *tls.Conn) { say(s, Greeting) }
}

func say(s *tls.Conn, text string) {
	io.WriteString(s, text)
	s.CloseWrite()
	io.Copy(io.Discard, io.LimitReader(s, maxTranscript))
}

// answer reads a ClientHello and sends a crafted ServerHello.
func answer(conn *recorder, o Offer) {
	hello := readHello(conn, FromSubject)
	if hello == nil {
		return
	}
	if message, err := serverHello(o, hello.SessionID).Bytes(); err == nil {
		conn.Write(wire.Record{Type: wire.Handshake, Version: min(o.Version, wire.TLS12), Payload: message}.Bytes())
	}
}

// readHello reads records from conn until a handshake message is whole, an alert comes, or it ends. It returns a ClientHello, if it was one.
func readHello(conn *recorder, from Side) *wire.ClientHello {
	for conn.transcript.size() < maxTranscript {
		r, err := wire.ReadRecord(conn)
		if err != nil || r.Type == wire.AlertRecord {
			return nil
		}
		if _, _, whole := wire.FirstHandshake(conn.transcript.records(from)); whole {
			return conn.transcript.clientHello(from)
		}
	}
	return nil
}
