// Package wire reads and writes just enough of SSLv3 to TLS 1.3 for a judge: records, alerts and the
// two hello messages, in plaintext only.
//
// It promises that
//   - every parser is total: any input gives a value or an error, never a panic, and nothing is kept
//     that is larger than the input;
//   - what a parser accepts, the matching builder writes back byte for byte;
//   - builders do not judge: any version, suite or extension can be written, the forbidden ones too,
//     since misbehaving on purpose is what they are for.
//
// It does not decrypt, does not verify, and reassembles no handshake message beyond 64 KiB.
package wire

import (
	"fmt"
	"strconv"
)

// Version is a protocol version as it stands on the wire (RFC 8446 section 4.2.1, RFC 6101 section 5.2.1).
type Version uint16

// The versions of the SSL and TLS family, and DTLS 1.0 (RFC 4347 section 4.1).
const (
	SSL30  Version = 0x0300
	TLS10  Version = 0x0301
	TLS11  Version = 0x0302
	TLS12  Version = 0x0303
	TLS13  Version = 0x0304
	DTLS10 Version = 0xfeff
)

var versionNames = map[Version]string{
	SSL20: "SSL 2.0", SSL30: "SSL 3.0", TLS10: "TLS 1.0", TLS11: "TLS 1.1", TLS12: "TLS 1.2", TLS13: "TLS 1.3", DTLS10: "DTLS 1.0",
}

// String names v ("TLS 1.2"), or gives its four hex digits.
func (v Version) String() string {
	if name, ok := versionNames[v]; ok {
		return name
	}
	return fmt.Sprintf("%04x", uint16(v))
}

// MarshalText writes v as four hex digits, as dumps of the wire do.
func (v Version) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%04x", uint16(v)), nil }

// UnmarshalText reads what MarshalText writes.
func (v *Version) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 16, 16)
	if err != nil {
		return fmt.Errorf("protocol version %q: %w", text, err)
	}
	*v = Version(n)
	return nil
}

// GREASE reports whether v is one of the reserved values that clients send to keep servers tolerant (RFC 8701
// section 2).
func (v Version) GREASE() bool { return v&0x0f0f == 0x0a0a && v>>8 == v&0xff }
