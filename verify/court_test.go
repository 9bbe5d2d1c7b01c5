package verify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tlsfloor/tlsfloor/verify/wire"
)

// goPeer is a Subject in this process: crypto/tls with the bounds that the setup asks for.
type goPeer struct {
	files Files
	floor uint16                                         // what it cannot go below, whatever it is asked
	dial  func(ctx context.Context, conn net.Conn) error // instead of a handshake: a hostile client
	greet func(conn net.Conn)                            // instead of a handshake: a hostile server
	late  func() (Report, error)                         // what a client says after its handshake
}

func (g *goPeer) config(s Setup) *tls.Config {
	c := &tls.Config{MinVersion: max(uint16(s.Min), g.floor), MaxVersion: tls.VersionTLS13, ServerName: "localhost", RootCAs: x509.NewCertPool()}
	if s.Max != 0 {
		c.MaxVersion = uint16(s.Max)
	}
	pem, _ := os.ReadFile(g.files.CA)
	c.RootCAs.AppendCertsFromPEM(pem)
	leaf, _ := tls.LoadX509KeyPair(g.files.Cert, g.files.Key)
	c.Certificates = []tls.Certificate{leaf}
	return c
}

func (g *goPeer) Connect(ctx context.Context, s Setup, addr string) (Report, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp4", addr)
	if err != nil {
		return Report{}, err
	}
	defer conn.Close()
	if g.dial != nil {
		return Report{}, g.dial(ctx, conn)
	}
	c := tls.Client(conn, g.config(s))
	if err := c.HandshakeContext(ctx); err != nil {
		return Report{Reason: reasonOf(err), Text: err.Error()}, nil
	}
	if g.late != nil {
		return g.late()
	}
	said, err := io.ReadAll(c)
	if string(said) != Greeting {
		return Report{}, err
	}
	return Report{OK: true, Version: wire.Version(c.ConnectionState().Version)}, nil
}

func reasonOf(err error) string {
	switch text := err.Error(); {
	case strings.Contains(text, "EOF"):
		return EOF
	case strings.Contains(text, "remote error"):
		return alertVersion
	case strings.Contains(text, "unsupported version"), strings.Contains(text, "not supported"):
		return unsupported
	default:
		return strings.ToUpper(text)
	}
}

type goService struct {
	net.Listener
	end chan Report
}

func (s goService) Addr() string { return s.Listener.Addr().String() }
func (s goService) Report(ctx context.Context) (Report, error) {
	select {
	case r := <-s.end:
		return r, nil
	case <-ctx.Done():
		return Report{}, ctx.Err()
	}
}

func (g *goPeer) Serve(ctx context.Context, s Setup) (Service, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	service := goService{l, make(chan Report, 1)}
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		if g.greet != nil {
			g.greet(conn)
		} else {
			err = tls.Server(conn, g.config(s)).HandshakeContext(ctx)
		}
		r := Report{}
		if err != nil {
			r.Reason = notThere
		}
		service.end <- r
	}()
	return service, nil
}

func (g *goPeer) Inspect(context.Context, Act) (Report, error) {
	return Report{Facts: []string{"HAS_TLSv1_3", "HAS_TLSv1_1", "libssl.so.3", "libc.so.6"}}, nil
}
func (g *goPeer) Close() error { return nil }

// session opens a court with one peer as every program.
func session(t *testing.T, peer *goPeer, timeout time.Duration) *court {
	t.Helper()
	open := func(b Bench) Subjects {
		peer.files = b.Files
		return Subjects{Python: peer}
	}
	c, err := newCourt(Options{Open: open, WorkDir: t.TempDir(), Timeout: timeout, Floor: TLS12}.withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.close() })
	return c
}

func TestServeEachVersionAndNoOther(t *testing.T) {
	c := session(t, &goPeer{}, 5*time.Second)
	for _, v := range []wire.Version{wire.TLS10, wire.TLS11, wire.TLS12, wire.TLS13} {
		o := Offer{Who: Python, Act: Serve, Version: v, Setup: Setup{Min: wire.TLS10}}
		if got := c.try(t.Context(), o); got.Got.Outcome != Connected || got.Got.Version != v {
			t.Errorf("%s: %s %s", v, got.Got, got.Problem)
		}
		if v == wire.TLS13 {
			continue
		}
		o.Setup.Min = v + 1
		got := c.try(t.Context(), o)
		if bad := refusedBy(FromJudge, alertVersion).mismatch(got.Got); bad != "" || slices.Contains(got.Got.Offered, v) {
			t.Errorf("%s against a client above it: %s %s", v, bad, got.Problem)
		}
	}
}

