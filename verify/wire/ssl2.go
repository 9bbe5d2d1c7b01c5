package wire

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
)

// SSL20 is the version that a client says that speaks nothing newer (draft-hickman-netscape-ssl-00, section
// 1.2; RFC 6176 forbids it).
const SSL20 Version = 0x0002

// SSL2Hello is a ClientHello in the format of SSLv2, in which clients once asked for SSLv3 and TLS too (RFC
// 5246 appendix E.2).
type SSL2Hello struct {
	Version   Version
	Specs     []Spec
	Session   []byte
	Challenge []byte // 16 to 32 bytes; fresh ones of 16 where it is nil
}

// Spec is a cipher spec of 3 bytes (RFC 5246 appendix E.2): a Suite, or one of SSLv2's own, whose first byte
// is not 0.
type Spec uint32

// Specs are suites as SSLv2 writes them.
func Specs(suites ...Suite) (specs []Spec) {
	for _, s := range suites {
		specs = append(specs, Spec(s))
	}
	return specs
}

// Suites returns the suites of SSLv3 and later among the specs.
func (h *SSL2Hello) Suites() (suites []Suite) {
	for _, s := range h.Specs {
		if s>>16 == 0 {
			suites = append(suites, Suite(s))
		}
	}
	return suites
}

const (
	ssl2ClientHello = 1
	ssl2SpecSize    = 3
	ssl2Header      = 9 // type, version and the three lengths
	ssl2MaxSize     = 0x7fff
)

// ErrSSL2 says that bytes are no ClientHello in the format of SSLv2.
var ErrSSL2 = errors.New("not a ClientHello in the format of SSLv2")

// Bytes writes h as one record, its two bytes of length included. Fields that are longer than the record's
// length can say are cut.
func (h SSL2Hello) Bytes() []byte {
	challenge := h.Challenge
	if challenge == nil {
		challenge = make([]byte, 16)
		rand.Read(challenge)
	}
	challenge = challenge[:min(len(challenge), 32)]
	room := ssl2MaxSize - ssl2Header - len(challenge)
	session := h.Session[:min(len(h.Session), room)]
	specs := h.Specs[:min(len(h.Specs), (room-len(session))/ssl2SpecSize)]
	body := []byte{ssl2ClientHello}
	body = binary.BigEndian.AppendUint16(body, uint16(h.Version))
	body = binary.BigEndian.AppendUint16(body, uint16(ssl2SpecSize*len(specs)))
	body = binary.BigEndian.AppendUint16(body, uint16(len(session)))
	body = binary.BigEndian.AppendUint16(body, uint16(len(challenge)))
	for _, s := range specs {
		body = append(body, byte(s>>16), byte(s>>8), byte(s))
	}
	body = append(append(body, session...), challenge...)
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(body))|0x8000), body...)
}

// ParseSSL2Hello reads such a record from the begin of data; what follows it is left alone. The error is
// ErrSSL2.
func ParseSSL2Hello(data []byte) (*SSL2Hello, error) {
	if len(data) < 2+ssl2Header || data[0]&0x80 == 0 || data[2] != ssl2ClientHello {
		return nil, ErrSSL2
	}
	size := int(binary.BigEndian.Uint16(data) & ssl2MaxSize)
	specs, session, challenge := int(binary.BigEndian.Uint16(data[5:])), int(binary.BigEndian.Uint16(data[7:])), int(binary.BigEndian.Uint16(data[9:]))
	if specs%ssl2SpecSize != 0 || challenge < 16 || challenge > 32 || size != ssl2Header+specs+session+challenge || len(data) < 2+size {
		return nil, ErrSSL2
	}
	h := &SSL2Hello{Version: Version(binary.BigEndian.Uint16(data[3:]))}
	rest := data[2+ssl2Header : 2+size]
	for spec := rest[:specs]; len(spec) > 0; spec = spec[ssl2SpecSize:] {
		h.Specs = append(h.Specs, Spec(spec[0])<<16|Spec(spec[1])<<8|Spec(spec[2]))
	}
	h.Session, h.Challenge = rest[specs:specs+session], rest[specs+session:]
	return h, nil
}
