package wire

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
)

// fuzzExtension holds a parser of an extension's data against its builder: what the one accepts, the other
// writes back.
func fuzzExtension[T any](f *testing.F, parse func([]byte) (T, error), build func(T) Extension, seeds ...Extension) {
	for _, s := range seeds {
		f.Add(s.Data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		value, err := parse(data)
		if err != nil {
			if !errors.Is(err, ErrExtension) {
				t.Errorf("% x: %v", data, err)
			}
			return
		}
		if again := build(value).Data; !bytes.Equal(again, data) {
			t.Errorf("% x is written back as % x", data, again)
		}
	})
}

func FuzzParseOffer(f *testing.F) {
	fuzzExtension(f, ParseOffer, func(v []Version) Extension { return Offer(v...) }, Offer(TLS13, TLS12), Offer(0x0a0a))
}

func FuzzParseGroups(f *testing.F) {
	fuzzExtension(f, ParseGroups, func(v []Group) Extension { return Groups(v...) }, Groups(29, 23), Groups())
}

func FuzzParseSchemes(f *testing.F) {
	fuzzExtension(f, ParseSchemes, func(v []Scheme) Extension { return Schemes(v...) }, Schemes(0x0804, 0x0401))
}

func FuzzParseProtocols(f *testing.F) {
	fuzzExtension(f, ParseProtocols, func(v []string) Extension { return Protocols(v...) }, Protocols("h2", "http/1.1"), Protocols(""))
}

func FuzzParseName(f *testing.F) {
	fuzzExtension(f, ParseName, Name, Name("localhost"), Name(""))
}

func FuzzParseShares(f *testing.F) {
	fuzzExtension(f, ParseShares, func(v []Share) Extension { return ClientShares(v...) }, ClientShare(29, make([]byte, 32)), ClientShares())
}

func FuzzParseSSL2Hello(f *testing.F) {
	f.Add(SSL2Hello{Version: TLS11, Specs: Specs(RSAAES128SHA, EmptyRenegotiation), Challenge: make([]byte, 16)}.Bytes())
	f.Add(SSL2Hello{Version: SSL20, Specs: []Spec{0x010080, 0x00002f}, Session: make([]byte, 16), Challenge: make([]byte, 32)}.Bytes())
	f.Add(modernHello(f))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := ParseSSL2Hello(data)
		if err != nil {
			if !errors.Is(err, ErrSSL2) {
				t.Errorf("% x: %v", data, err)
			}
			return
		}
		if again := h.Bytes(); !bytes.HasPrefix(data, again) || len(again) < 2+ssl2Header+16 {
			t.Errorf("% x is written back as % x", data, again)
		}
		if len(h.Suites()) > len(h.Specs) {
			t.Errorf("% x has more suites than specs", data)
		}
	})
}

func FuzzParseAlert(f *testing.F) {
	f.Add(byte(AlertRecord), uint16(TLS12), []byte{2, 70})
	f.Add(byte(Handshake), uint16(TLS12), []byte{1, 0})
	f.Fuzz(func(t *testing.T, kind byte, version uint16, payload []byte) {
		r := Record{ContentType(kind), Version(version), payload}
		if a, ok := ParseAlert(r); ok && !reflect.DeepEqual(a.Record(r.Version), r) {
			t.Errorf("%v is written back as %v", r, a.Record(r.Version))
		}
	})
}

// However a message is spread over records, and whatever stands behind it, it is put together again.
func FuzzFirstHandshake(f *testing.F) {
	f.Add(modernHello(f), 7, []byte("more"))
	f.Add([]byte{1, 0, 0, 0}, 1, []byte{})
	f.Fuzz(func(t *testing.T, message []byte, size int, more []byte) {
		if len(message) > 1<<14 || len(more) > 1<<14 {
			return
		}
		records, err := ParseRecords(append(Flight(message, min(size, MaxPayload), TLS10, TLS12), Record{Handshake, TLS12, more}.Bytes()...))
		if err != nil {
			t.Fatal(err)
		}
		kind, got, ok := FirstHandshake(records)
		all := append(bytes.Clone(message), more...)
		if !ok {
			if len(all) >= 4 && 4+(int(all[1])<<16|int(all[2])<<8|int(all[3])) <= len(all) {
				t.Errorf("% x is not found", all)
			}
			return
		}
		if !bytes.HasPrefix(all, got) || byte(kind) != all[0] {
			t.Errorf("% x is read as % x", all, got)
		}
	})
}

// A greased hello is the same one to whoever leaves the reserved values out, and a broken one is never read.
func FuzzGreased(f *testing.F) {
	f.Add(modernHello(f), 3, 1)
	f.Fuzz(func(t *testing.T, data []byte, n, delta int) {
		h, err := ParseClientHello(data)
		if err != nil {
			return
		}
		message, err := h.Greased(n).Bytes()
		if err != nil {
			return // it has no room left for more
		}
		again, err := ParseClientHello(message)
		if err != nil {
			if len(h.Extensions) < maxExtensions-1 {
				t.Errorf("% x cannot be read: %v", message, err)
			}
			return
		}
		if a, b := again.Offered(), h.Offered(); !reflect.DeepEqual(append([]Version{}, a...), append([]Version{}, b...)) {
			t.Errorf("offers %v, not %v", a, b)
		}
		for field := MessageLength; field <= ExtensionLength; field++ {
			if broken, at, ok := h.Broken(field, delta); ok && at >= len(broken) {
				t.Errorf("field %d is at %d of %d", field, at, len(broken))
			}
		}
	})
}
