package server

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/verify"
	"github.com/tlsfloor/tlsfloor/verify/wire"
)

// The page is read by programs that know openssl s_server's.
func TestPageIsLikeSServers(t *testing.T) {
	r := begin(t, Options{})
	for name, want := range map[string][2]string{
		"tls13": {"TLSv1.3", "TLS_AES_128_GCM_SHA256"}, "tls12": {"TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256"},
		"tls11": {"TLSv1.1", "ECDHE-RSA-AES128-SHA"}, "tls10": {"TLSv1", "ECDHE-RSA-AES128-SHA"},
	} {
		text, err := r.get(t, name, "/any/path?<script>", r.config(t, tls.VersionTLS10))
		if err != nil {
			t.Fatal(err)
		}
		found := protocol.FindAllStringSubmatch(text, -1)
		if len(found) != 1 || found[0][1] != want[0] || !strings.Contains(text, "SSL-Session:\n    Protocol  : "+want[0]+"\n    Cipher    : "+want[1]+"\n") {
			t.Errorf("%s: %s", name, text)
		}
		for _, secret := range []string{"Master-Key", "Session-ID", "PSK:", "<script>"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s: %s is in the page", name, secret)
			}
		}
		if v := r.next(t); v.Request != "GET /any/path" || v.Cipher != want[1] {
			t.Errorf("%s: %s", name, v.Line())
		}
	}
}

// Whoever has a certificate of the CA must not be able to write a protocol of his own into the page, or a
// script.
func TestPageOfHostileCertificate(t *testing.T) {
	evil := &x509.Certificate{Subject: pkix.Name{CommonName: "<script>\n    Protocol  : TLSv1.3\n"}}
	text := page(scenarioOf(t, "client-cert"), verify.Sight{}, tls.ConnectionState{Version: tls.VersionTLS12, PeerCertificates: []*x509.Certificate{evil}})
	if found := protocol.FindAllString(text, -1); len(found) != 1 || strings.Contains(text, "<script") || !strings.Contains(text, "&lt;script") {
		t.Errorf("%s", text)
	}
}

func TestHeadAndConnectionClose(t *testing.T) {
	r := begin(t, Options{})
	c := r.config(t, tls.VersionTLS10) // which offers enough for an answer that net/http would not count by itself
	c.CipherSuites = nil
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		c.CipherSuites = append(c.CipherSuites, s.ID)
	}
	conn, err := tls.Dial("tcp", r.address(t, "tls12"), c)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "HEAD /a/check HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	read := bufio.NewReader(conn)
	answer, err := http.ReadResponse(read, &http.Request{Method: "HEAD"})
	if err != nil || answer.ContentLength < 100 || !answer.Close || answer.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("%+v, %v", answer, err)
	}
	if more, err := io.ReadAll(read); len(more) != 0 || err != nil {
		t.Errorf("a second request on the connection is answered: %q, %v", more, err)
	}
}

// The keys are those of howsmyssl's documentation, all of them and in their types.
func TestCheckHasHowsMySSLsKeys(t *testing.T) {
	r := begin(t, Options{})
	c := r.config(t, tls.VersionTLS12)
	c.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	text, err := r.get(t, "tls12", "/a/check", c)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	list, yes, no, table := []any{}, true, false, map[string]any{}
	for key, like := range map[string]any{
		"given_cipher_suites": list, "given_named_groups": list, "given_signature_algorithms": list, "post_quantum_key_agreement": yes,
		"ephemeral_keys_supported": yes, "session_ticket_supported": yes, "tls_compression_supported": no, "unknown_cipher_suite_supported": no,
		"beast_vuln": no, "able_to_detect_n_minus_one_splitting": no, "insecure_cipher_suites": table, "tls_version": "TLS 1.2", "rating": "Probably Okay",
	} {
		value, there := got[key]
		if !there || reflect.TypeOf(value) != reflect.TypeOf(like) || reflect.TypeOf(like).Comparable() && value != like {
			t.Errorf("%s is %v, not like %v", key, value, like)
		}
		delete(got, key)
	}
	if len(got) > 0 {
		t.Errorf("more keys: %v", got)
	}
}

// heard is a transcript of a client's hello alone.
func heard(t *testing.T, h wire.ClientHello, more ...wire.Record) verify.Transcript {
	t.Helper()
	message, err := h.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	data := wire.Flight(message, 1<<14, wire.TLS10)
	for _, r := range more {
		data = append(data, r.Bytes()...)
	}
	return verify.Transcript{{From: verify.FromSubject, Data: data}}
}