func TestAnswerCrafted(t *testing.T) {
	c := session(t, &goPeer{floor: tls.VersionTLS12}, 5*time.Second)
	for _, test := range []struct {
		o    Offer
		want Want
	}{
		{Offer{Version: wire.TLS11}, Want{Outcome: Refused, Alert: wire.ProtocolVersion, From: FromSubject}},
		{Offer{Version: wire.SSL30}, Want{Outcome: Refused, Alert: wire.ProtocolVersion, From: FromSubject}},
		{Offer{Version: wire.TLS12, Setup: Setup{Max: wire.TLS12}}, Want{Outcome: Proceeds, Version: wire.TLS12}},
		{Offer{Version: wire.TLS12, Sentinel: wire.TLS12}, Want{Outcome: Refused, Alert: wire.IllegalParameter, From: FromSubject}},
		{Offer{Version: wire.TLS12, Says: wire.TLS11}, Want{Outcome: Refused, Alert: wire.ProtocolVersion, From: FromSubject}},
	} {
		test.o.Who, test.o.Act = Python, Answer
		got := c.try(t.Context(), test.o)
		if bad := test.want.mismatch(got.Got); bad != "" {
			t.Errorf("%+v: %s (%s)\n%s", test.o, bad, got.Problem, got.Transcript)
		}
	}
}

func TestGreet(t *testing.T) {
	for _, test := range []struct {
		floor uint16
		v     wire.Version
		want  Want
	}{
		{tls.VersionTLS12, wire.TLS11, Want{Outcome: Refused, Reason: notThere, Alert: wire.ProtocolVersion, From: FromSubject}},
		{tls.VersionTLS12, wire.TLS12, Want{Outcome: Answered, Version: wire.TLS12}},
		{tls.VersionTLS12, wire.TLS13, Want{Outcome: Answered, Version: wire.TLS13}},
		{tls.VersionTLS10, wire.TLS10, Want{Outcome: Answered, Version: wire.TLS10}},
	} {
		c := session(t, &goPeer{floor: test.floor}, 5*time.Second)
		got := c.try(t.Context(), Offer{Who: Python, Act: Greet, Version: test.v})
		if bad := test.want.mismatch(got.Got); bad != "" {
			t.Errorf("%s: %s (%s)\n%s", test.v, bad, got.Problem, got.Transcript)
		}
	}
}

// hostile peers must cost no more than the time-out and never show an outcome.
var hostile = map[string]func(conn net.Conn){
	"garbage":       func(c net.Conn) { c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) },
	"silence":       func(c net.Conn) { io.Copy(io.Discard, c) },
	"hangs up":      func(c net.Conn) {},
	"long record":   func(c net.Conn) { c.Write([]byte{22, 3, 1, 0xff, 0xff}); io.Copy(io.Discard, c) },
	"half a record": func(c net.Conn) { c.Write([]byte{22, 3, 1, 0, 200, 1}); io.Copy(io.Discard, c) },
	"endless": func(c net.Conn) {
		for chunk := make([]byte, 64<<10); ; {
			copy(chunk, []byte{22, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff})
			if _, err := c.Write(chunk); err != nil {
				return
			}
		}
	},
	"trickle": func(c net.Conn) {
		for i := 0; ; i++ {
			time.Sleep(5 * time.Millisecond)
			if _, err := c.Write([]byte{[]byte{22, 3, 1, 0x40, 0}[min(i, 4)]}); err != nil {
				return
			}
		}
	},
}

func TestHostilePeers(t *testing.T) {
	const timeout = 150 * time.Millisecond
	for name, behave := range hostile {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			peer := &goPeer{greet: behave, dial: func(ctx context.Context, conn net.Conn) error {
				context.AfterFunc(ctx, func() { conn.Close() })
				behave(conn)
				return ctx.Err()
			}}
			c := session(t, peer, timeout)
			for _, act := range []Act{Serve, Answer, Greet} {
				begin := time.Now()
				got := c.try(t.Context(), Offer{Who: Python, Act: act, Version: wire.TLS12})
				if got.Problem == "" || got.Got.Outcome != "" {
					t.Errorf("%s: taken for %s", act, got.Got)
				}
				if got.Transcript.size() > maxTranscript {
					t.Errorf("%s: kept %d bytes", act, got.Transcript.size())
				}
				if d := time.Since(begin); d > timeout+2*time.Second {
					t.Errorf("%s: took %v", act, d)
				}
			}
		})
	}
}

