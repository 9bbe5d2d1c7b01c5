package verify

import (
	"crypto/ecdh"
	"crypto/rand"
	"slices"

	"github.com/tlsfloor/tlsfloor/verify/wire"
)

// x25519 is the group of the one key share (RFC 8446 section 4.2.7).
const x25519 wire.Group = 0x001d

// groups and schemes are what a server's certificate and key exchange may insist on (RFC 8446 sections
// 4.2.7 and 4.2.3, RFC 8422 section 5.1.1): the curves of NIST, 448, Brainpool and Bitcoin, and RSA, ECDSA,
// EdDSA and DSA with any hash.
var (
	groups  = []wire.Group{x25519, 0x0017, 0x0018, 0x0019, 0x001e, 0x001a, 0x001b, 0x001c, 0x0016, 0x0015, 0x0013, 0x000e, 0x0100, 0x0101, 0x0102}
	schemes = []wire.Scheme{
		0x0804, 0x0401, 0x0403, 0x0805, 0x0806, 0x0501, 0x0601, 0x0503, 0x0603, 0x0807, 0x0808, 0x0809, 0x080a, 0x080b,
		0x0201, 0x0203, 0x0402, 0x0202,
	}
)

// preferred are the suites below TLS 1.3 that a server of today has; every hello has all others as well,
// behind them.
var preferred = []wire.Suite{
	wire.ECDHERSAAES128GCM, wire.ECDHEECDSAAES128GCM, wire.ECDHERSAAES128SHA, wire.ECDHEECDSAAES128SHA, wire.RSAAES256SHA, wire.RSAAES128SHA,
}

// every lists all suites below TLS 1.3: a server that is refused for its version must have no other reason,
// however odd the one suite is that it speaks.
func every() []wire.Suite {
	others := slices.DeleteFunc(wire.EverySuite(), func(s wire.Suite) bool { return slices.Contains(preferred, s) })
	return slices.Concat(preferred, others, []wire.Suite{wire.EmptyRenegotiation})
}

// clientHello is the hello to the server of that name of a client that speaks o.Version at most. It has all
// that a server of that version could insist on.
func clientHello(o Offer, name string) wire.ClientHello {
	h := wire.ClientHello{Version: min(o.Version, wire.TLS12), Compression: []byte{0}}
	rand.Read(h.Random[:])
	h.Suites = every()
	if o.Fallback {
		h.Suites = append(h.Suites, wire.FallbackSCSV)
	}
	if o.Version == wire.SSL30 {
		if o.Named {
			h.Extensions = []wire.Extension{wire.Name(name)}
		}
		return h
	}
	h.Extensions = []wire.Extension{wire.Name(name), wire.Groups(groups...), wire.UncompressedPoints()}
	if o.Version >= wire.TLS12 {
		h.Extensions = append(h.Extensions, wire.Schemes(schemes...))
	}
	if o.Version == wire.TLS13 {
		if !slices.Contains(o.Lists, wire.TLS12) {
			h.Suites = nil
		}
		h.Suites = append([]wire.Suite{wire.AES128GCM}, h.Suites...)
		h.Extensions = append(h.Extensions, wire.ClientShare(x25519, publicShare()))
		if o.Lists == nil {
			h.Extensions = append(h.Extensions, wire.Offer(wire.TLS13))
		}
	}
	if o.Lists != nil {
		h.Extensions = append(h.Extensions, wire.Offer(o.Lists...))
	}
	return h
}

// greeting is the first flight of a client that does what o says, to the server of that name.
func greeting(o Offer, name string) ([]byte, error) {
	if o.V2 {
		return wire.SSL2Hello{Version: o.Version, Specs: wire.Specs(every()...)}.Bytes(), nil
	}
	message, err := clientHello(o, name).Bytes()
	return wire.Record{Type: wire.Handshake, Version: min(o.Version, wire.TLS10), Payload: message}.Bytes(), err
}

// publicShare is a fresh X25519 public key (RFC 7748 section 6.1); its secret is thrown away, as no handshake
// is completed.
func publicShare() []byte {
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return make([]byte, 32) // unreachable: crypto/rand does not fail
	}
	return key.PublicKey().Bytes()
}

// serverHello is the answer of a server that speaks o.Version, lied about as o asks.
func serverHello(o Offer, session []byte) wire.ServerHello {
	h := wire.ServerHello{
		Version: min(o.Version, wire.TLS12), Suite: wire.ECDHERSAAES128SHA,
		Extensions: []wire.Extension{wire.SecureRenegotiation()},
	}
	rand.Read(h.Random[:])
	switch {
	case o.Says != 0:
		h.SessionID, h.Suite, h.Extensions = session, wire.AES128GCM, []wire.Extension{wire.Choose(o.Says)}
	case o.Version == wire.SSL30:
		h.Suite = wire.RSAAES128SHA
	case o.Version == wire.TLS12:
		h.Suite = wire.ECDHERSAAES128GCM
	}
	if o.Suite != 0 {
		h.Suite = o.Suite
	}
	if o.Bare {
		h.Extensions = nil
	}
	switch o.Sentinel {
	case wire.TLS12:
		copy(h.Random[24:], wire.DowngradeTLS12[:])
	case wire.TLS11:
		copy(h.Random[24:], wire.DowngradeTLS11[:])
	}
	return h
}
