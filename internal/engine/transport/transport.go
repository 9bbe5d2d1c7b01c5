// Package transport is the HTTP client below everything that is fetched and published. It promises,
// whatever a server does:
//
//   - no answer is waited for without end: connecting, an answer's header and each byte have their time,
//     and a transfer that goes slower than Limits.Rate over Limits.Window ends
//   - headers are of 64 KiB at most, and bodies come as they were sent: nothing is decompressed
//   - a request to another host than the one that a user has named (a redirect, a token's realm, an
//     upload's location) reaches no address of this machine or its network, unless the named host has such
//     an address itself. The address is judged when it is dialed, and so a name cannot lead there either
//
// Exceptions: what a proxy connects to is the proxy's affair, and only addresses that are written as
// numbers are judged. A connection that is open already, since its host was named itself, is used again.
// How many bytes an answer may have is for the caller to say, and so is where redirects may lead in other
// respects.
package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// Limits bounds how slow a server may be. A zero field takes its default.
type Limits struct {
	Connect time.Duration // for a connection, and for its TLS handshake; 10 s
	// for an answer's header, and for each byte; 30 s. After an upload ten times as long
	Wait   time.Duration
	Window time.Duration // over which Rate is looked at; 60 s
	Rate   int64         // bytes per second at least; 1 KiB/s
}

func (l Limits) orDefaults() Limits {
	if l.Wait == 0 {
		l.Wait = 30 * time.Second
	}
	if l.Connect == 0 {
		l.Connect = min(10*time.Second, l.Wait)
	}
	if l.Window == 0 {
		l.Window = 2 * l.Wait
	}
	if l.Rate == 0 {
		l.Rate = 1 << 10
	}
	return l
}

const (
	headerLimit = 64 << 10 // bytes of an answer's header
	hurry       = 64       // a whole transfer has to be this much faster than Rate
)

// Whole is how long the transfer of so many bytes may take in all: ten windows, and a second for each 64 KiB.
func (l Limits) Whole(bytes int64) time.Duration {
	l = l.orDefaults()
	return 10*l.Window + time.Duration(bytes/(l.Rate*hurry))*time.Second
}

// The errors of a server that is too slow.
var (
	ErrStalled = errors.New("no byte came for too long")
	ErrSlow    = errors.New("the bytes come too slowly")
)

// ErrAddress is the error of a request that would leave the network of the host that was named.
var ErrAddress = errors.New("an address that no other host may send this program to")

// Pool is the connections of some requests.
type Pool struct {
	*http.Transport
	limits Limits
}

// New returns a pool. Proxies come from the environment as net/http reads it.
func New(l Limits) *Pool {
	l = l.orDefaults()
	p := &Pool{limits: l}
	p.Transport = &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: l.Connect, ControlContext: judgeDial}).DialContext,
		TLSHandshakeTimeout:    l.Connect,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		MaxResponseHeaderBytes: headerLimit,
		DisableCompression:     true,
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    2,
		IdleConnTimeout:        30 * time.Second,
	}
	return p
}

// Whole returns a context that ends when the transfer of so many bytes has taken too long.
func (p *Pool) Whole(ctx context.Context, bytes int64) (context.Context, context.CancelFunc) {
	d := p.limits.Whole(bytes)
	return context.WithTimeoutCause(ctx, d, fmt.Errorf("%w: not whole after %v", ErrSlow, d))
}

// For returns the transport of requests for what a user has named the host (with its port, if any) for.
func (p *Pool) For(host string) http.RoundTripper {
	h := &home{pool: p, host: host}
	if addr, err := netip.ParseAddr(hostname(host)); err == nil {
		h.scope.Store(int32(scopeOf(addr)))
	}
	return h
}

// home is the transport for one host that was named.
type home struct {
	pool  *Pool
	host  string
	scope atomic.Int32 // of its address, once it is known
}

type homeKey struct{}

