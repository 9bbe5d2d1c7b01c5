package wire

import "encoding/binary"

// Offer returns a client's supported_versions with the given versions (RFC 8446 section 4.2.1).
func Offer(versions ...Version) Extension {
	data := []byte{byte(2 * len(versions))}
	for _, v := range versions {
		data = binary.BigEndian.AppendUint16(data, uint16(v))
	}
	return Extension{SupportedVersions, data}
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
func Groups(ids ...uint16) Extension { return Extension{SupportedGroups, list16(ids)} }

// Schemes returns signature_algorithms (RFC 8446 section 4.2.3).
func Schemes(ids ...uint16) Extension { return Extension{SignatureAlgorithms, list16(ids)} }

// UncompressedPoints returns ec_point_formats with the one format in use (RFC 8422 section 5.1.2).
func UncompressedPoints() Extension { return Extension{PointFormats, []byte{1, 0}} }

// ClientShare returns a client's key_share with one key (RFC 8446 section 4.2.8).
func ClientShare(group uint16, public []byte) Extension {
	n := uint16(len(public))
	data := binary.BigEndian.AppendUint16(nil, n+4)
	data = binary.BigEndian.AppendUint16(data, group)
	data = binary.BigEndian.AppendUint16(data, n)
	return Extension{KeyShare, append(data, public...)}
}

func list16(ids []uint16) []byte {
	data := binary.BigEndian.AppendUint16(nil, uint16(2*len(ids)))
	for _, id := range ids {
		data = binary.BigEndian.AppendUint16(data, id)
	}
	return data
}

// The downgrade sentinels at the end of a server's random: negotiated TLS 1.2, and 1.1 or older (RFC 8446 section 4.1.3).
var (
	DowngradeTLS12 = [8]byte{'D', 'O', 'W', 'N', 'G', 'R', 'D', 1}
	DowngradeTLS11 = [8]byte{'D', 'O', 'W', 'N', 'G', 'R', 'D', 0}
)
