package verify

import (
	"cmp"
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/tlsfloor/tlsfloor/verify/wire"
)

// Peer is the judge's own end of a connection: servers that are honest, weak or lie, each with certificates
// of its own making.
type Peer struct{ *pki }

// NewPeer makes the certificates; what clients read of them is written into dir.
func NewPeer(dir string) (*Peer, error) { return newPeer(dir, "") }

// newPeer makes one whose certificates name an OCSP responder at this address and port.
func newPeer(dir, responder string) (*Peer, error) {
	p, err := mint(dir, responder, time.Now())
	if err != nil {
		return nil, fmt.Errorf("minting the run's certificates: %w", err)
	}
	return &Peer{p}, nil
}

// CA is the run's own root.
func (p *Peer) CA() *x509.Certificate { return p.first.cert }

// Issue makes a certificate of the run's own CA for a host name.
func (p *Peer) Issue(name string) (tls.Certificate, error) {
	key := p.leaves[GoodLeaf].PrivateKey.(crypto.Signer)
	cert, err := p.first.issue(key.Public(), func(t *x509.Certificate) {
		t.Subject.CommonName, t.DNSNames = name, []string{name}
		if name != "localhost" {
			t.IPAddresses = nil
		}
	})
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certificate for %q: %w", name, err)
	}
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}, nil
}

// Files tells where in the work folder the peer's files are.
func (p *Peer) Files() Files { return p.files }

// Expires tells until when the certificates are valid.
func (p *Peer) Expires() time.Time { return p.expires }

// Meeting is what came of one connection to a Peer.
type Meeting struct {
	Transcript Transcript
	Completed  bool  // a handshake was, at a version that the offer has
	Err        error // why not, in crypto/tls's words; nil for Answer, which never completes one
}

// Meet plays the server of o (whose act is Serve or Answer) on conn, and closes it. After a completed
// handshake at a version of o, use has the connection; it may be nil. What passes is recorded, up to a bound,
// and conn blocks no longer than ctx. An alert that was encrypted is in the error only.
func (p *Peer) Meet(ctx context.Context, conn net.Conn, o Offer, use func(*tls.Conn)) Meeting {
	r := bounded(ctx, conn)
	var m Meeting
	if o.Act == Serve {
		m.Err = p.serve(ctx, r, o, use)
		m.Completed = m.Err == nil
	} else {
		answer(r, o)
	}
	r.hangUp()
	m.Transcript = r.soFar()
	return m
}

// SoFar returns what has passed on a connection that Meet gave to use; nil for another one.
func SoFar(s *tls.Conn) Transcript {
	if r, ours := s.NetConn().(*recorder); ours {
		return r.soFar()
	}
	return nil
}

// errCrafted is why no handshake is completed after a crafted hello.
var errCrafted = errors.New("a crafted ServerHello: nothing follows")

func (p *Peer) talk(ctx context.Context, conn *recorder, o Offer, use func(*tls.Conn)) error {
	if o.Act == Serve {
		return p.serve(ctx, conn, o, use)
	}
	answer(conn, o)
	return errCrafted
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

// soFar returns what was kept; later bytes do not alter it.
func (r *recorder) soFar() Transcript {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.transcript)
}

// hangUp says that we send no more, reads what the peer still has to say, and closes: an alert on its way is
// not lost to a reset.
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

// serve is a crypto/tls server of exactly one version, or of those from o.Least on. The error says why the
// handshake was not completed; what comes after it is use's own.
func (p *Peer) serve(ctx context.Context, conn *recorder, o Offer, use func(*tls.Conn)) error {
	leaf := p.leaves[o.Leaf]
	leaf.OCSPStaple = p.staples[o.Staple]
	config := &tls.Config{
		Certificates: []tls.Certificate{leaf}, CipherSuites: suites, SessionTicketsDisabled: true,
		MinVersion: uint16(cmp.Or(o.Least, o.Version)), MaxVersion: uint16(o.Version), ClientCAs: p.clients,
	}
	if o.Setup.StartTLS == Postgres {
		config.NextProtos = []string{"postgresql"} // which a client asks for that began with TLS (PostgreSQL's documentation, "SSL Session Encryption")
	}
	if o.Ask {
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	s := tls.Server(conn, config)
	if err := s.HandshakeContext(ctx); err != nil {
		return err
	}
	if v := s.ConnectionState().Version; v < config.MinVersion || v > config.MaxVersion {
		return fmt.Errorf("handshake completed at %s, which was not offered", wire.Version(v))
	}
	if use != nil {
		use(s)
	}
	return nil
}

// Greeting is what the Go server sends over a completed connection; a client reads it before it says OK.
const Greeting = "ok\n"

func say(s *tls.Conn, text string) {
	io.WriteString(s, text)
	s.CloseWrite()
	io.Copy(io.Discard, io.LimitReader(s, maxTranscript))
}

// answer reads a ClientHello and sends a crafted ServerHello.
func answer(conn *recorder, o Offer) {
	hello := readHello(conn)
	if hello == nil {
		return
	}
	if message, err := serverHello(o, hello.SessionID).Bytes(); err == nil {
		conn.Write(wire.Record{Type: wire.Handshake, Version: min(o.Version, wire.TLS12), Payload: message}.Bytes())
	}
}

// maxRecords bounds over how many records a hello may be spread: a peer that sends empty ones must not keep
// us busy with them.
const maxRecords = 1 << 10

// readHello reads records from conn until a handshake message is whole, an alert comes, or it ends. It
// returns a ClientHello, if it was one.
func readHello(conn *recorder) *wire.ClientHello {
	var records []wire.Record
	for size := 0; size < maxTranscript && len(records) < maxRecords; {
		r, err := wire.ReadRecord(conn)
		if err != nil || r.Type == wire.AlertRecord {
			return nil
		}
		records, size = append(records, r), size+len(r.Payload)
		if kind, message, whole := wire.FirstHandshake(records); whole {
			if h, err := wire.ParseClientHello(message); err == nil && kind == wire.ClientHelloType {
				return h
			}
			return nil
		}
	}
	return nil
}
