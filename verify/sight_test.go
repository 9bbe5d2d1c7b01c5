package verify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tlsfloor/tlsfloor/verify/wire"
)

// meet has a Peer meet what act does at the other end of a connection.
func meet(t *testing.T, p *Peer, o Offer, use func(*tls.Conn), act func(net.Conn)) Meeting {
	t.Helper()
	l := loopback(t)
	defer l.Close()
	go func() {
		conn, err := net.Dial("tcp4", l.Addr().String())
		if err == nil {
			act(conn)
			conn.Close()
		}
	}()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	return p.Meet(ctx, conn, o, use)
}

func shakes(c *tls.Config) func(net.Conn) {
	return func(conn net.Conn) { tls.Client(conn, c).Handshake() }
}

func TestMeetRangeOfVersions(t *testing.T) {
	p, err := NewPeer(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(p.Expires()); left < life-time.Minute || left > life {
		t.Errorf("expires in %v", left)
	}
	trusting := &tls.Config{ServerName: "localhost", MinVersion: tls.VersionTLS10, RootCAs: x509.NewCertPool()}
	pem, err := os.ReadFile(p.Files().CA)
	if err != nil {
		t.Fatal(err)
	}
	trusting.RootCAs.AppendCertsFromPEM(pem)
	o := Offer{Act: Serve, Least: wire.TLS10, Version: wire.TLS12}
	for v := wire.TLS10; v <= wire.TLS13; v++ {
		c := trusting.Clone()
		c.MaxVersion = uint16(v)
		at := wire.Version(0)
		m := meet(t, p, o, func(s *tls.Conn) {
			at = wire.Version(s.ConnectionState().Version)
			if seen := SoFar(s).Sight(); seen.Hello == nil || seen.Answer == nil || seen.Answer.Chosen() != at {
				t.Errorf("%s: what passed until now: %+v", v, seen)
			}
		}, shakes(c))
		if !m.Completed || m.Err != nil || at != min(v, wire.TLS12) {
			t.Errorf("a client of at most %s: %s, %v", v, at, m.Err)
		}
	}
	above := trusting.Clone()
	above.MinVersion = tls.VersionTLS13
	m := meet(t, p, o, nil, shakes(above))
	if s := m.Transcript.Sight(); m.Completed || m.Err == nil || s.Alert == nil || s.Alert.Description != wire.ProtocolVersion || s.Alert.From != FromJudge {
		t.Errorf("a client above it: %+v, %v", s.Alert, m.Err)
	}
	// The alert of crypto/tls at TLS 1.3 is encrypted: only the error has it.
	o.Version = wire.TLS13
	m = meet(t, p, o, nil, shakes(&tls.Config{ServerName: "localhost", RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS13}))
	if s := m.Transcript.Sight(); m.Completed || s.Alert != nil || m.Err == nil || !strings.Contains(m.Err.Error(), "remote error") {
		t.Errorf("an encrypted alert: %+v, %v", s.Alert, m.Err)
	}
}

func TestSight(t *testing.T) {
	p, err := NewPeer(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	stranger := &tls.Config{ServerName: "localhost", RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS10}
	hardened := stranger.Clone()
	hardened.MinVersion = tls.VersionTLS12
	careless := stranger.Clone()
	careless.InsecureSkipVerify = true
	old := Offer{Act: Serve, Version: wire.TLS11}
	// A client that refuses the certificate took the version; one with a floor did not. The first does not
	// say so in more than an alert.
	for name, test := range map[string]struct {
		c      *tls.Config
		goesOn bool
		alert  wire.Description
	}{
		"with a floor":        {hardened, false, wire.ProtocolVersion},
		"without, distrusts":  {stranger, false, wire.BadCertificate},
		"without, trusts all": {careless, true, 0},
	} {
		s := meet(t, p, old, nil, shakes(test.c)).Transcript.Sight()
		if s.Hello == nil || s.Size == 0 || s.GoesOn != test.goesOn || (s.Alert == nil) != (test.alert == 0) || s.Alert != nil && s.Alert.Description != test.alert {
			t.Errorf("%s: goes on %v, %v", name, s.GoesOn, s.Alert)
		}
	}
	s := meet(t, p, old, nil, func(c net.Conn) {
		c.Write(wire.SSL2Hello{Version: wire.TLS11, Specs: wire.Specs(wire.RSAAES128SHA)}.Bytes())
	}).Transcript.Sight()
	if s.Hello != nil || s.SSL2 == nil || s.SSL2.Version != wire.TLS11 || s.Size != 2+9+3+16 {
		t.Errorf("in the format of SSLv2: %+v", s)
	}
	if s := (Transcript{{FromSubject, []byte("GET / HTTP/1.1\r\n")}}).Sight(); s.Hello != nil || s.SSL2 != nil || s.Answer != nil || s.GoesOn {
		t.Errorf("no TLS: %+v", s)
	}
}

// A hello that is spread over empty and tiny records costs no more than its bytes.
func TestHelloInManyRecords(t *testing.T) {
	message, err := clientHello(Offer{Version: wire.TLS12}, "localhost").Bytes()
	if err != nil {
		t.Fatal(err)
	}
	spread := Transcript(nil).add(FromSubject, wire.Flight(message, 1, wire.TLS10))
	if s := spread.Sight(); s.Hello == nil || s.Size != 6*len(message) {
		t.Errorf("%d bytes", s.Size)
	}
	var empty []byte
	for len(empty) < maxTranscript {
		empty = append(empty, wire.Record{Type: wire.Handshake, Version: wire.TLS10}.Bytes()...)
	}
	start := time.Now()
	if s := Transcript(nil).add(FromSubject, empty).Sight(); s.Hello != nil {
		t.Error("empty records hold a hello")
	}
	if d := time.Since(start); d > time.Second {
		t.Errorf("took %v", d)
	}
}

// A crafted answer's reader gives up on a hello that is spread over too many records, and no earlier.
func TestAnswerBoundsRecords(t *testing.T) {
	p, err := NewPeer(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	h := clientHello(Offer{Version: wire.TLS12}, "localhost")
	h.Extensions = append(h.Extensions, wire.Protocols(strings.Repeat("x", 255), strings.Repeat("y", 255), strings.Repeat("z", 255), strings.Repeat("a", 255)))
	message, err := h.Bytes()
	if err != nil || len(message) <= maxRecords {
		t.Fatalf("%d bytes, %v", len(message), err)
	}
	for size, answers := range map[int]bool{1: false, 2: true} {
		m := meet(t, p, Offer{Act: Answer, Version: wire.TLS11}, nil, func(c net.Conn) {
			c.Write(wire.Flight(message, size, wire.TLS10))
			c.(*net.TCPConn).CloseWrite()
			io.Copy(io.Discard, c)
		})
		if s := m.Transcript.Sight(); (s.Answer != nil) != answers {
			t.Errorf("in records of %d: answered is not %v", size, answers)
		}
	}
}
