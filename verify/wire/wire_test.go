package wire

import (
	"bytes"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// goHello is the ClientHello of a crypto/tls client, as it stands on the wire.
func goHello(t testing.TB, min, max uint16) []byte {
	t.Helper()
	client, server := net.Pipe()
	defer server.Close()
	go func() {
		tls.Client(client, &tls.Config{ServerName: "localhost", MinVersion: min, MaxVersion: max}).Handshake()
		client.Close()
	}()
	rec, err := ReadRecord(server)
	if err != nil {
		t.Fatal(err)
	}
	return rec.Bytes()
}

func TestClientHelloOfGo(t *testing.T) {
	for _, test := range []struct {
		min, max uint16
		want     []Version
	}{
		{tls.VersionTLS10, tls.VersionTLS13, []Version{TLS13, TLS12, TLS11, TLS10}},
		{tls.VersionTLS12, tls.VersionTLS12, []Version{TLS12}},
	} {
		raw := goHello(t, test.min, test.max)
		records, err := ParseRecords(raw)
		if err != nil {
			t.Fatal(err)
		}
		kind, message, ok := FirstHandshake(records)
		if !ok || kind != ClientHelloType {
			t.Fatalf("kind %d, %v", kind, ok)
		}
		hello, err := ParseClientHello(message)
		if err != nil {
			t.Fatal(err)
		}
		if got := hello.Offered(); !slices.Equal(got, test.want) {
			t.Errorf("offered %v, not %v", got, test.want)
		}
		if again, err := hello.Bytes(); err != nil || !bytes.Equal(again, message) {
			t.Errorf("written back differently: %v", err)
		}
	}
}

func TestHellosRoundTrip(t *testing.T) {
	for _, h := range []ClientHello{
		{Version: SSL30, Suites: []Suite{RSAAES128SHA, EmptyRenegotiation}, Compression: []byte{0}},
		{Version: TLS12, SessionID: []byte("abc"), Suites: []Suite{AES128GCM}, Compression: []byte{0}, Extensions: []Extension{
			Name("localhost"), Offer(TLS13), Groups(29), Schemes(0x0804), UncompressedPoints(), ClientShare(29, make([]byte, 32)), SecureRenegotiation()}},
	} {
		message, err := h.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseClientHello(message)
		if err != nil {
			t.Fatal(err)
		}
		if again, _ := got.Bytes(); !bytes.Equal(again, message) || len(got.Extensions) != len(h.Extensions) {
			t.Errorf("%x", message)
		}
		for i := range message {
			if _, err := ParseClientHello(message[:i]); !errors.Is(err, ErrHello) {
				t.Errorf("cut at %d: %v", i, err)
			}
		}
	}
	s := ServerHello{Version: TLS12, Suite: AES128GCM, SessionID: []byte{}, Extensions: []Extension{Choose(TLS13)}}
	message, _ := s.Bytes()
	got, err := ParseServerHello(message)
	if err != nil || got.Chosen() != TLS13 || got.Suite != AES128GCM {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := ParseClientHello(message); !errors.Is(err, ErrHello) {
		t.Errorf("a ServerHello is read as a ClientHello: %v", err)
	}
	if _, err := (ClientHello{SessionID: make([]byte, 256)}).Bytes(); err == nil {
		t.Error("a session id of 256 bytes is written")
	}
}

// The extensions' bytes as the RFCs draw them.
func TestExtensionBytes(t *testing.T) {
	for _, test := range []struct {
		got  Extension
		want string
	}{
		{Offer(TLS13, TLS12), "0403040303"},
		{Choose(TLS11), "0302"},
		{Name("ab"), "000500000261" + "62"},
		{Groups(0x1d, 0x17), "0004001d0017"},
		{Schemes(0x0804), "00020804"},
		{ClientShare(0x1d, []byte{1, 2}), "0006001d00020102"},
		{SecureRenegotiation(), "00"},
		{UncompressedPoints(), "0100"},
	} {
		if got := hex.EncodeToString(test.got.Data); got != test.want {
			t.Errorf("extension %d: %s, not %s", test.got.Type, got, test.want)
		}
	}
}

func TestOfferedLeavesGREASEOut(t *testing.T) {
	h := ClientHello{Version: TLS12, Extensions: []Extension{Offer(0x0a0a, TLS13, 0xfafa, TLS12)}}
	if got := h.Offered(); !slices.Equal(got, []Version{TLS13, TLS12}) {
		t.Error(got)
	}
	h.Extensions = []Extension{{SupportedVersions, []byte{9, 3}}}
	if got := h.Offered(); len(got) != 0 {
		t.Errorf("a malformed list is read as %v", got)
	}
}

func TestRecords(t *testing.T) {
	alert := Alert{Fatal, ProtocolVersion}.Record(TLS12)
	hello := Record{Handshake, TLS10, []byte{1, 0, 0, 2, 7, 7}}
	data := append(hello.Bytes(), alert.Bytes()...)
	records, err := ParseRecords(data)
	if err != nil || !reflect.DeepEqual(records, []Record{hello, alert}) {
		t.Errorf("%v, %v", records, err)
	}
	for _, test := range []struct {
		data []byte
		n    int
		want error
	}{
		{data[:len(data)-1], 1, io.ErrUnexpectedEOF},
		{data[:len(hello.Bytes())+3], 1, io.ErrUnexpectedEOF},
		{[]byte("HTTP/1.1 400"), 0, ErrNotTLS},
		{[]byte{22, 9, 9, 0, 0}, 0, ErrNotTLS},
	} {
		if records, err := ParseRecords(test.data); len(records) != test.n || !errors.Is(err, test.want) {
			t.Errorf("% x: %v, %v", test.data, records, err)
		}
		if _, err := ReadRecord(bytes.NewReader(test.data)); test.n == 0 && !errors.Is(err, test.want) {
			t.Errorf("% x: reading: %v", test.data, err)
		}
	}
	if _, err := ReadRecord(bytes.NewReader([]byte{22, 3, 3, 0xff, 0xff})); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("a record of 65,535 bytes: %v", err)
	}
	if _, err := ReadRecord(bytes.NewReader(nil)); err != io.EOF {
		t.Errorf("a clean end: %v", err)
	}
}

func TestFirstHandshakeOverRecords(t *testing.T) {
	parts := []Record{{Handshake, TLS10, []byte{1, 0}}, {ChangeCipherSpec, TLS10, []byte{1}}, {Handshake, TLS10, []byte{0, 2, 7, 7, 9}}}
	if kind, message, ok := FirstHandshake(parts); !ok || kind != ClientHelloType || !bytes.Equal(message, []byte{1, 0, 0, 2, 7, 7}) {
		t.Errorf("%d % x %v", kind, message, ok)
	}
	if _, _, ok := FirstHandshake(parts[:1]); ok {
		t.Error("a cut message is taken for whole")
	}
}

func TestAlerts(t *testing.T) {
	for _, test := range []struct {
		r    Record
		want string
		ok   bool
	}{
		{Record{AlertRecord, TLS12, []byte{2, 70}}, "70 protocol_version", true},
		{Record{AlertRecord, SSL30, []byte{2, 40}}, "40 handshake_failure", true},
		{Record{AlertRecord, TLS12, []byte{1, 99}}, "99 unknown", true},
		{Record{AlertRecord, TLS12, []byte{7, 70}}, "", false},
		{Record{AlertRecord, TLS12, make([]byte, 26)}, "", false},
		{Record{Handshake, TLS12, []byte{2, 70}}, "", false},
	} {
		a, ok := ParseAlert(test.r)
		if ok != test.ok || ok && a.Description.String() != test.want {
			t.Errorf("%v: %v %v", test.r, a, ok)
		}
	}
}

func TestVersionText(t *testing.T) {
	for _, v := range []Version{SSL30, TLS13, DTLS10, 0x7f1c} {
		text, _ := v.MarshalText()
		var again Version
		if err := again.UnmarshalText(text); err != nil || again != v {
			t.Errorf("%s: %v, %v", text, again, err)
		}
	}
	if new(Version).UnmarshalText([]byte("1.2")) == nil {
		t.Error(`"1.2" is read`)
	}
	if TLS11.String() != "TLS 1.1" || Version(0x7f1c).String() != "7f1c" {
		t.Error("names")
	}
}

// modernHello is a seed that is the same in every fuzzing process.
func modernHello(t testing.TB) []byte {
	t.Helper()
	message, err := ClientHello{Version: TLS12, SessionID: []byte("abc"), Suites: []Suite{AES128GCM, EmptyRenegotiation}, Compression: []byte{0},
		Extensions: []Extension{Name("localhost"), Offer(0x1a1a, TLS13, TLS12), Groups(29), ClientShare(29, make([]byte, 32))}}.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return message
}

func FuzzParseRecords(f *testing.F) {
	f.Add([]byte{21, 3, 3, 0, 2, 2, 70})
	f.Add(Record{Handshake, TLS10, modernHello(f)}.Bytes())
	f.Add([]byte("HTTP/1.1 400 Bad Request"))
	f.Fuzz(func(t *testing.T, data []byte) {
		records, err := ParseRecords(data)
		var again []byte
		for _, r := range records {
			again = append(again, r.Bytes()...)
			ParseAlert(r)
		}
		if !bytes.HasPrefix(data, again) || err == nil && len(again) != len(data) {
			t.Errorf("% x reads as % x, %v", data, again, err)
		}
		FirstHandshake(records)
		stream := bytes.NewReader(data)
		for _, want := range records {
			if got, err := ReadRecord(stream); err != nil || !bytes.Equal(got.Bytes(), want.Bytes()) {
				t.Errorf("streamed: %v, %v", got, err)
			}
		}
	})
}

func FuzzParseClientHello(f *testing.F) {
	f.Add(modernHello(f))
	message, _ := ClientHello{Version: SSL30, Suites: []Suite{RSAAES128SHA}, Compression: []byte{0}}.Bytes()
	f.Add(message)
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := ParseClientHello(data)
		if err != nil {
			return
		}
		h.Offered()
		if again, err := h.Bytes(); err != nil || !bytes.Equal(again, data) {
			t.Errorf("% x is written back as % x, %v", data, again, err)
		}
	})
}

func FuzzParseServerHello(f *testing.F) {
	message, _ := ServerHello{Version: TLS12, Suite: AES128GCM, Extensions: []Extension{Choose(TLS13)}}.Bytes()
	f.Add(message)
	message, _ = ServerHello{Version: SSL30, Suite: RSAAES128SHA}.Bytes()
	f.Add(message)
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := ParseServerHello(data)
		if err != nil {
			return
		}
		h.Chosen()
		if again, err := h.Bytes(); err != nil || !bytes.Equal(again, data) {
			t.Errorf("% x is written back as % x, %v", data, again, err)
		}
	})
}
