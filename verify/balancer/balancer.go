// Package balancer is an HTTPS listener that treats clients' certificates as AWS's Application Load Balancer
// does, so that a client can be tried before there is one: what a backend would get in its headers is on the
// page that it serves, and each handshake, completed or not, is one line in the format of the balancer's
// connection log.
//
// It promises that
//   - it listens on 127.0.0.1 and [::1] only, and its own certificates are of this run's making and valid for a day;
//   - Verify lets nobody through whose certificate does not chain to Options.Trust, is not valid now, is for another purpose, is in a list of
//     Options.Revoked or is beyond the limits; Passthrough looks at nothing;
//   - a peer that trickles, floods, sends garbage or never closes costs one of Options.Most places for Options.Timeout at the most.
//
// Exceptions: refusals of a certificate end in alert 42 (bad_certificate), whatever their reason; the log has
// the reason. Of AWS's reasons ClientCertRejected never comes: it is for filters that this listener does not
// have.
package balancer

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/tlsfloor/tlsfloor/verify"
	"github.com/tlsfloor/tlsfloor/verify/server"
	"github.com/tlsfloor/tlsfloor/verify/wire"
)

// Mode says what becomes of a client's certificate.
type Mode string

// The modes, as AWS names them.
const (
	Passthrough Mode = "passthrough" // the whole chain goes to the backend in a header; nothing is verified, and a client without one is let through
	Verify      Mode = "verify"      // the chain is verified, and what it says goes to the backend in five headers
)

// The limits of a client's chain that Options has unless told otherwise.
const (
	MaxDepth = 4        // certificates, the leaf included
	MaxSize  = 64 << 10 // bytes of all of them, as they are sent
)

// Options is what Start needs. Zero fields have the defaults that their comments name.
type Options struct {
	Mode    Mode
	Trust   []*x509.Certificate    // the trust store; the run's own CA
	Revoked []*x509.RevocationList // of CAs of the trust store; Start refuses others
	Names   []string               // host names, each with a certificate of its own, chosen by the client's server_name; localhost is always there
	Dir     string                 // a folder that exists, for the run's certificates; required
	Port    int                    // 0: any free one
	Depth   int                    // MaxDepth
	Size    int                    // MaxSize
	Timeout time.Duration          // for one connection: 10 s
	Most    int                    // connections at a time: 64
	Report  func(Entry)            // called for each handshake, one at a time; nil: nobody is told
	Now     func() time.Time       // time.Now
}

