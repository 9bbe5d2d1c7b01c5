package verify

import (
	"cmp"
	"context"
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

// court is one run: the options, the run's certificates and the opened subjects.
type court struct {
	Options
	peer      *Peer
	subjects  Subjects
	responder io.Closer
}

// Loopback says why programs on this machine cannot connect to each other over 127.0.0.1, without which
// nothing can be proved; nil if they can.
func Loopback(ctx context.Context) error {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp4", l.Addr().String())
	if err != nil {
		return err
	}
	return conn.Close()
}

func newCourt(o Options) (*court, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("starting the run's OCSP responder: %w", err)
	}
	peer, err := newPeer(o.WorkDir, l.Addr().String())
	if err != nil {
		l.Close()
		return nil, err
	}
	for _, path := range peer.Files().all() {
		if err := o.Own(path); err != nil {
			l.Close()
			return nil, err
		}
	}
	bench := Bench{Toolchain: o.Toolchain, Launch: o.Launch, Files: peer.Files(), Timeout: o.Timeout}
	return &court{Options: o, peer: peer, subjects: o.Open(bench), responder: respond(l, peer.first)}, nil
}

// close ends the subjects, the whole group of processes of each, and the responder.
func (c *court) close() error {
	errs := []error{c.responder.Close()}
	for _, s := range c.subjects {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// try carries out one offer, within Timeout.
func (c *court) try(ctx context.Context, o Offer) Trial {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	var t Trial
	var err error
	if o.Act.Static() {
		t.Report.Facts, err = c.look(ctx, o)
	} else if s := c.subjects[o.Who]; s == nil {
		err = fmt.Errorf("%s: not given", o.Who)
	} else {
		t, err = c.meet(ctx, s, o)
	}
	if err != nil {
		t.Problem = err.Error()
	}
	return t.observe(o)
}

func (c *court) meet(ctx context.Context, s Subject, o Offer) (Trial, error) {
	connect := func(ctx context.Context, addr string) (Report, error) { return s.Connect(ctx, o.Setup, addr) }
	switch o.Act {
	case Serve, Answer, Decline:
		if c.Kind == KindClient && c.Toolchain.StartTLS == Postgres {
			o.Setup.StartTLS = Postgres
		}
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return Trial{}, err
		}
		return host(ctx, l, connect, func(conn *recorder) error {
			if declined, err := c.preamble(ctx, conn, o); err != nil {
				return err
			} else if declined {
				return errDeclined
			}
			return c.peer.talk(ctx, conn, o, c.manners(ctx, o))
		})
	case Greet:
		return c.greet(ctx, s, o)
	case Listen:
		return listen(ctx, connect)
	}
	return Trial{}, fmt.Errorf("act %q: unknown", o.Act)
}

// call brings a client to addr and returns when it has ended, or soon after ctx has.
type call func(ctx context.Context, addr string) (Report, error)

// maxConnections bounds how many connections of one client are looked at.
const maxConnections = 32

// host has connect bring a client to l, and talks to every connection that comes until the client has ended:
// one that was refused may come again with less. talk says why no handshake was completed; a client that says
// that it was is not believed alone. The trial is the first connection on which the client said something;
// the others are More.
func host(ctx context.Context, l net.Listener, connect call, talk func(*recorder) error) (Trial, error) {
	defer l.Close()
	var all []Connection
	over, own, end := make(chan struct{}), make(chan net.Addr, 1), make(chan struct{})
	go func() {
		defer close(end)
		all = accept(ctx, l, over, own, talk)
	}()
	report, err := connect(ctx, l.Addr().String())
	close(over)
	// A client may have ended without a connection. Ours queues behind those that it made, and says nothing.
	last, dialErr := net.Dial("tcp4", l.Addr().String())
	if dialErr == nil {
		own <- last.LocalAddr()
		last.Close()
	} else { // nobody may come any more: what was in the queue is lost, so the trial shows nothing
		own <- nil
		l.Close()
		err = errors.Join(err, dialErr)
	}
	<-end
	spoke := slices.DeleteFunc(all, func(c Connection) bool { return len(c.Transcript.sent(FromSubject)) == 0 })
	var t Trial
	if len(spoke) > 0 {
		t.Transcript, t.Completed, t.Told, t.Clear, t.More = spoke[0].Transcript, spoke[0].Completed, spoke[0].Told, spoke[0].Clear, spoke[1:]
	}
	if report.OK && !t.Completed {
		report.OK, report.Text = false, "the client says that it connected, the server does not"
	}
	t.Report = report
	return t, err
}

// accept talks to the connections of l, each at once, until the client's time is over and our own one has
// come, whose address own tells.
func accept(ctx context.Context, l net.Listener, over <-chan struct{}, own <-chan net.Addr, talk func(*recorder) error) []Connection {
	var wait sync.WaitGroup
	var all []*Connection
	var last net.Addr
	for len(all) < maxConnections {
		conn, err := l.Accept()
		if err != nil {
			break
		}
		select {
		case <-over:
			if last == nil {
				last = <-own
			}
		default: // before that it cannot be ours
		}
		if last != nil && conn.RemoteAddr().String() == last.String() {
			conn.Close()
			break
		}
		c := &Connection{}
		all = append(all, c)
		wait.Go(func() {
			r := bounded(ctx, conn)
			err := talk(r)
			var told *net.OpError
			c.Clear = errors.Is(err, errClear) || errors.Is(err, errDeclined)
			if errors.Is(err, errDeclined) { // and was answered in the clear
				err = nil
			}
			c.Completed, c.Told = err == nil, errors.As(err, &told) && told.Op == "remote error" // as crypto/tls calls an alert
			r.hangUp()
			c.Transcript = r.soFar()
		})
	}
	wait.Wait()
	kept := make([]Connection, len(all))
	for i, c := range all {
		kept[i] = *c
	}
	return kept
}

// greet sends a crafted ClientHello to the subject's server and reads its first answer.
func (c *court) greet(ctx context.Context, s Subject, o Offer) (Trial, error) {
	service, err := s.Serve(ctx, o.Setup)
	if err != nil {
		return Trial{}, err
	}
	defer service.Close()
	reach := dial
	if o.Who == Endpoint {
		reach = c.Dial
	}
	plain, err := reach(ctx, service.Addr())
	if err != nil {
		return Trial{}, err
	}
	if p, ok := service.(Preamble); ok {
		if deadline, ok := ctx.Deadline(); ok {
			plain.SetDeadline(deadline)
		}
		if err := p.Begin(plain); err != nil {
			plain.Close()
			return Trial{}, err
		}
	}
	conn := bounded(ctx, plain)
	defer conn.Close()
	message, err := greeting(o, cmp.Or(c.Toolchain.ServerName, "localhost"))
	if err != nil {
		return Trial{}, err
	}
	conn.Write(message)
	readHello(conn)
	conn.hangUp()
	report, err := service.Report(ctx)
	if o.Who == Endpoint && len(conn.transcript.sent(FromSubject)) == 0 && ctx.Err() == nil && !conn.timedOut {
		report.Reason = Closed
	}
	return Trial{Report: report, Transcript: conn.transcript}, err
}

// listen takes the first datagram of a DTLS client that connect starts. The client would wait for an answer,
// so it is cancelled then, and waited for.
func listen(ctx context.Context, connect call) (Trial, error) {
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		return Trial{}, err
	}
	defer conn.Close()
	first := make(chan []byte, 1)
	go func() {
		buf := make([]byte, wire.MaxPayload)
		n, _, _ := conn.ReadFrom(buf)
		first <- buf[:n]
	}()
	type ended struct {
		Report
		error
	}
	end := make(chan ended, 1)
	clientCtx, cancel := context.WithCancel(ctx)
	go func() {
		r, err := connect(clientCtx, conn.LocalAddr().String())
		end <- ended{r, err}
	}()
	select {
	case data := <-first:
		cancel()
		<-end
		return Trial{Transcript: Transcript(nil).add(FromSubject, data)}, nil
	case e := <-end:
		cancel()
		return Trial{Report: e.Report}, e.error
	case <-ctx.Done():
		cancel()
		<-end
		return Trial{}, fmt.Errorf("waiting for a datagram: %w", os.ErrDeadlineExceeded)
	}
}
