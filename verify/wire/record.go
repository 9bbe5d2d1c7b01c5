package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/cryptobyte"
)

// ContentType is the first byte of a record (RFC 8446 section 5.1).
type ContentType uint8

// The content types.
const (
	ChangeCipherSpec ContentType = 20
	AlertRecord      ContentType = 21
	Handshake        ContentType = 22
	ApplicationData  ContentType = 23
)

// MaxPayload is the largest payload in bytes that a reader accepts: 2^14 and 2048 more for a cipher's
// expansion (RFC 5246 section 6.2.3).
const MaxPayload = 1<<14 + 2048

const headerSize = 5

// ErrNotTLS says that bytes are no record of this family.
var ErrNotTLS = errors.New("not a TLS record")

// Record is one record, its payload as it stood on the wire (RFC 8446 section 5.1).
type Record struct {
	Type    ContentType
	Version Version
	Payload []byte
}

// Bytes writes r. A payload beyond 65,535 bytes, which no length field can say, is cut there.
func (r Record) Bytes() []byte {
	payload := r.Payload[:min(len(r.Payload), 0xffff)]
	out := []byte{byte(r.Type)}
	out = binary.BigEndian.AppendUint16(out, uint16(r.Version))
	out = binary.BigEndian.AppendUint16(out, uint16(len(payload)))
	return append(out, payload...)
}

// checkHeader refuses what no peer of this family sends, before its length is believed.
func checkHeader(h []byte) (Record, int, error) {
	r := Record{Type: ContentType(h[0]), Version: Version(binary.BigEndian.Uint16(h[1:]))}
	size := int(binary.BigEndian.Uint16(h[3:]))
	if r.Type < ChangeCipherSpec || r.Type > ApplicationData || r.Version>>8 != 3 {
		return r, 0, fmt.Errorf("header % x: %w", h[:headerSize], ErrNotTLS)
	}
	if size > MaxPayload {
		return r, 0, fmt.Errorf("record of %d bytes: more than %d", size, MaxPayload)
	}
	return r, size, nil
}

// ReadRecord reads one record, at most MaxPayload bytes of payload. It returns io.EOF at a clean end,
// io.ErrUnexpectedEOF within a record, and an error that wraps ErrNotTLS for anything else.
func ReadRecord(r io.Reader) (Record, error) {
	var header [headerSize]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return Record{}, err
	}
	rec, size, err := checkHeader(header[:])
	if err != nil {
		return Record{}, err
	}
	rec.Payload = make([]byte, size)
	if _, err := io.ReadFull(r, rec.Payload); err != nil {
		return Record{}, fmt.Errorf("record of %d bytes: %w", size, io.ErrUnexpectedEOF)
	}
	return rec, nil
}

// ParseRecords splits one direction of a connection into records. The error, if any, says why the rest
// could not be read; the records before it are valid. A cut last record is io.ErrUnexpectedEOF.
func ParseRecords(data []byte) ([]Record, error) {
	var records []Record
	for len(data) > 0 {
		if len(data) < headerSize {
			return records, io.ErrUnexpectedEOF
		}
		rec, size, err := checkHeader(data)
		if err != nil {
			return records, err
		}
		if len(data) < headerSize+size {
			return records, io.ErrUnexpectedEOF
		}
		rec.Payload = data[headerSize : headerSize+size]
		records, data = append(records, rec), data[headerSize+size:]
	}
	return records, nil
}

// HandshakeType is the first byte of a handshake message (RFC 8446 section 4).
type HandshakeType uint8

// The two messages that this package knows.
const (
	ClientHelloType HandshakeType = 1
	ServerHelloType HandshakeType = 2
)

// FirstHandshake returns the first handshake message in records with its header, put together from as
// many records as it takes; ok is false when there is none or it is cut.
func FirstHandshake(records []Record) (kind HandshakeType, message []byte, ok bool) {
	var data []byte
	for _, r := range records {
		if r.Type != Handshake {
			continue
		}
		data = append(data, r.Payload...)
		s := cryptobyte.String(data)
		var body cryptobyte.String
		var t uint8
		if s.ReadUint8(&t) && s.ReadUint24LengthPrefixed(&body) {
			return HandshakeType(t), data[:4+len(body)], true
		}
		if len(data) > 1<<16 {
			break
		}
	}
	return 0, nil, false
}
