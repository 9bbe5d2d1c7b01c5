package verify

import (
	"crypto/ecdh"
	"crypto/rand"
	"slices"

	"github.com/tlsfloor/tlsfloor/verify/wire"
)

// Group and scheme numbers (RFC 8446 sections 4.2.7 and 4.2.3) that any peer of the last twenty years knows one of.
const (
	x25519       = 0x001d
	secp256r1    = 0x0017
	rsaPSSSHA256 = 0x0804
	rsaSHA256    = 0x0401
	rsaSHA1      = 0x0201
	ecdsaSHA256  = 0x0403
	ecdsaSHA1    = 0x0203
)

// clientHello is the hello to the server of that name of an honest client that speaks o.Version at most, and nothing that this version's
// time did not know.
func clientHello(o Offer, name string) wire.ClientHello {
	h := wire.ClientHello{Version: min(o.Version, wire.TLS12), Compression: []byte{0}}
	rand.Read(h.Random[:])
	h.Suites = []wire.Suite{wire.ECDHERSAAES128SHA, wire.ECDHEECDSAAES128SHA, wire.RSAAES256SHA, wire.RSAAES128SHA, wire.EmptyRenegotiation}
	if o.Fallback {
		h.Suites = append(h.Suites, wire.FallbackSCSV)
	}
	if o.Version == wire.SSL30 {
		return h
	}
	h.Extensions = []wire.Extension{wire.Name(name), wire.Groups(x25519, secp256r1), wire.UncompressedPoints()}
	if o.Version >= wire.TLS12 {
		h.Suites = append([]wire.Suite{wire.ECDHERSAAES128GCM, wire.ECDHEECDSAAES128GCM}, h.Suites...)
		h.Extensions = append(h.Extensions, wire.Schemes(rsaPSSSHA256, rsaSHA256, ecdsaSHA256, rsaSHA1, ecdsaSHA1))
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
		return wire.SSL2Hello{Version: o.Version, Specs: wire.Specs(wire.RSAAES128SHA, wire.ECDHERSAAES128SHA, wire.ECDHEECDSAAES128SHA, wire.ECDHERSAAES128GCM, wire.ECDHEECDSAAES128GCM, wire.EmptyRenegotiation)}.Bytes(), nil
	}
	message, err := clientHello(o, name).Bytes()
	return wire.Record{Type: wire.Handshake, Version: min(o.Version, wire.TLS10), Payload: message}.Bytes(), err
}

// publicShare is a fresh X25519 public key (RFC 7748 section 6.1); its secret is thrown away, as no handshake is completed.
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