func TestLyingClientIsNotBelieved(t *testing.T) {
	o := Offer{Act: Serve}
	honest := enact(t, o, Want{Outcome: Connected, Version: wire.TLS12})
	honest.Report.Version = wire.TLS13 // it says another version than the ServerHello
	if got := honest.observe(o); got.Got.Outcome != "" || got.Problem == "" {
		t.Errorf("taken for %s", got.Got)
	}
	connect := func(context.Context, string) (Report, error) { return Report{OK: true, Version: wire.TLS12}, nil }
	got, err := host(t.Context(), loopback(t), connect, func(c *recorder) error { answer(c, Offer{Version: wire.TLS12}); return errCrafted })
	if err != nil || got.Report.OK {
		t.Errorf("a client that never came is taken for connected: %+v, %v", got.Report, err)
	}
}

func TestRunWithoutSubjects(t *testing.T) {
	p, err := Run(t.Context(), Options{Open: func(Bench) Subjects { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	if p.Status != Unproven || p.Breached() || p.Complete() || len(p.Findings) == 0 {
		t.Errorf("%s", p.Summary())
	}
	if _, err := Run(t.Context(), Options{}); err == nil {
		t.Error("no Open, no error")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, Options{Open: func(Bench) Subjects { return nil }}); err == nil {
		t.Error("cancelled, no error")
	}
}

func TestRunGoPeerWithoutFloorFails(t *testing.T) {
	open := func(b Bench) Subjects {
		return Subjects{Python: &goPeer{files: b.Files}, WeakPython: &goPeer{files: b.Files}}
	}
	p, err := Run(t.Context(), Options{Open: open, OpenSSLVersion: "3.5.7"})
	if err != nil {
		t.Fatal(err)
	}
	if !p.Breached() || p.Status != Fail {
		t.Fatal(p.Summary())
	}
	var failed []string
	for _, f := range p.Findings {
		if f.Status == Fail {
			failed = append(failed, f.Case.Name)
		}
	}
	for _, name := range []string{"client-tls11-perm", "client-tls10-perm", "client-conf", "client-max11", "server-tls11-python", "server-tls10-python", "static-maps", "static-has"} {
		if !slices.Contains(failed, name) {
			t.Errorf("%s is not among the failed: %v", name, failed)
		}
	}
}

func TestMint(t *testing.T) {
	now := time.Now()
	p, err := mint(t.TempDir(), "", now)
	if err != nil {
		t.Fatal(err)
	}
	roots := func(a Anchor) *x509.CertPool {
		pem, err := os.ReadFile(p.files.Roots(a))
		if err != nil {
			t.Fatal(err)
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(pem)
		return pool
	}
	// Each leaf is right but for its one fault.
	for leaf, want := range map[Leaf]string{
		GoodLeaf: "", RevokedLeaf: "", NewLeaf: "unknown authority", UntrustedLeaf: "unknown authority",
		ExpiredLeaf: "expired", NotYetLeaf: "not yet valid", OtherNameLeaf: "not localhost",
	} {
		cert := p.leaves[leaf].Leaf
		for _, name := range []string{"localhost", "127.0.0.1"} {
			_, err := cert.Verify(x509.VerifyOptions{Roots: roots(FirstCA), DNSName: name, CurrentTime: now})
			if (err == nil) != (want == "") || err != nil && name == "localhost" && !strings.Contains(err.Error(), want) {
				t.Errorf("%q for %s: %v, want %q", leaf, name, err, want)
			}
		}
		if len(cert.AuthorityKeyId) == 0 {
			t.Errorf("%q: the authority key identifier is missing", leaf)
		}
		for _, e := range cert.Extensions {
			if e.Id.String() == "2.5.29.19" && !e.Critical {
				t.Errorf("%q: basicConstraints is not critical", leaf)
			}
		}
	}
	for anchor, leaves := range map[Anchor][]Leaf{NewCA: {NewLeaf}, BothCAs: {NewLeaf, GoodLeaf}} {
		for _, leaf := range leaves {
			if _, err := p.leaves[leaf].Leaf.Verify(x509.VerifyOptions{Roots: roots(anchor), DNSName: "localhost", CurrentTime: now}); err != nil {
				t.Errorf("%q with the anchor %q: %v", leaf, anchor, err)
			}
		}
	}
	if info, err := os.Stat(p.files.Key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file: %v, %v", info.Mode(), err)
	}
}
