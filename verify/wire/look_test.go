package wire

import (
	"crypto/tls"
	"errors"
	"slices"
	"strings"
	"testing"
)

// parsed is the hello of a message that was written here or by crypto/tls.
func parsed(t testing.TB, raw []byte) *ClientHello {
	t.Helper()
	records, err := ParseRecords(raw)
	if err != nil {
		t.Fatal(err)
	}
	_, message, _ := FirstHandshake(records)
	h, err := ParseClientHello(message)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// What crypto/tls says of itself is what we read of its hello.
func TestLookAtHelloOfGo(t *testing.T) {
	h := parsed(t, goHello(t, tls.VersionTLS12, tls.VersionTLS13))
	if h.Host() != "localhost" || h.Protocols() != nil || h.Compresses() || h.Resumes() || !h.Has(StatusRequest) {
		t.Errorf("host %q, protocols %q", h.Host(), h.Protocols())
	}
	if g := h.Groups(); !slices.Contains(g, X25519MLKEM768) || !slices.Contains(g, 0x001d) {
		t.Errorf("groups %v", g)
	}
	if s := h.Schemes(); !slices.Contains(s, 0x0804) {
		t.Errorf("schemes %v", s)
	}
	shares := h.Shares()
	if len(shares) == 0 || !shares[0].Group.PostQuantum() || len(shares[0].Public) != 1216 {
		t.Errorf("%d shares", len(shares))
	}
	for _, s := range h.Suites {
		if !s.Known() || s.String() != tls.CipherSuiteName(uint16(s)) {
			t.Errorf("suite %04x: %s, not %s", uint16(s), s, tls.CipherSuiteName(uint16(s)))
		}
	}
}

func TestLook(t *testing.T) {
	h := &ClientHello{Compression: []byte{1, 0}, Extensions: []Extension{Protocols("h2", "http/1.1"), {SessionTicket, nil}}}
	if got := h.Protocols(); !slices.Equal(got, []string{"h2", "http/1.1"}) {
		t.Errorf("%q", got)
	}
	if !h.Compresses() || !h.Tickets() || h.Resumes() || h.Host() != "" || h.Groups() != nil {
		t.Errorf("%+v", h)
	}
	h.Extensions = append(h.Extensions, Extension{PreSharedKey, []byte{0}})
	if !h.Resumes() {
		t.Error("a pre-shared key is not seen")
	}
	h = &ClientHello{Compression: []byte{0}, Extensions: []Extension{{SessionTicket, []byte("ticket")}}}
	if h.Compresses() || !h.Resumes() {
		t.Error("a ticket is not seen")
	}
	// A client hides nothing by a list that ends in the middle of a number.
	h.Extensions = []Extension{{SupportedVersions, []byte{3, 3, 2, 3}}}
	if got := h.Offered(); !slices.Equal(got, []Version{TLS11}) {
		t.Errorf("a cut list is read as %v", got)
	}
}

// Each planted fault in an extension must be seen.
func TestMalformedExtensions(t *testing.T) {
	errs := map[string]func([]byte) error{
		"versions":  func(b []byte) error { _, err := ParseOffer(b); return err },
		"groups":    func(b []byte) error { _, err := ParseGroups(b); return err },
		"schemes":   func(b []byte) error { _, err := ParseSchemes(b); return err },
		"protocols": func(b []byte) error { _, err := ParseProtocols(b); return err },
		"name":      func(b []byte) error { _, err := ParseName(b); return err },
		"shares":    func(b []byte) error { _, err := ParseShares(b); return err },
	}
	good := map[string][]byte{
		"versions": Offer(TLS13, TLS12).Data, "groups": Groups(29, 23).Data, "schemes": Schemes(0x0804).Data,
		"protocols": Protocols("h2", "http/1.1").Data, "name": Name("localhost").Data, "shares": ClientShare(29, []byte("key")).Data,
	}
	for name, parse := range errs {
		data := good[name]
		if err := parse(data); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for i := range data {
			if err := parse(data[:i]); !errors.Is(err, ErrExtension) {
				t.Errorf("%s cut at %d: %v", name, i, err)
			}
		}
		if err := parse(append(slices.Clone(data), 0)); !errors.Is(err, ErrExtension) {
			t.Errorf("%s with a byte too many: %v", name, err)
		}
	}
	if err := errs["versions"]([]byte{1, 3}); !errors.Is(err, ErrExtension) {
		t.Errorf("half a version: %v", err)
	}
}

func TestNames(t *testing.T) {
	for _, test := range []struct{ got, want string }{
		{Group(0x001d).String(), "x25519"}, {X25519MLKEM768.String(), "X25519MLKEM768"}, {Group(0x2a2a).String(), "GREASE 0x2a2a"},
		{Group(0x7777).String(), "0x7777"}, {Scheme(0x0804).String(), "rsa_pss_rsae_sha256"}, {Scheme(0x0905).String(), "mldsa65"},
		{RSAAES128SHA.String(), "TLS_RSA_WITH_AES_128_CBC_SHA"}, {RSAAES128SHA.OpenSSL(), "AES128-SHA"},
		{RSAExportRC4.OpenSSL(), "EXP-RC4-MD5"}, {FallbackSCSV.OpenSSL(), "TLS_FALLBACK_SCSV"}, {Suite(0xaaaa).String(), "GREASE 0xaaaa"},
		{Suite(0x7777).OpenSSL(), "0x7777"}, {AES128GCM.OpenSSL(), "TLS_AES_128_GCM_SHA256"},
	} {
		if test.got != test.want {
			t.Errorf("%s, not %s", test.got, test.want)
		}
	}
	if Suite(0x7777).Known() || !FallbackSCSV.Signals() || RSAAES128SHA.Signals() || Group(23).PostQuantum() {
		t.Error("what a number is")
	}
	// Two suites of one name would be a slip of the table's writer.
	for _, of := range []func(Suite) string{Suite.String, Suite.OpenSSL} {
		seen := map[string]Suite{}
		for s := range suiteNames {
			if other, twice := seen[of(s)]; twice {
				t.Errorf("%04x and %04x are both %s", uint16(s), uint16(other), of(s))
			}
			seen[of(s)] = s
		}
	}
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if got := Suite(s.ID).String(); got != s.Name && !strings.HasPrefix(s.Name, got) { // crypto/tls once left _SHA256 out
			t.Errorf("%04x: %s, not %s", s.ID, got, s.Name)
		}
	}
}
