package wire

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"net"
	"slices"
	"testing"
	"time"
)

// answered is what a crypto/tls server answers with first.
func answered(t *testing.T, flight []byte) Record {
	t.Helper()
	client, server := net.Pipe()
	defer client.Close()
	deadline := time.Now().Add(5 * time.Second)
	client.SetDeadline(deadline)
	server.SetDeadline(deadline)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	shown := tls.Certificate{Certificate: [][]byte{{1}}, PrivateKey: key} // nobody looks at it
	go func() {
		tls.Server(server, &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{shown}}).Handshake()
		server.Close()
	}()
	go client.Write(flight)
	r, err := ReadRecord(client)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// strict is a hello that every server of TLS 1.3 answers to with its own or with a HelloRetryRequest.
func strict(t *testing.T) *ClientHello {
	return parsed(t, goHello(t, tls.VersionTLS13, tls.VersionTLS13))
}

func TestGreasedHelloIsAnswered(t *testing.T) {
	h := strict(t)
	h.Extensions = append(h.Extensions, Protocols("h2"))
	for n := range 16 {
		g := h.Greased(n)
		message, err := g.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseClientHello(message)
		if err != nil {
			t.Fatal(err)
		}
		if !again.Suites[0].GREASE() || !again.Groups()[0].GREASE() || len(again.Protocols()) != 2 || !again.Shares()[0].Group.GREASE() {
			t.Errorf("%d: not everywhere: %v %v", n, again.Suites, again.Groups())
		}
		if v := again.Offered(); !slices.Equal(v, []Version{TLS13}) {
			t.Errorf("%d: offers %v", n, v)
		}
		first, last := again.Extensions[0], again.Extensions[len(again.Extensions)-1]
		if !Version(first.Type).GREASE() || len(first.Data) != 0 || !Version(last.Type).GREASE() || len(last.Data) != 1 || first.Type == last.Type {
			t.Errorf("%d: extensions %x and %x", n, first, last)
		}
	}
	if g := (ClientHello{Extensions: []Extension{{PreSharedKey, nil}}}).Greased(3); g.Extensions[2].Type != PreSharedKey {
		t.Error("pre_shared_key is not the last extension any more")
	}
	if h.Suites[0].GREASE() || h.Groups()[0].GREASE() {
		t.Error("the hello itself was changed")
	}
	message, _ := h.Greased(7).Bytes()
	if r := answered(t, Flight(message, 1<<14, TLS10)); r.Type != Handshake {
		t.Errorf("a server does not take it: %v", r)
	}
}

func TestHelloRetryRequest(t *testing.T) {
	h := strict(t)
	for i, e := range h.Extensions {
		if e.Type == KeyShare {
			h.Extensions[i] = ClientShares() // no key: the server has to ask for one
		}
	}
	message, _ := h.Bytes()
	for _, test := range []struct {
		message []byte
		want    bool
	}{{message, true}, {mustBytes(t, *strict(t)), false}} {
		r := answered(t, Flight(test.message, 1<<14, TLS10))
		_, first, _ := FirstHandshake([]Record{r})
		answer, err := ParseServerHello(first)
		if err != nil || answer.Retries() != test.want {
			t.Errorf("retries is not %v: %v", test.want, err)
		}
	}
	if made := (&ServerHello{Random: RetryRandom}); !made.Retries() {
		t.Error("our own is not recognised")
	}
}

func mustBytes(t *testing.T, h ClientHello) []byte {
	t.Helper()
	message, err := h.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return message
}

// RFC 8446 section 5.1: the version of a record is to be ignored, and a message may be spread over records.
func TestFlightWithVersionsThatDisagree(t *testing.T) {
	message := mustBytes(t, *strict(t))
	flight := Flight(message, 100, TLS10, SSL30, TLS12)
	records, err := ParseRecords(flight)
	if err != nil || len(records) != (len(message)+99)/100 || records[1].Version != SSL30 || records[3].Version != TLS10 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	if _, again, ok := FirstHandshake(records); !ok || !bytes.Equal(again, message) {
		t.Error("the message is another one")
	}
	if r := answered(t, flight); r.Type != Handshake {
		t.Errorf("a server does not take it: %v", r)
	}
}

func TestBrokenLengths(t *testing.T) {
	h := ClientHello{Version: TLS12, SessionID: []byte("abc"), Suites: []Suite{AES128GCM, RSAAES128SHA}, Compression: []byte{0},
		Extensions: []Extension{Name("localhost"), Offer(TLS13)}}
	whole := mustBytes(t, h)
	for f := MessageLength; f <= ExtensionLength; f++ {
		same, at, ok := h.Broken(f, 0)
		if !ok || !bytes.Equal(same, whole) {
			t.Errorf("field %d: off by 0 it differs", f)
		}
		for _, delta := range []int{-1, 1, 100} {
			message, again, ok := h.Broken(f, delta)
			if !ok || again != at || bytes.Equal(message, whole) {
				t.Fatalf("field %d: %v", f, ok)
			}
			if _, err := ParseClientHello(message); !errors.Is(err, ErrHello) {
				t.Errorf("field %d off by %d is read: %v", f, delta, err)
			}
		}
	}
	if _, _, ok := (ClientHello{}).Broken(ExtensionsLength, 1); ok {
		t.Error("a field that is not there was broken")
	}
	if _, _, ok := h.Broken(ExtensionLength+1, 1); ok {
		t.Error("an unknown field was broken")
	}
	lie := Record{Handshake, TLS12, whole}.Lying(0xffff)
	if binary.BigEndian.Uint16(lie[3:]) != 0xffff || len(lie) != headerSize+len(whole) {
		t.Errorf("% x", lie[:headerSize])
	}
	if _, err := ParseRecords(lie); err == nil {
		t.Error("a record that lies about its length is read")
	}
}
