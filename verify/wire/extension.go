package wire

import (
	"crypto/sha256"
	"encoding/binary"
)

// Offer returns a client's supported_versions with the given versions (RFC 8446 section 4.2.1).
func Offer(versions ...Version) Extension {
	return Extension{SupportedVersions, append([]byte{byte(2 * len(versions))}, list16(versions)[2:]...)}
}

// Choose returns a server's supported_versions with the one version (RFC 8446 section 4.2.1).
func Choose(v Version) Extension {
	return Extension{SupportedVersions, binary.BigEndian.AppendUint16(nil, uint16(v))}
}

// SecureRenegotiation returns the empty renegotiation_info of a first handshake (RFC 5746 section 3.2).
func SecureRenegotiation() Extension { return Extension{RenegotiationInfo, []byte{0}} }

// Name returns server_name with one DNS name of at most 65,000 bytes (RFC 6066 section 3).
func Name(host string) Extension {
	n := uint16(len(host))
	data := binary.BigEndian.AppendUint16(nil, n+3)
	data = append(data, 0)
	data = binary.BigEndian.AppendUint16(data, n)
	return Extension{ServerName, append(data, host...)}
}

// Groups returns supported_groups (RFC 8446 section 4.2.7).
func Groups(ids ...Group) Extension { return Extension{SupportedGroups, list16(ids)} }

// Schemes returns signature_algorithms (RFC 8446 section 4.2.3).
func Schemes(ids ...Scheme) Extension { return Extension{SignatureAlgorithms, list16(ids)} }

// Protocols returns application_layer_protocol_negotiation with names of at most 255 bytes each (RFC 7301
// section 3.1).
func Protocols(names ...string) Extension {
	var list []byte
	for _, n := range names {
		list = append(append(list, byte(len(n))), n...)
	}
	return Extension{ALPN, append(binary.BigEndian.AppendUint16(nil, uint16(len(list))), list...)}
}

// UncompressedPoints returns ec_point_formats with the one format in use (RFC 8422 section 5.1.2).
func UncompressedPoints() Extension { return Extension{PointFormats, []byte{1, 0}} }

// Share is one key of a client's key_share (RFC 8446 section 4.2.8).
type Share struct {
	Group  Group
	Public []byte
}

// ClientShare returns a client's key_share with one key (RFC 8446 section 4.2.8).
func ClientShare(group Group, public []byte) Extension { return ClientShares(Share{group, public}) }

// ClientShares returns a client's key_share (RFC 8446 section 4.2.8).
func ClientShares(shares ...Share) Extension {
	var list []byte
	for _, s := range shares {
		list = binary.BigEndian.AppendUint16(list, uint16(s.Group))
		list = binary.BigEndian.AppendUint16(list, uint16(len(s.Public)))
		list = append(list, s.Public...)
	}
	return Extension{KeyShare, append(binary.BigEndian.AppendUint16(nil, uint16(len(list))), list...)}
}

func list16[T ~uint16](ids []T) []byte {
	data := binary.BigEndian.AppendUint16(nil, uint16(2*len(ids)))
	for _, id := range ids {
		data = binary.BigEndian.AppendUint16(data, uint16(id))
	}
	return data
}

// The downgrade sentinels at the end of a server's random: negotiated TLS 1.2, and 1.1 or older (RFC 8446
// section 4.1.3).
var (
	DowngradeTLS12 = [8]byte{'D', 'O', 'W', 'N', 'G', 'R', 'D', 1}
	DowngradeTLS11 = [8]byte{'D', 'O', 'W', 'N', 'G', 'R', 'D', 0}
)

// RetryRandom is the random of a ServerHello that is a HelloRetryRequest: SHA-256 of that word (RFC 8446
// section 4.1.3).
var RetryRandom = sha256.Sum256([]byte("HelloRetryRequest"))
