package wire

import (
	"bytes"
	"errors"

	"golang.org/x/crypto/cryptobyte"
)

// ErrExtension says that an extension's data is not what its type prescribes.
var ErrExtension = errors.New("malformed extension")

// ParseOffer reads a client's supported_versions (RFC 8446 section 4.2.1), GREASE included.
func ParseOffer(data []byte) ([]Version, error) {
	s := cryptobyte.String(data)
	var list cryptobyte.String
	if !s.ReadUint8LengthPrefixed(&list) || !s.Empty() {
		return nil, ErrExtension
	}
	return numbers[Version](list)
}

// ParseGroups reads supported_groups (RFC 8446 section 4.2.7), GREASE included.
func ParseGroups(data []byte) ([]Group, error) { return parse16[Group](data) }

// ParseSchemes reads signature_algorithms (RFC 8446 section 4.2.3).
func ParseSchemes(data []byte) ([]Scheme, error) { return parse16[Scheme](data) }

func parse16[T ~uint16](data []byte) ([]T, error) {
	s := cryptobyte.String(data)
	var list cryptobyte.String
	if !s.ReadUint16LengthPrefixed(&list) || !s.Empty() {
		return nil, ErrExtension
	}
	return numbers[T](list)
}

// numbers reads to the end, or as far as it can.
func numbers[T ~uint16](list cryptobyte.String) ([]T, error) {
	var all []T
	for !list.Empty() {
		var n uint16
		if !list.ReadUint16(&n) {
			return all, ErrExtension
		}
		all = append(all, T(n))
	}
	return all, nil
}

// ParseProtocols reads a client's application_layer_protocol_negotiation (RFC 7301 section 3.1). The names
// are as the client wrote them: any bytes.
func ParseProtocols(data []byte) ([]string, error) {
	s := cryptobyte.String(data)
	var list cryptobyte.String
	if !s.ReadUint16LengthPrefixed(&list) || !s.Empty() {
		return nil, ErrExtension
	}
	var names []string
	for !list.Empty() {
		var name cryptobyte.String
		if !list.ReadUint8LengthPrefixed(&name) {
			return nil, ErrExtension
		}
		names = append(names, string(name))
	}
	return names, nil
}

// ParseName reads server_name with its one DNS name (RFC 6066 section 3), as the client wrote it: any bytes.
func ParseName(data []byte) (string, error) {
	s := cryptobyte.String(data)
	var list, name cryptobyte.String
	var kind uint8
	if !s.ReadUint16LengthPrefixed(&list) || !s.Empty() || !list.ReadUint8(&kind) || kind != 0 ||
		!list.ReadUint16LengthPrefixed(&name) || !list.Empty() {
		return "", ErrExtension
	}
	return string(name), nil
}

// ParseShares reads a client's key_share (RFC 8446 section 4.2.8).
func ParseShares(data []byte) ([]Share, error) {
	s := cryptobyte.String(data)
	var list cryptobyte.String
	if !s.ReadUint16LengthPrefixed(&list) || !s.Empty() {
		return nil, ErrExtension
	}
	var shares []Share
	for !list.Empty() {
		var group uint16
		var public cryptobyte.String
		if !list.ReadUint16(&group) || !list.ReadUint16LengthPrefixed(&public) {
			return nil, ErrExtension
		}
		shares = append(shares, Share{Group(group), public})
	}
	return shares, nil
}

// Extension returns the data of the first extension of a type.
func (h *ClientHello) Extension(t ExtensionType) (data []byte, there bool) {
	for _, e := range h.Extensions {
		if e.Type == t {
			return e.Data, true
		}
	}
	return nil, false
}

// Groups returns the groups that the client offers, as far as they can be read.
func (h *ClientHello) Groups() []Group { return read(h, SupportedGroups, ParseGroups) }

// Schemes returns the signature schemes that the client takes, as far as they can be read.
func (h *ClientHello) Schemes() []Scheme { return read(h, SignatureAlgorithms, ParseSchemes) }

// Protocols returns the names of ALPN; nil where the client gives none or they cannot be read.
func (h *ClientHello) Protocols() []string { return read(h, ALPN, ParseProtocols) }

// Host returns the name of server_name; "" where the client gives none or it cannot be read.
func (h *ClientHello) Host() string { return read(h, ServerName, ParseName) }

// Shares returns the keys of key_share; nil where the client sends none or they cannot be read.
func (h *ClientHello) Shares() []Share { return read(h, KeyShare, ParseShares) }

func read[T any](h *ClientHello, t ExtensionType, parse func([]byte) (T, error)) (value T) {
	if data, there := h.Extension(t); there {
		value, _ = parse(data)
	}
	return value
}

// Has reports whether the client sends an extension, whatever is in it.
func (h *ClientHello) Has(t ExtensionType) bool { _, there := h.Extension(t); return there }

// Resumes reports whether the client goes on with a session: by a key of an earlier one (RFC 8446 section
// 4.2.11) or a ticket that is not empty (RFC 5077 section 3.2).
func (h *ClientHello) Resumes() bool {
	ticket, _ := h.Extension(SessionTicket)
	return h.Has(PreSharedKey) || len(ticket) > 0
}

// Tickets reports whether the client can go on with a session by a ticket: it says so in session_ticket (RFC
// 5077 section 3.2), or offers TLS 1.3 with a mode for such keys (RFC 8446 section 4.2.9).
func (h *ClientHello) Tickets() bool { return h.Has(SessionTicket) || h.Has(PSKModes) }

// Compresses reports whether the client offers compression (RFC 3749), which CRIME made use of.
func (h *ClientHello) Compresses() bool {
	return len(bytes.Trim(h.Compression, "\x00")) > 0
}
