package wire

import (
	"encoding/binary"
	"slices"
)

// grease is the n-th of the sixteen reserved values (RFC 8701 section 2).
func grease(n int) uint16 { return 0x0a0a + 0x1010*uint16(n&15) }

// Greased returns h with reserved values wherever RFC 8701 section 3.1 lets a client put them: in the suites,
// versions, groups, schemes, protocols and key shares that h has, and as two extensions, the first empty and
// the last of one byte. n chooses among the values. A server has to act as if none of them were there.
func (h ClientHello) Greased(n int) ClientHello {
	h.Suites = slices.Insert(slices.Clone(h.Suites), 0, Suite(grease(n)))
	list := []Extension{{ExtensionType(grease(n)), nil}}
	for _, e := range h.Extensions {
		list = append(list, e.greased(n))
	}
	last := Extension{ExtensionType(grease(n + 1)), []byte{0}}
	if at := len(list) - 1; list[at].Type == PreSharedKey { // which has to stay the last one (RFC 8446 section 4.2.11)
		list = slices.Insert(list, at, last)
	} else {
		list = append(list, last)
	}
	h.Extensions = list
	return h
}

// greased puts a reserved value first in the list that e holds. A list that cannot be read is left as it is.
func (e Extension) greased(n int) Extension {
	switch e.Type {
	case SupportedVersions:
		return prepended(e, ParseOffer, Offer, Version(grease(n)))
	case SupportedGroups:
		return prepended(e, ParseGroups, Groups, Group(grease(n)))
	case SignatureAlgorithms:
		return prepended(e, ParseSchemes, Schemes, Scheme(grease(n)))
	case ALPN:
		return prepended(e, ParseProtocols, Protocols, string(binary.BigEndian.AppendUint16(nil, grease(n))))
	case KeyShare:
		return prepended(e, ParseShares, ClientShares, Share{Group(grease(n)), []byte{0}})
	}
	return e
}

func prepended[T any](e Extension, parse func([]byte) ([]T, error), build func(...T) Extension, value T) Extension {
	list, err := parse(e.Data)
	if err != nil {
		return e
	}
	return build(append([]T{value}, list...)...)
}

// Flight writes a handshake message as records of at most size bytes of payload each, at least one. The
// versions are the records' in turn, and need agree neither with each other nor with the message (RFC 8446
// section 5.1: legacy_record_version must be ignored).
func Flight(message []byte, size int, versions ...Version) (out []byte) {
	i := 0
	for part := range slices.Chunk(message, max(size, 1)) {
		out = append(out, Record{Handshake, versions[i%len(versions)], part}.Bytes()...)
		i++
	}
	return out
}

// Lying writes r with a length field that says size, whatever the payload has.
func (r Record) Lying(size uint16) []byte {
	out := r.Bytes()
	binary.BigEndian.PutUint16(out[3:], size)
	return out
}

// Field is a length field of a ClientHello (RFC 8446 section 4.1.2).
type Field int

// The length fields, in the order of the message.
const (
	MessageLength     Field = iota // of the handshake message, 3 bytes
	SessionLength                  // of legacy_session_id, 1 byte
	SuitesLength                   // of cipher_suites, 2 bytes
	CompressionLength              // of legacy_compression_methods, 1 byte
	ExtensionsLength               // of the block of extensions, 2 bytes
	ExtensionLength                // of the first extension, 2 bytes
)

// Broken returns h as a handshake message whose one length field is off by delta, and where in it the field
// is. ok is false if h cannot be written or has no such field.
func (h ClientHello) Broken(f Field, delta int) (message []byte, at int, ok bool) {
	message, err := h.Bytes()
	if err != nil || f >= ExtensionsLength && h.Extensions == nil || f == ExtensionLength && len(h.Extensions) == 0 {
		return nil, 0, false
	}
	session := 4 + 2 + randomSize
	suites := session + 1 + len(h.SessionID)
	compressions := suites + 2 + 2*len(h.Suites)
	extensions := compressions + 1 + len(h.Compression)
	switch f {
	case MessageLength:
		at = 2 // the low two of its three bytes
	case SessionLength:
		at = session
	case SuitesLength:
		at = suites
	case CompressionLength:
		at = compressions
	case ExtensionsLength:
		at = extensions
	case ExtensionLength:
		at = extensions + 4
	default:
		return nil, 0, false
	}
	if f == SessionLength || f == CompressionLength {
		message[at] += byte(delta)
	} else {
		binary.BigEndian.PutUint16(message[at:], uint16(int(binary.BigEndian.Uint16(message[at:]))+delta))
	}
	return message, at, true
}