func (o Options) withDefaults() Options {
	if o.Depth == 0 {
		o.Depth = MaxDepth
	}
	if o.Size == 0 {
		o.Size = MaxSize
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	if o.Most == 0 {
		o.Most = 64
	}
	if o.Report == nil {
		o.Report = func(Entry) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Balancer has its listeners bound; Serve takes connections from them.
type Balancer struct {
	Options
	peer      *verify.Peer
	certs     []tls.Certificate
	roots     *x509.CertPool
	between   []*x509.Certificate // of the trust store, which a root of it has signed
	listeners []net.Listener
	slots     chan struct{} // one for each connection that is talked to
	report    sync.Mutex
}

// Start makes the certificates and binds the listeners.
func Start(o Options) (*Balancer, error) {
	o = o.withDefaults()
	peer, err := verify.NewPeer(o.Dir)
	if err != nil {
		return nil, err
	}
	b := &Balancer{Options: o, peer: peer, roots: x509.NewCertPool(), slots: make(chan struct{}, o.Most)}
	if b.Trust == nil {
		b.Trust = []*x509.Certificate{peer.CA()}
	}
	if err := errors.Join(b.anchor(), b.strangers()); err != nil {
		return nil, err
	}
	own, err := peer.Issue("localhost")
	b.certs = append(b.certs, own)
	for _, name := range o.Names {
		if err != nil {
			return nil, err
		}
		own, err = peer.Issue(name)
		b.certs = append(b.certs, own)
	}
	if err == nil {
		b.listeners, err = server.Bind(o.Port)
	}
	return b, err
}

// Port tells where it listens.
func (b *Balancer) Port() int { return b.listeners[0].Addr().(*net.TCPAddr).Port }

// Files tells where in Options.Dir the certificates are.
func (b *Balancer) Files() verify.Files { return b.peer.Files() }

// Expires tells until when the certificates are valid.
func (b *Balancer) Expires() time.Time { return b.peer.Expires() }

// Close frees the port.
func (b *Balancer) Close() {
	for _, l := range b.listeners {
		l.Close()
	}
}

// Serve takes connections until ctx ends; then it closes what is open. It returns no later than shortly after
// that.
func (b *Balancer) Serve(ctx context.Context) {
	server.Accept(ctx, b.listeners, b.slots, func(conn net.Conn) { b.receive(ctx, conn) })
}

// receive makes one handshake, logs it, and serves what comes over it.
func (b *Balancer) receive(ctx context.Context, conn net.Conn) {
	outer := ctx
	ctx, cancel := context.WithTimeout(ctx, b.Timeout)
	defer cancel()
	conn.SetDeadline(time.Now().Add(b.Timeout))
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	defer conn.Close()

	e, begun := b.entry(conn), time.Now()
	var refused *refusal
	c := tls.Server(conn, b.config(&e, &refused))
	err := c.HandshakeContext(ctx)
	e.Latency = time.Since(begun).Seconds()
	switch {
	case refused != nil:
		e.Status = failed + refused.code
	case err != nil:
		e.Status = failed + codeOf(err)
	default:
		e.Status = success
		e.shown(c.ConnectionState())
	}
	if outer.Err() == nil { // what we cut off ourselves shows nothing
		b.report.Lock()
		b.Report(e)
		b.report.Unlock()
	}
	if err == nil {
		server.HTTP(ctx, c, page(b.Mode, e))
	} else {
		server.HangUp(conn) // an alert on its way is not lost to a reset
	}
}

// config is one connection's. What becomes known of it goes into e, and why its certificate is refused into
// refused.
func (b *Balancer) config(e *Entry, refused **refusal) *tls.Config {
	c := &tls.Config{Certificates: b.certs, MinVersion: tls.VersionTLS12, SessionTicketsDisabled: true, ClientAuth: tls.RequestClientCert}
	if b.Mode == Verify {
		c.ClientAuth = tls.RequireAnyClientCert
		c.ClientCAs = b.roots // their names are told to the client
	}
	c.VerifyConnection = func(s tls.ConnectionState) error {
		e.shown(s)
		if b.Mode != Verify {
			return nil
		}
		if *refused = b.check(s.PeerCertificates); *refused != nil {
			return *refused
		}
		return nil
	}
	return c
}

// entry begins the line of a connection.
func (b *Balancer) entry(conn net.Conn) Entry {
	e := Entry{Time: b.Now().UTC(), Listener: b.Port(), Trace: trace(), Balancer: "tlsfloor"}
	if client, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		e.Client, e.ClientPort = client.IP.String(), client.Port
	}
	if own, ok := conn.LocalAddr().(*net.TCPAddr); ok {
		e.Address = own.IP.String()
	}
	return e
}

// trace is the name of a connection, which a balancer puts into its other logs too.
func trace() string {
	var id [16]byte
	rand.Read(id[:])
	return "TID_" + hex.EncodeToString(id[:])
}

// codeOf maps a handshake that failed for no reason of ours.
func codeOf(err error) string {
	if strings.Contains(err.Error(), "failed to parse client certificate") { // which crypto/tls says in no other way
		return ClientCertInvalid
	}
	return UnmappedConnectionError
}

// shown takes what a handshake has come to.
func (e *Entry) shown(s tls.ConnectionState) {
	e.Protocol, e.Cipher = protocol(wire.Version(s.Version)), wire.Suite(s.CipherSuite).OpenSSL()
	if s.CurveID != 0 {
		e.KeyExchange = wire.Group(s.CurveID).String()
	}
	e.chain = s.PeerCertificates
	if len(e.chain) > 0 {
		leaf := e.chain[0]
		e.Subject, e.Validity, e.Serial = distinguished(leaf.RawSubject), validity(leaf), serial(leaf)
	}
}
