package verify

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/tlsfloor/tlsfloor/verify/wire"
)

// Side is one end of a connection.
type Side string

// The two ends.
const (
	FromSubject Side = "subject"
	FromJudge   Side = "judge"
)

// maxTranscript bounds in bytes what is kept of one connection, both directions together.
const maxTranscript = 64 << 10

// Segment is a run of bytes that one end sent before the other one answered.
type Segment struct {
	From Side   `json:"from"`
	Data []byte `json:"data"`
}

// Transcript is a connection as it stood on the wire.
type Transcript []Segment

// add appends data, up to the bound.
func (t Transcript) add(from Side, data []byte) Transcript {
	data = data[:min(len(data), maxTranscript-t.size())]
	if len(data) == 0 {
		return t
	}
	if n := len(t); n > 0 && t[n-1].From == from {
		t[n-1].Data = append(t[n-1].Data, data...)
		return t
	}
	return append(t, Segment{from, bytes.Clone(data)})
}

func (t Transcript) size() (n int) {
	for _, s := range t {
		n += len(s.Data)
	}
	return n
}

// sent returns all that one end sent.
func (t Transcript) sent(from Side) (data []byte) {
	for _, s := range t {
		if s.From == from {
			data = append(data, s.Data...)
		}
	}
	return data
}

// records returns one end's records, as many as are whole.
func (t Transcript) records(from Side) []wire.Record {
	records, _ := wire.ParseRecords(t.sent(from))
	return records
}

// SentAlert is an alert with its sender and the version of its record.
type SentAlert struct {
	wire.Alert
	From   Side         `json:"from"`
	Record wire.Version `json:"record"`
}

// String gives "subject alert 70 protocol_version in 0303".
func (a SentAlert) String() string {
	return fmt.Sprintf("%s alert %s in %04x", a.From, a.Description, uint16(a.Record))
}

// fatal returns the first fatal plaintext alert: the subject's if it sent one, else the judge's.
func (t Transcript) fatal() *SentAlert {
	for _, side := range []Side{FromSubject, FromJudge} {
		for _, r := range t.records(side) {
			if a, ok := wire.ParseAlert(r); ok && a.Level == wire.Fatal {
				return &SentAlert{a, side, r.Version}
			}
		}
	}
	return nil
}

// clientHello returns the hello that side sent, or nil.
func (t Transcript) clientHello(side Side) *wire.ClientHello {
	if kind, message, ok := wire.FirstHandshake(t.records(side)); ok && kind == wire.ClientHelloType {
		if h, err := wire.ParseClientHello(message); err == nil {
			return h
		}
	}
	return nil
}

// helloSize is how many bytes the records have that hold the ClientHello of side; 0 where there is none.
func (t Transcript) helloSize(side Side) (n int) {
	records := t.records(side)
	kind, message, whole := wire.FirstHandshake(records)
	if !whole || kind != wire.ClientHelloType {
		return 0
	}
	left := len(message)
	for _, r := range records {
		n += len(r.Bytes())
		if r.Type == wire.Handshake {
			left -= len(r.Payload)
		}
		if left <= 0 {
			break
		}
	}
	return n
}

// serverHello returns the hello that side sent, or nil.
func (t Transcript) serverHello(side Side) *wire.ServerHello {
	if kind, message, ok := wire.FirstHandshake(t.records(side)); ok && kind == wire.ServerHelloType {
		if h, err := wire.ParseServerHello(message); err == nil {
			return h
		}
	}
	return nil
}

// String renders t as an annotated hexdump: one block per segment, one note per record.
func (t Transcript) String() string {
	var b strings.Builder
	for _, s := range t {
		fmt.Fprintf(&b, ">>> %s sent %d bytes\n", s.From, len(s.Data))
		records, cut := wire.ParseRecords(s.Data)
		rest := s.Data
		for _, r := range records {
			raw := r.Bytes()
			fmt.Fprintf(&b, "# %s\n", annotate(r))
			dump(&b, raw)
			rest = rest[len(raw):]
		}
		if h, err := wire.ParseSSL2Hello(rest); err == nil {
			fmt.Fprintf(&b, "# ClientHello in the format of SSLv2, version %s\n", h.Version)
			dump(&b, rest)
		} else if len(rest) > 0 {
			fmt.Fprintf(&b, "# %d bytes that are no whole record: %v\n", len(rest), cut)
			dump(&b, rest)
		}
	}
	return b.String()
}

// annotate says in one line what a record is.
func annotate(r wire.Record) string {
	kind := map[wire.ContentType]string{
		wire.ChangeCipherSpec: "change_cipher_spec", wire.AlertRecord: "alert",
		wire.Handshake: "handshake", wire.ApplicationData: "application_data",
	}[r.Type]
	note := fmt.Sprintf("%s, record version %s, %d bytes", kind, r.Version, len(r.Payload))
	if a, ok := wire.ParseAlert(r); ok {
		note += fmt.Sprintf(": level %d, %s", a.Level, a.Description)
	}
	one := Transcript{{FromSubject, r.Bytes()}}
	if h := one.clientHello(FromSubject); h != nil {
		note += fmt.Sprintf(": ClientHello, offers %v", h.Offered())
	}
	if h := one.serverHello(FromSubject); h != nil {
		note += fmt.Sprintf(": ServerHello, chooses %s, suite %04x", h.Chosen(), uint16(h.Suite))
	}
	return note
}

func dump(b *strings.Builder, data []byte) {
	for i := 0; i < len(data); i += 16 {
		line := data[i:min(i+16, len(data))]
		fmt.Fprintf(b, "%04x  % -47x  %s\n", i, line, printable(line))
	}
}

func printable(data []byte) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e {
			return '.'
		}
		return r
	}, string(bytesToLatin(data)))
}

// bytesToLatin makes one rune of each byte, so that a dump's columns stay aligned.
func bytesToLatin(data []byte) []rune {
	runes := make([]rune, len(data))
	for i, c := range data {
		runes[i] = rune(c)
	}
	return runes
}
