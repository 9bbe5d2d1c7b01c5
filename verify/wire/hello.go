package wire

import (
	"errors"
	"slices"

	"golang.org/x/crypto/cryptobyte"
)

// Suite is a cipher suite's number (RFC 8446 appendix B.4, RFC 5246 appendix A.5).
type Suite uint16

// The suites that the judge offers or picks, and the two signalling values.
const (
	RSAAES128SHA        Suite = 0x002f // the one that every version from SSLv3 to TLS 1.2 knows
	RSAAES256SHA        Suite = 0x0035
	RSANULLSHA256       Suite = 0x003b
	RSAExportRC4        Suite = 0x0003 // RSA_EXPORT_WITH_RC4_40_MD5 (RFC 4346 appendix A.5)
	AnonAES128SHA256    Suite = 0x006c // DH_anon
	ECDHEECDSAAES128SHA Suite = 0xc009
	ECDHERSAAES128SHA   Suite = 0xc013
	ECDHEECDSAAES128GCM Suite = 0xc02b
	ECDHERSAAES128GCM   Suite = 0xc02f
	AES128GCM           Suite = 0x1301 // TLS 1.3
	EmptyRenegotiation  Suite = 0x00ff // TLS_EMPTY_RENEGOTIATION_INFO_SCSV, RFC 5746 section 3.3
	FallbackSCSV        Suite = 0x5600 // TLS_FALLBACK_SCSV, RFC 7507 section 2
	nullCompression           = 0
	randomSize                = 32
	maxExtensions             = 256 // more than any known client sends
)

// ExtensionType is an extension's number (RFC 8446 section 4.2).
type ExtensionType uint16

// The extensions that this package can write or tells of.
const (
	ServerName          ExtensionType = 0
	StatusRequest       ExtensionType = 5 // RFC 6066 section 8
	SupportedGroups     ExtensionType = 10
	PointFormats        ExtensionType = 11
	SignatureAlgorithms ExtensionType = 13
	ALPN                ExtensionType = 16 // RFC 7301
	SessionTicket       ExtensionType = 35 // RFC 5077 section 3.2
	PreSharedKey        ExtensionType = 41
	SupportedVersions   ExtensionType = 43
	PSKModes            ExtensionType = 45
	KeyShare            ExtensionType = 51
	RenegotiationInfo   ExtensionType = 0xff01
)

// Extension is one extension, its data not yet read.
type Extension struct {
	Type ExtensionType
	Data []byte
}

// ClientHello is the first message of a client (RFC 8446 section 4.1.2, RFC 6101 section 5.6.1.2). Extensions
// is nil where the block was left out, as SSLv3 clients do, and empty where it was written empty.
type ClientHello struct {
	Version     Version // legacy_version: TLS 1.3 says 0303 here
	Random      [randomSize]byte
	SessionID   []byte
	Suites      []Suite
	Compression []byte
	Extensions  []Extension
}

// ServerHello is the first message of a server (RFC 8446 section 4.1.3). For Extensions see ClientHello.
type ServerHello struct {
	Version     Version
	Random      [randomSize]byte
	SessionID   []byte
	Suite       Suite
	Compression byte
	Extensions  []Extension
}

// ErrHello says that bytes are not the hello message that was asked for.
var ErrHello = errors.New("malformed hello")

// Bytes writes h as a handshake message, header included. It fails only if a field is longer than its
// length prefix can say.
func (h ClientHello) Bytes() ([]byte, error) {
	return message(ClientHelloType, func(b *cryptobyte.Builder) {
		b.AddUint16(uint16(h.Version))
		b.AddBytes(h.Random[:])
		addBytes8(b, h.SessionID)
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
			for _, s := range h.Suites {
				b.AddUint16(uint16(s))
			}
		})
		addBytes8(b, h.Compression)
		addExtensions(b, h.Extensions)
	})
}

// Bytes writes h as a handshake message, header included.
func (h ServerHello) Bytes() ([]byte, error) {
	return message(ServerHelloType, func(b *cryptobyte.Builder) {
		b.AddUint16(uint16(h.Version))
		b.AddBytes(h.Random[:])
		addBytes8(b, h.SessionID)
		b.AddUint16(uint16(h.Suite))
		b.AddUint8(h.Compression)
		addExtensions(b, h.Extensions)
	})
}

