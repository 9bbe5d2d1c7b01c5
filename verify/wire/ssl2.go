package wire

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
)

// SSL20 is the version that a client says that speaks nothing newer (draft-hickman-netscape-ssl-00, section 1.2; RFC 6176 forbids it).
const SSL20 Version = 0x0002

// SSL2Hello is a ClientHello in the format of SSLv2, in which clients once asked for SSLv3 and TLS too (RFC 5246 appendix E.2).
type SSL2Hello struct {
	Version   Version
	Suites    []Suite // of SSLv3 and later: the specs of SSLv2 itself begin with another byte than 0 and are left out
	Challenge []byte  // 16 to 32 bytes; fresh ones of 16 where it is nil
}

const (
	ssl2ClientHello = 1
	ssl2SpecSize    = 3
)

// ErrSSL2 says that bytes are no ClientHello in the format of SSLv2.
var ErrSSL2 = errors.New("not a ClientHello in the format of SSLv2")

// Bytes writes h as one record, its two bytes of length included. Fields that are longer than a length can say are cut.
func (h SSL2Hello) Bytes() []byte {
	challenge := h.Challenge
	if challenge == nil {
		challenge = make([]byte, 16)
		rand.Read(challenge)
	}
	challenge, suites := challenge[:min(len(challenge), 32)], h.Suites[:min(len(h.Suites), 1000)]
	body := []byte{ssl2ClientHello}
	body = binary.BigEndian.AppendUint16(body, uint16(h.Version))
	body = binary.BigEndian.AppendUint16(body, uint16(ssl2SpecSize*len(suites)))
	body = binary.BigEndian.AppendUint16(body, 0) // no session
	body = binary.BigEndian.AppendUint16(body, uint16(len(challenge)))
	for _, s := range suites {
		body = append(body, 0, byte(s>>8), byte(s))
	}
	body = append(body, challenge...)
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(body))|0x8000), body...)
}

// ParseSSL2Hello reads such a record from the begin of data; specs of SSLv2 itself, and a session's id, are skipped. The error is ErrSSL2.
func ParseSSL2Hello(data []byte) (*SSL2Hello, error) {
	if len(data) < 11 || data[0]&0x80 == 0 || data[2] != ssl2ClientHello {
		return nil, ErrSSL2
	}
	size := int(binary.BigEndian.Uint16(data) & 0x7fff)
	h := &SSL2Hello{Version: Version(binary.BigEndian.Uint16(data[3:]))}
	specs, session, challenge := int(binary.BigEndian.Uint16(data[5:])), int(binary.BigEndian.Uint16(data[7:])), int(binary.BigEndian.Uint16(data[9:]))
	if specs%ssl2SpecSize != 0 || challenge < 16 || challenge > 32 || size != 9+specs+session+challenge || len(data) < 2+size {
		return nil, ErrSSL2
	}
	for spec := data[11 : 11+specs]; len(spec) > 0; spec = spec[ssl2SpecSize:] {
		if spec[0] == 0 {
			h.Suites = append(h.Suites, Suite(binary.BigEndian.Uint16(spec[1:])))
		}
	}
	h.Challenge = data[11+specs+session : 2+size]
	return h, nil
}
