package verify

import (
	"crypto/tls"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/tlsfloor/tlsfloor/verify/wire"
)

// oldServer speaks versions up to newest with one suite alone and answers nothing but its name, where it
// insists on one. What it refuses for its suite or its name it refuses with refusal, and what it refuses
// for its version with the alert that is for that. At TLS 1.2 and later it has every suite.
type oldServer struct {
	oldest, newest wire.Version
	suite          wire.Suite
	insists        bool // on a name
	refusal        wire.Description
}

func (o oldServer) behave(conn net.Conn) {
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	head := make([]byte, 5)
	if _, err := io.ReadFull(conn, head); err != nil {
		return
	}
	var asked wire.Version
	var suites []wire.Suite
	var named bool
	if head[0]&0x80 != 0 { // the format of SSLv2
		rest := make([]byte, int(head[0]&0x7f)<<8+int(head[1])+2-len(head))
		io.ReadFull(conn, rest)
		h, err := wire.ParseSSL2Hello(append(head, rest...))
		if err != nil {
			return
		}
		asked, suites = h.Version, h.Suites()
	} else {
		payload := make([]byte, int(head[3])<<8+int(head[4]))
		io.ReadFull(conn, payload)
		h, err := wire.ParseClientHello(payload)
		if err != nil {
			return
		}
		asked, suites, named = slices.Max(append(h.Offered(), h.Version)), h.Suites, h.Host() != ""
	}
	refuse := func(d wire.Description) {
		conn.Write(wire.Alert{Level: wire.Fatal, Description: d}.Record(min(asked, wire.TLS12)).Bytes())
	}
	v := min(asked, o.newest)
	hello := wire.ServerHello{Version: v, Suite: o.suite}
	switch {
	case asked >= wire.TLS12:
		hello.Version, hello.Suite = wire.TLS12, wire.ECDHERSAAES128GCM
	case v < o.oldest && asked == wire.SSL30:
		refuse(wire.HandshakeFailure)
		return
	case v < o.oldest:
		refuse(wire.ProtocolVersion)
		return
	case !slices.Contains(suites, o.suite) || o.insists && !named:
		refuse(o.refusal)
		return
	}
	message, _ := hello.Bytes()
	conn.Write(wire.Record{Type: wire.Handshake, Version: hello.Version, Payload: message}.Bytes())
	io.Copy(io.Discard, conn)
}

func (o oldServer) statuses(t *testing.T) map[string]Status {
	return statuses(t, Options{Kind: KindServer, Timeout: 5 * time.Second, Open: func(b Bench) Subjects {
		return Subjects{Endpoint: endpointOf(t, 0, o.behave), WeakOpenSSL: &goPeer{files: b.Files, floor: tls.VersionTLS10}}
	}})
}

// A server below the floor is found whatever its one suite is, old, odd or without a certificate of RSA.
func TestServersWithOneOldSuite(t *testing.T) {
	for name, suite := range map[string]wire.Suite{
		"RSA with 3DES": 0x000a, "RSA with RC4": 0x0005, "export": 0x0003, "anonymous": 0x0018, "anonymous curves": 0xc018, "DSA": 0x0013,
		"ECDSA with 3DES": 0xc008, "static ECDH": 0xc003, "PSK": 0x008b, "PSK with SHA-384": 0x00af, "SRP": 0xc01a, "SEED": 0x0096,
		"Kerberos": 0x001f, "GOST": 0x0081, "IDEA": 0x0007, "no encryption": 0x0002, "static DH": 0x0031,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := oldServer{wire.SSL30, wire.TLS11, suite, false, wire.HandshakeFailure}.statuses(t)
			for _, c := range []string{"server-ssl3", "server-ssl3-name", "server-tls10", "server-tls11", "server-tls11-scsv", "server-ssl2-tls11"} {
				if got[c] != Fail {
					t.Errorf("%s: %s", c, got[c])
				}
			}
		})
	}
}

func TestServersThatWantAName(t *testing.T) {
	got := oldServer{wire.SSL30, wire.SSL30, wire.RSAAES128SHA, true, wire.UnrecognizedName}.statuses(t)
	if got["server-ssl3"] != Unproven || got["server-ssl3-name"] != Fail {
		t.Errorf("%v", got)
	}
}

// A refusal for another reason than the version proves nothing, and one for the version does.
func TestRefusalsNeedTheirReason(t *testing.T) {
	const none wire.Suite = 0xffff // of no hello
	cases := []string{"server-tls10", "server-tls11", "server-tls11-scsv"}
	for _, refusal := range []wire.Description{wire.HandshakeFailure, wire.InsufficientSecurity, wire.InternalError, wire.UnrecognizedName} {
		got := oldServer{wire.TLS10, wire.TLS11, none, false, refusal}.statuses(t)
		for _, c := range cases {
			if got[c] != Unproven {
				t.Errorf("refused with %s: %s: %s", refusal, c, got[c])
			}
		}
		if refusal != wire.HandshakeFailure && got["server-ssl2-tls11"] != Unproven {
			t.Errorf("refused with %s: in the format of SSLv2: %s", refusal, got["server-ssl2-tls11"])
		}
	}
	got := oldServer{wire.TLS12, wire.TLS12, none, false, wire.HandshakeFailure}.statuses(t)
	for _, c := range cases {
		if got[c] != Pass {
			t.Errorf("control: %s: %s", c, got[c])
		}
	}
}