// RoundTrip implements http.RoundTripper.
func (h *home) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	proxied := h.proxied(req)
	switch addr, err := netip.ParseAddr(req.URL.Hostname()); {
	case strings.EqualFold(req.URL.Host, h.host):
		if !proxied {
			ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: h.reached})
		}
	case err == nil && !h.mayReach(addr):
		cancel(nil)
		return nil, fmt.Errorf("%s sends to %s: %w", h.host, addr, ErrAddress)
	case !proxied:
		ctx = context.WithValue(ctx, homeKey{}, h)
	}
	req = req.Clone(ctx)
	wait, upload := h.pool.limits.Wait, req.Body != nil && req.Body != http.NoBody
	if upload {
		wait *= 10 // whoever gets a file may have to read it again before the answer
	}
	idle := time.AfterFunc(wait, func() { cancel(fmt.Errorf("%w (%v)", ErrStalled, wait)) })
	m := &meter{ctx: ctx, cancel: cancel, limits: h.pool.limits, wait: wait, idle: idle}
	if upload { // it may still be read when the answer is
		req.Body = &body{req.Body, &meter{ctx: ctx, cancel: cancel, limits: h.pool.limits, wait: wait,
			idle: idle, since: time.Now()}}
	}
	resp, err := h.pool.Transport.RoundTrip(req)
	if err != nil {
		err = m.why(err)
		m.end()
		return nil, err
	}
	idle.Reset(wait)
	m.since = time.Now()
	resp.Body = &answer{body{resp.Body, m}}
	return resp, nil
}

func (h *home) proxied(req *http.Request) bool {
	if h.pool.Proxy == nil {
		return false
	}
	u, err := h.pool.Proxy(req)
	return err == nil && u != nil
}

// reached notes the address of the host that was named.
func (h *home) reached(info httptrace.GotConnInfo) {
	if at, err := netip.ParseAddrPort(info.Conn.RemoteAddr().String()); err == nil {
		h.scope.Store(int32(scopeOf(at.Addr())))
	}
}

func (h *home) mayReach(to netip.Addr) bool {
	home, there := scope(h.scope.Load()), scopeOf(to)
	return there == public || there == home || there == private && home == loopback
}

// judgeDial refuses a connection of a request to another host than the one that was named.
func judgeDial(ctx context.Context, _, address string, _ syscall.RawConn) error {
	h, foreign := ctx.Value(homeKey{}).(*home)
	if !foreign {
		return nil
	}
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if !h.mayReach(at.Addr()) {
		return fmt.Errorf("%s sends to %s: %w", h.host, at.Addr(), ErrAddress)
	}
	return nil
}

// meter ends a transfer that is too slow.
type meter struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	limits Limits
	wait   time.Duration
	idle   *time.Timer
	since  time.Time // the beginning of this window,
	bytes  int64     // and what came in it
}

func (m *meter) count(n int) {
	if n == 0 {
		return
	}
	m.idle.Reset(m.wait)
	m.bytes += int64(n)
	spent := time.Since(m.since)
	if spent < m.limits.Window {
		return
	}
	if least := int64(spent.Seconds() * float64(m.limits.Rate)); m.bytes < least {
		m.cancel(fmt.Errorf("%w: %d bytes in %v", ErrSlow, m.bytes, spent.Round(time.Millisecond)))
	}
	m.since, m.bytes = time.Now(), 0
}

// why replaces the error of a request that was given up here.
func (m *meter) why(err error) error {
	cause := context.Cause(m.ctx)
	if err != nil && (errors.Is(cause, ErrStalled) || errors.Is(cause, ErrSlow)) {
		return cause
	}
	return err
}

func (m *meter) end() {
	m.idle.Stop()
	m.cancel(nil)
}

// body is what is sent, or what comes.
type body struct {
	io.ReadCloser
	m *meter
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.m.count(n)
	if err != nil && err != io.EOF {
		err = b.m.why(err)
	}
	return n, err
}

// answer is the body of an answer: closing it ends the request.
type answer struct{ body }

func (a *answer) Close() error {
	err := a.body.Close()
	a.m.end()
	return err
}