func message(kind HandshakeType, body func(*cryptobyte.Builder)) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddUint8(uint8(kind))
	b.AddUint24LengthPrefixed(body)
	return b.Bytes()
}

func addBytes8(b *cryptobyte.Builder, data []byte) {
	b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(data) })
}

func addExtensions(b *cryptobyte.Builder, list []Extension) {
	if list == nil {
		return
	}
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		for _, e := range list {
			b.AddUint16(uint16(e.Type))
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(e.Data) })
		}
	})
}

// ParseClientHello reads a whole handshake message, header included; the error is ErrHello.
func ParseClientHello(data []byte) (*ClientHello, error) {
	var h ClientHello
	body, ok := hello(data, ClientHelloType, &h.Version, &h.Random, &h.SessionID)
	var suites cryptobyte.String
	if !ok || !body.ReadUint16LengthPrefixed(&suites) || !readBytes8(&body, &h.Compression) {
		return nil, ErrHello
	}
	for !suites.Empty() {
		var s uint16
		if !suites.ReadUint16(&s) {
			return nil, ErrHello
		}
		h.Suites = append(h.Suites, Suite(s))
	}
	if h.Extensions, ok = readExtensions(body); !ok {
		return nil, ErrHello
	}
	return &h, nil
}

// ParseServerHello reads a whole handshake message, header included; the error is ErrHello.
func ParseServerHello(data []byte) (*ServerHello, error) {
	var h ServerHello
	body, ok := hello(data, ServerHelloType, &h.Version, &h.Random, &h.SessionID)
	var suite uint16
	if !ok || !body.ReadUint16(&suite) || !body.ReadUint8(&h.Compression) {
		return nil, ErrHello
	}
	h.Suite = Suite(suite)
	if h.Extensions, ok = readExtensions(body); !ok {
		return nil, ErrHello
	}
	return &h, nil
}

// hello reads what both messages begin with and returns what follows.
func hello(data []byte, want HandshakeType, v *Version, random *[randomSize]byte, session *[]byte) (cryptobyte.String, bool) {
	s := cryptobyte.String(data)
	var kind uint8
	var body cryptobyte.String
	var version uint16
	ok := s.ReadUint8(&kind) && HandshakeType(kind) == want && s.ReadUint24LengthPrefixed(&body) && s.Empty() &&
		body.ReadUint16(&version) && body.CopyBytes(random[:]) && readBytes8(&body, session)
	*v = Version(version)
	return body, ok
}

func readBytes8(s *cryptobyte.String, out *[]byte) bool {
	var field cryptobyte.String
	if !s.ReadUint8LengthPrefixed(&field) {
		return false
	}
	*out = field
	return true
}

func readExtensions(s cryptobyte.String) ([]Extension, bool) {
	if s.Empty() {
		return nil, true
	}
	var block cryptobyte.String
	if !s.ReadUint16LengthPrefixed(&block) || !s.Empty() {
		return nil, false
	}
	list := []Extension{}
	for !block.Empty() {
		var kind uint16
		var data cryptobyte.String
		if !block.ReadUint16(&kind) || !block.ReadUint16LengthPrefixed(&data) || len(list) == maxExtensions {
			return nil, false
		}
		list = append(list, Extension{ExtensionType(kind), data})
	}
	return list, true
}

// Offered returns the versions that the client is ready to speak, as it said them: supported_versions
// without GREASE if the extension is there, else legacy_version alone (RFC 8446 section 4.2.1).
func (h *ClientHello) Offered() []Version {
	data, there := h.Extension(SupportedVersions)
	if !there {
		return []Version{h.Version}
	}
	all, _ := ParseOffer(data)
	return slices.DeleteFunc(all, Version.GREASE)
}

// Chosen returns the version that the server picked: supported_versions' if there, else legacy_version.
func (h *ServerHello) Chosen() Version {
	for _, e := range h.Extensions {
		s := cryptobyte.String(e.Data)
		var v uint16
		if e.Type == SupportedVersions && s.ReadUint16(&v) && s.Empty() {
			return Version(v)
		}
	}
	return h.Version
}

// Retries reports whether h is a HelloRetryRequest (RFC 8446 section 4.1.3).
func (h *ServerHello) Retries() bool { return h.Random == RetryRandom }
