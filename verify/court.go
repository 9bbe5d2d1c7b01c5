package verify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/tlsfloor/tlsfloor/verify/wire"
)

// court is one run: the options, the run's certificates and the opened subjects.
type court struct {
	Options
	peer     *Peer
	subjects Subjects
}

func newCourt(o Options) (*court, error) {
	peer, err := NewPeer(o.WorkDir)
	if err != nil {
		return nil, err
	}
	bench := Bench{Toolchain: o.Toolchain, Launch: o.Launch, Files: peer.Files(), Timeout: o.Timeout}
	return &court{Options: o, peer: peer, subjects: o.Open(bench)}, nil
}

// close ends the subjects: the whole group of processes of each.
func (c *court) close() error {
	var errs []error
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
	case Serve, Answer:
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return Trial{}, err
		}
		return host(ctx, l, connect, func(conn *recorder) bool { return c.peer.talk(ctx, conn, o, manners(o.Who)) })
	case Greet:
		return c.greet(ctx, s, o)
	case Listen:
		return listen(ctx, connect)
	}
	return Trial{}, fmt.Errorf("act %q: unknown", o.Act)
}

// call brings a client to addr and returns when it has ended, or soon after ctx has.
type call func(ctx context.Context, addr string) (Report, error)

// host has connect bring a client to l, and talks to the one connection that comes. talk reports whether a
// handshake was completed; a client that says so alone is not believed.
func host(ctx context.Context, l net.Listener, connect call, talk func(*recorder) bool) (Trial, error) {
	defer l.Close()
	end := make(chan Trial, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			end <- Trial{}
			return
		}
		r := bounded(ctx, conn)
		completed := talk(r)
		r.hangUp()
		end <- Trial{Transcript: r.transcript, Completed: completed}
	}()
	report, err := connect(ctx, l.Addr().String())
	// A client may have ended without a connection. Ours queues behind the one it made, if any, and says nothing.
	own, dialErr := net.Dial("tcp4", l.Addr().String())
	if dialErr == nil {
		own.Close()
	} else { // nobody may come any more: what was in the queue is lost, so the trial shows nothing
		l.Close()
		err = errors.Join(err, dialErr)
	}
	t := <-end
	if report.OK && !t.Completed {
		report.OK, report.Text = false, "the client says that it connected, the server does not"
	}
	t.Report = report
	return t, err
}

// greet sends a crafted ClientHello to the subject's server and reads its first answer.
func (c *court) greet(ctx context.Context, s Subject, o Offer) (Trial, error) {
	service, err := s.Serve(ctx, o.Setup)
	if err != nil {
		return Trial{}, err
	}
	defer service.Close()
	plain, err := (&net.Dialer{}).DialContext(ctx, "tcp", service.Addr())
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
	message, err := greeting(o)
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

// listen takes the first datagram of a DTLS client that connect starts. The client would wait for an answer, so it is
// cancelled then, and waited for.
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
