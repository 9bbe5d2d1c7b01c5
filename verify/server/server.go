// Package server is the verification server for people: in one process a listener for each Scenario, which is
// an honest, weak or lying TLS server, and a line for each connection that says what the client offered, how
// it ended, and whether a hardened client does that.
//
// It promises that
//   - it listens on 127.0.0.1 and [::1] only, and its certificates are of this run's making and valid for a day;
//   - a verdict is read from the wire and from crypto/tls's end of the handshake, never from what the client says of itself;
//   - what shows nothing is called that: a client that hangs up, that trusts another CA, or that is refused for another reason has
//     neither passed nor failed;
//   - a peer that trickles, floods, sends garbage or never closes costs one of Options.Most places for Options.Timeout at the most, and
//     the memory of 64 KiB of transcript beside crypto/tls's own.
//
// Over a completed connection it speaks HTTP/1.1: /a/check answers with the keys of howsmyssl's API, every
// other path with a page in the manner of `openssl s_server -www`, without the session's secrets.
package server

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/tlsfloor/tlsfloor/verify"
)

// Options is what Start needs. Zero fields have the defaults that their comments name.
type Options struct {
	Scenarios []Scenario    // all of them
	Dir       string        // a folder that exists, for the run's certificates; required
	Port      int           // of the first scenario, the others count up; 0: any free ones
	Timeout   time.Duration // for one connection: 10 s
	Patience  time.Duration // how long a client has to wait after a crafted ServerHello to be taken to have accepted it: 1 s
	Most      int           // connections at a time: 64
	Report    func(Visit)   // called for each connection, one at a time; nil: nobody is told
}

func (o Options) withDefaults() Options {
	if o.Scenarios == nil {
		o.Scenarios = Scenarios(0)
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	if o.Patience == 0 {
		o.Patience = time.Second
	}
	if o.Most == 0 {
		o.Most = 64
	}
	if o.Report == nil {
		o.Report = func(Visit) {}
	}
	return o
}

// Place is where a scenario listens.
type Place struct {
	Scenario
	Port int    `json:"port"` // of each address
	URL  string `json:"url"`

	listeners []net.Listener
}

// Server has its listeners bound; Serve takes connections from them.
type Server struct {
	Options
	peer   *verify.Peer
	places []Place
	slots  chan struct{} // one for each connection that is talked to
	report sync.Mutex
}

// Start makes the certificates and binds the listeners.
func Start(o Options) (*Server, error) {
	o = o.withDefaults()
	peer, err := verify.NewPeer(o.Dir)
	if err != nil {
		return nil, err
	}
	s := &Server{Options: o, peer: peer, slots: make(chan struct{}, o.Most)}
	for i, sc := range o.Scenarios {
		port := 0
		if o.Port != 0 {
			port = o.Port + i
		}
		listeners, err := Bind(port)
		if err != nil {
			s.Close()
			return nil, fmt.Errorf("scenario %s: %w", sc.Name, err)
		}
		port = listeners[0].Addr().(*net.TCPAddr).Port
		s.places = append(s.places, Place{Scenario: sc, Port: port, URL: fmt.Sprintf("https://localhost:%d/", port), listeners: listeners})
	}
	return s, nil
}

// Bind listens at a port of 127.0.0.1 and, where the machine has it, of [::1]: localhost is either. 0 is any
// port that is free at both.
func Bind(port int) ([]net.Listener, error) {
	six := hasIPv6()
	var err error
	for range 20 {
		var four, other net.Listener
		if four, err = net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err != nil || !six {
			return []net.Listener{four}, err
		}
		if other, err = net.Listen("tcp6", net.JoinHostPort("::1", strconv.Itoa(four.Addr().(*net.TCPAddr).Port))); err == nil {
			return []net.Listener{four, other}, nil
		}
		four.Close()
		if port != 0 {
			break
		}
	}
	return nil, err
}

func hasIPv6() bool {
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		return false
	}
	l.Close()
	return true
}

// Places tells where each scenario listens.
func (s *Server) Places() []Place { return s.places }

// Files tells where in Options.Dir the certificates are.
func (s *Server) Files() verify.Files { return s.peer.Files() }

// Expires tells until when the certificates are valid.
func (s *Server) Expires() time.Time { return s.peer.Expires() }

// Close frees the ports, for a server that was started and not served.
func (s *Server) Close() {
	for _, p := range s.places {
		for _, l := range p.listeners {
			l.Close()
		}
	}
}

// Serve takes connections until ctx ends; then it closes what is open. It returns no later than shortly after
// that.
func (s *Server) Serve(ctx context.Context) {
	var wait sync.WaitGroup
	for _, p := range s.places {
		wait.Go(func() {
			Accept(ctx, p.listeners, s.slots, func(conn net.Conn) {
				v := s.receive(ctx, conn, p.Scenario)
				if ctx.Err() == nil { // what we cut off ourselves shows nothing
					s.report.Lock()
					defer s.report.Unlock()
					s.Report(v)
				}
			})
		})
	}
	wait.Wait()
}

// grace is how long Accept waits for connections to end after ctx has: they are closed then, and only a
// report may block.
const grace = 2 * time.Second

// Accept hands each connection of the listeners to talk, in a goroutine of its own, until ctx ends; then it
// closes the listeners. It takes no more at a time than slots has places, and leaves others in the kernel's
// queue. It returns no later than shortly after ctx has ended.
func Accept(ctx context.Context, listeners []net.Listener, slots chan struct{}, talk func(net.Conn)) {
	var wait sync.WaitGroup
	for _, l := range listeners {
		wait.Go(func() { accept(ctx, &wait, l, slots, talk) })
	}
	<-ctx.Done()
	for _, l := range listeners {
		l.Close()
	}
	over := make(chan struct{})
	go func() { wait.Wait(); close(over) }()
	select {
	case <-over:
	case <-time.After(grace):
	}
}

func accept(ctx context.Context, wait *sync.WaitGroup, l net.Listener, slots chan struct{}, talk func(net.Conn)) {
	for ctx.Err() == nil {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // such as no descriptor left: somebody else has to give one back
			pause(ctx, 50*time.Millisecond)
			continue
		}
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			conn.Close()
			return
		}
		wait.Go(func() {
			defer func() { <-slots }()
			talk(conn)
		})
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// silent is for net/http, which would write of every peer that hangs up.
var silent = log.New(discard{}, "", 0)

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