// Each planted weakness costs the rating that the rules say.
func TestRating(t *testing.T) {
	good := wire.ClientHello{Version: wire.TLS12, Suites: []wire.Suite{wire.ECDHERSAAES128GCM, wire.EmptyRenegotiation, 0x8a8a}, Compression: []byte{0},
		Extensions: []wire.Extension{{Type: wire.SessionTicket}, wire.Groups(0x1a1a, 29), wire.Schemes(0x0804)}}
	said := func(size int) wire.Record {
		return wire.Record{Type: wire.ApplicationData, Version: wire.TLS10, Payload: make([]byte, size)}
	}
	for name, test := range map[string]struct {
		change  func(*wire.ClientHello)
		version uint16
		more    []wire.Record
		rating  string
		holds   func(Check) bool
	}{
		"good":             {nil, tls.VersionTLS12, nil, okay, func(c Check) bool { return slices.Equal(c.GivenNamedGroups, []string{"x25519"}) }},
		"old":              {nil, tls.VersionTLS11, nil, improvable, func(c Check) bool { return c.TLSVersion == "TLS 1.1" }},
		"older":            {nil, tls.VersionTLS10, nil, bad, func(c Check) bool { return !c.BEASTVulnerable }},
		"no tickets":       {func(h *wire.ClientHello) { h.Extensions = h.Extensions[1:] }, tls.VersionTLS12, nil, improvable, func(c Check) bool { return !c.SessionTicketSupported }},
		"no ephemeral key": {func(h *wire.ClientHello) { h.Suites = []wire.Suite{wire.RSAAES128SHA} }, tls.VersionTLS12, nil, improvable, func(c Check) bool { return !c.EphemeralKeysSupported }},
		"compression":      {func(h *wire.ClientHello) { h.Compression = []byte{1, 0} }, tls.VersionTLS12, nil, bad, func(c Check) bool { return c.CompressionSupported }},
		"unknown suite":    {func(h *wire.ClientHello) { h.Suites = append(h.Suites, 0x7777) }, tls.VersionTLS12, nil, bad, func(c Check) bool { return c.UnknownSuiteSupported }},
		"null":             {suite(wire.RSANULLSHA256), tls.VersionTLS12, nil, bad, insecureBy("TLS_RSA_WITH_NULL_SHA256", 1)},
		"export":           {suite(wire.RSAExportRC4), tls.VersionTLS12, nil, bad, insecureBy("TLS_RSA_EXPORT_WITH_RC4_40_MD5", 2)},
		"anonymous":        {suite(wire.AnonAES128SHA256), tls.VersionTLS12, nil, bad, insecureBy("TLS_DH_anon_WITH_AES_128_CBC_SHA256", 1)},
		"DES":              {suite(0x0009), tls.VersionTLS12, nil, bad, insecureBy("TLS_RSA_WITH_DES_CBC_SHA", 1)},
		"3DES first":       {suite(0x000a, wire.RSAAES128SHA, wire.RSAAES256SHA), tls.VersionTLS12, nil, bad, insecureBy("TLS_RSA_WITH_3DES_EDE_CBC_SHA", 1)},
		"3DES last":        {suite(wire.RSAAES128SHA, 0x000a, wire.FallbackSCSV), tls.VersionTLS12, nil, okay, func(c Check) bool { return len(c.InsecureCipherSuites) == 0 }},
		"BEAST":            {suite(wire.RSAAES128SHA), tls.VersionTLS10, []wire.Record{said(64), said(64)}, bad, func(c Check) bool { return c.BEASTVulnerable && c.AbleToDetectSplitting }},
		"BEAST, split":     {suite(wire.RSAAES128SHA), tls.VersionTLS10, []wire.Record{said(32), said(64)}, bad, func(c Check) bool { return !c.BEASTVulnerable }},
	} {
		h := good
		h.Suites = slices.Clone(good.Suites)
		if test.change != nil {
			test.change(&h)
		}
		c := check(heard(t, h, test.more...), tls.ConnectionState{Version: test.version})
		if c.Rating != test.rating || !test.holds(c) {
			t.Errorf("%s: %+v", name, c)
		}
		if name == "good" && !slices.Contains(c.GivenCipherSuites, "TLS_GREASE_IS_THE_WORD_8A") {
			t.Errorf("%v", c.GivenCipherSuites)
		}
	}
}

// suite adds suites to a hello.
func suite(add ...wire.Suite) func(*wire.ClientHello) {
	return func(h *wire.ClientHello) { h.Suites = append(h.Suites, add...) }
}

func insecureBy(name string, reasons int) func(Check) bool {
	return func(c Check) bool {
		return len(c.InsecureCipherSuites) == 1 && len(c.InsecureCipherSuites[name]) == reasons
	}
}
