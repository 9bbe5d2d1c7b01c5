package wire

import "fmt"

// Level is an alert's first byte (RFC 8446 section 6).
type Level uint8

// The two levels.
const (
	Warning Level = 1
	Fatal   Level = 2
)

// Description is an alert's second byte (RFC 8446 section 6; the older ones: RFC 5246 section 7.2, RFC 6101
// section 5.4).
type Description uint8

// The alert descriptions that a judge of versions and trust meets.
const (
	CloseNotify           Description = 0
	UnexpectedMessage     Description = 10
	BadRecordMAC          Description = 20
	RecordOverflow        Description = 22
	HandshakeFailure      Description = 40
	NoCertificate         Description = 41
	BadCertificate        Description = 42
	UnsupportedCert       Description = 43
	CertificateRevoked    Description = 44
	CertificateExpired    Description = 45
	CertificateUnknown    Description = 46
	IllegalParameter      Description = 47
	UnknownCA             Description = 48
	AccessDenied          Description = 49
	DecodeError           Description = 50
	DecryptError          Description = 51
	ProtocolVersion       Description = 70
	InsufficientSecurity  Description = 71
	InternalError         Description = 80
	InappropriateFallback Description = 86
	UserCanceled          Description = 90
	NoRenegotiation       Description = 100
	MissingExtension      Description = 109
	UnsupportedExtension  Description = 110
	UnrecognizedName      Description = 112
	BadStatusResponse     Description = 113
	UnknownPSKIdentity    Description = 115
	CertificateRequired   Description = 116
	NoApplicationProtocol Description = 120
)

var descriptionNames = map[Description]string{
	CloseNotify: "close_notify", UnexpectedMessage: "unexpected_message", BadRecordMAC: "bad_record_mac",
	RecordOverflow: "record_overflow", HandshakeFailure: "handshake_failure", NoCertificate: "no_certificate",
	BadCertificate: "bad_certificate", UnsupportedCert: "unsupported_certificate",
	CertificateRevoked: "certificate_revoked", CertificateExpired: "certificate_expired",
	CertificateUnknown: "certificate_unknown", IllegalParameter: "illegal_parameter", UnknownCA: "unknown_ca",
	AccessDenied: "access_denied", DecodeError: "decode_error", DecryptError: "decrypt_error",
	ProtocolVersion: "protocol_version", InsufficientSecurity: "insufficient_security",
	InternalError: "internal_error", InappropriateFallback: "inappropriate_fallback",
	UserCanceled: "user_canceled", NoRenegotiation: "no_renegotiation", MissingExtension: "missing_extension",
	UnsupportedExtension: "unsupported_extension", UnrecognizedName: "unrecognized_name",
	BadStatusResponse: "bad_certificate_status_response", UnknownPSKIdentity: "unknown_psk_identity",
	CertificateRequired: "certificate_required", NoApplicationProtocol: "no_application_protocol",
}

// String gives the number and the RFC's name: "70 protocol_version".
func (d Description) String() string {
	if name, ok := descriptionNames[d]; ok {
		return fmt.Sprintf("%d %s", d, name)
	}
	return fmt.Sprintf("%d unknown", d)
}

// Alert is one alert message (RFC 8446 section 6).
type Alert struct {
	Level       Level       `json:"level"`
	Description Description `json:"description"`
}

// ParseAlert reads a plaintext alert record; ok is false for another record, and for an encrypted or
// cut alert, whose payload is not two bytes that make sense.
func ParseAlert(r Record) (a Alert, ok bool) {
	if r.Type != AlertRecord || len(r.Payload) != 2 {
		return Alert{}, false
	}
	a = Alert{Level(r.Payload[0]), Description(r.Payload[1])}
	return a, a.Level == Warning || a.Level == Fatal
}

// Record puts a into a record of version v.
func (a Alert) Record(v Version) Record {
	return Record{AlertRecord, v, []byte{byte(a.Level), byte(a.Description)}}
}
