// Package verifytest makes proofs for tests: nothing was tried for them, and the judge finds in them what
// was wanted.
package verifytest

import (
	"encoding/json"
	"testing"

	"github.com/tlsfloor/tlsfloor/verify"
	"github.com/tlsfloor/tlsfloor/verify/wire"
)

// Pass completes p, which names floor, versions and tested files, with every case as if it had gone as
// wanted; salt stands in the randoms of all hellos.
func Pass(t testing.TB, p *verify.Proof, salt byte) *verify.Proof {
	t.Helper()
	for _, c := range verify.ExpectedCases(p.Floor, p.OpenSSLVersion, p.PythonVersion) {
		f := verify.Finding{Case: c, Trial: Enact(t, c.Offer, c.Want, salt)}
		for _, control := range c.Controls {
			f.Controls = append(f.Controls, Enact(t, control.Offer, control.Want, salt))
		}
		p.Findings = append(p.Findings, f)
	}
	return Settled(t, p)
}

// Settled is p as it is after it was stored and read.
func Settled(t testing.TB, p *verify.Proof) *verify.Proof {
	t.Helper()
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	again := new(verify.Proof)
	if err := json.Unmarshal(text, again); err != nil {
		t.Fatal(err)
	}
	return again
}

// Enact makes a trial that shows exactly what w wants: the report and the bytes, from which the proof
// derives the rest.
func Enact(t testing.TB, o verify.Offer, w verify.Want, salt byte) verify.Trial {
	t.Helper()
	tr := verify.Trial{Report: verify.Report{Reason: w.Reason, Verify: w.Verify}}
	say := func(from verify.Side, data []byte) {
		tr.Transcript = append(tr.Transcript, verify.Segment{From: from, Data: data})
	}
	switch {
	case o.Act.Static():
		if w.Outcome == verify.Present {
			tr.Report.Facts = []string{"TLSv1_1_method"}
		}
		return tr
	case o.Act == verify.Listen:
		if w.Outcome == verify.Proceeds {
			say(verify.FromSubject, append([]byte{22, 0xfe, 0xff}, make([]byte, 32)...))
		}
		return tr
	}
	client, server := verify.FromSubject, verify.FromJudge
	if o.Act == verify.Greet {
		client, server = server, client
	}
	random := [32]byte{salt}
	if w.Offered == nil || len(w.Offered) > 0 {
		offered := append([]wire.Version(nil), w.Offered...)
		if len(offered) == 0 {
			offered = []wire.Version{wire.TLS13}
		}
		padding := wire.Extension{Type: 21, Data: make([]byte, w.Longer)} // RFC 7685
		say(client, handshake(t, wire.TLS10, wire.ClientHello{Version: wire.TLS12, Random: random, Compression: []byte{0}, Extensions: []wire.Extension{wire.Offer(offered...), padding}}))
	}
	if w.Outcome != verify.Refused || o.Act == verify.Answer {
		v := w.Version
		if o.Act == verify.Answer {
			v = o.Version
		}
		say(server, handshake(t, wire.TLS12, wire.ServerHello{Version: min(v, wire.TLS12), Random: random, Extensions: []wire.Extension{wire.Choose(v)}}))
	}
	conclude(&tr, w, say)
	return tr
}

// conclude is how the connection ends.
func conclude(tr *verify.Trial, w verify.Want, say func(verify.Side, []byte)) {
	switch w.Outcome {
	case verify.Connected:
		tr.Report = verify.Report{OK: true, Version: w.Version, Cipher: "A-CIPHER", Staple: w.Staple}
	case verify.Proceeds:
		tr.Report.Reason = verify.EOF
	case verify.Refused:
		record := w.Record
		if record == 0 {
			record = wire.TLS12
		}
		if w.Alert != 0 {
			say(w.From, wire.Alert{Level: wire.Fatal, Description: w.Alert}.Record(record).Bytes())
		}
	}
}

func handshake(t testing.TB, v wire.Version, h interface{ Bytes() ([]byte, error) }) []byte {
	t.Helper()
	message, err := h.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return wire.Record{Type: wire.Handshake, Version: v, Payload: message}.Bytes()
}
