package verify

import (
	"bytes"
	"testing"

	"github.com/tlsfloor/tlsfloor/verify/wire"
)

func TestTranscriptRendering(t *testing.T) {
	client := wire.ClientHello{Version: wire.TLS12, Suites: []wire.Suite{wire.AES128GCM}, Compression: []byte{0}, Extensions: []wire.Extension{wire.Offer(0x1a1a, wire.TLS13)}}
	server := wire.ServerHello{Version: wire.TLS11, Suite: wire.ECDHERSAAES128SHA}
	var tr Transcript
	tr = tr.add(FromSubject, handshake(t, wire.TLS10, client).Bytes())
	tr = tr.add(FromJudge, handshake(t, wire.TLS11, server).Bytes())
	tr = tr.add(FromSubject, wire.Alert{Level: wire.Fatal, Description: wire.ProtocolVersion}.Record(wire.TLS12).Bytes())
	tr = tr.add(FromSubject, []byte("GET / HTTP/1.1\r\n\xff"))
	golden(t, "transcript.golden", tr.String())
}

func TestTranscriptIsBounded(t *testing.T) {
	var tr Transcript
	for range 100 {
		tr = tr.add(FromSubject, make([]byte, 4000))
		tr = tr.add(FromJudge, make([]byte, 4000))
	}
	if tr.size() != maxTranscript {
		t.Errorf("%d bytes", tr.size())
	}
}

func TestFatalPrefersTheSubject(t *testing.T) {
	fatal := func(d wire.Description) []byte {
		return wire.Alert{Level: wire.Fatal, Description: d}.Record(wire.TLS12).Bytes()
	}
	tr := Transcript(nil).add(FromJudge, fatal(wire.InternalError)).add(FromSubject, fatal(wire.ProtocolVersion))
	if a := tr.fatal(); a == nil || a.From != FromSubject || a.Description != wire.ProtocolVersion {
		t.Errorf("%v", a)
	}
	encrypted := wire.Record{Type: wire.AlertRecord, Version: wire.TLS12, Payload: bytes.Repeat([]byte{2}, 26)}
	if a := Transcript(nil).add(FromSubject, encrypted.Bytes()).fatal(); a != nil {
		t.Errorf("an encrypted alert is read as %v", a)
	}
}
