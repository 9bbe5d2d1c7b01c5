package balancer

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// awsLine is made of the fields that AWS's documentation of the connection log lists, in their order.
var awsLine = regexp.MustCompile(`^(?P<timestamp>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) (?P<client_ip>\S+) (?P<client_port>\d+) (?P<listener_port>\d+) (?P<tls_protocol>TLSv1\.[23]|-) (?P<tls_cipher>[A-Z0-9_-]+|-) ` +
	`(?P<tls_handshake_latency>\d+\.\d{3}|-) (?P<leaf_client_cert_subject>"[^"]*"|-) (?P<leaf_client_cert_validity>NotBefore=\S+Z;NotAfter=\S+Z|-) (?P<leaf_client_cert_serial_number>[0-9A-F]+|-) ` +
	`(?P<tls_verify_status>Success|Failed:[A-Za-z]+|-) (?P<conn_trace_id>TID_[0-9a-f]{32}) (?P<tls_keyexchange>\S+) (?P<elb>\S+) (?P<ip_address>\S+)$`)

func TestLineParses(t *testing.T) {
	f := newFixture(t)
	r := start(t, Options{Mode: Verify, Trust: []*x509.Certificate{f.root.cert}, Revoked: f.revoked})
	for _, client := range f.clients {
		r.get(t, client, tls.VersionTLS13, "localhost")
	}
	r.get(t, identity{}, tls.VersionTLS12, "localhost")
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.log {
		m := awsLine.FindStringSubmatch(e.Line())
		if m == nil {
			t.Errorf("no line of a connection log: %s", e.Line())
			continue
		}
		var keys map[string]any
		text, err := json.Marshal(e)
		if err != nil || json.Unmarshal(text, &keys) != nil {
			t.Fatal(err)
		}
		for i, field := range awsLine.SubexpNames() {
			if value := strings.Trim(m[i], `"`); field != "" && value != "-" && keys[field] == nil {
				t.Errorf("%s is %q in the line and not in %s", field, value, text)
			}
		}
	}
}

// TestGolden is the form of line, JSON and headers, with a fixed certificate.
func TestGolden(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "client.pem"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	e := Entry{Time: time.Date(2026, 11, 27, 1, 2, 3, 456789000, time.UTC), Client: "127.0.0.1", ClientPort: 36280, Listener: 4433, Latency: 0.0041, Status: success, Trace: "TID_00112233445566778899aabbccddeeff",
		Balancer: "tlsfloor", Address: "127.0.0.1"}
	var b strings.Builder
	fmt.Fprintln(&b, Entry{Time: e.Time, Client: e.Client, ClientPort: 1, Listener: 4433, Status: failed + UnmappedConnectionError, Trace: e.Trace, Balancer: e.Balancer, Address: e.Address}.Line())
	e.shown(tls.ConnectionState{Version: tls.VersionTLS13, CipherSuite: tls.TLS_AES_128_GCM_SHA256, CurveID: tls.X25519, PeerCertificates: []*x509.Certificate{cert, cert}})
	fmt.Fprintln(&b, e.Line())
	asJSON, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&b, "%s\n", asJSON)
	for _, m := range []Mode{Verify, Passthrough} {
		for _, h := range e.Headers(m) {
			fmt.Fprintf(&b, "%s: %s\n", h.Name, h.Value)
		}
	}
	path := filepath.Join("testdata", "log.golden")
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || b.String() != string(want) {
		t.Errorf("%v: it is now\n%s", err, b.String())
	}
}

// Whoever has a certificate must not be able to write a line or a field of his own.
func TestHostileNames(t *testing.T) {
	f := newFixture(t)
	key := f.clients["right"].key
	c := f.root.issue(t, "x\" - - Success\n2026-11-27T00:00:00.000000Z <script>\x1b[31m", key.Public(), nil, nil)
	e := Entry{Time: time.Now(), Client: "127.0.0.1", Status: success, Trace: "TID_00112233445566778899aabbccddeeff", Balancer: "tlsfloor", Address: "::1"}
	e.shown(tls.ConnectionState{Version: tls.VersionTLS12, CipherSuite: 0xc02f, PeerCertificates: []*x509.Certificate{c}})
	if !awsLine.MatchString(e.Line()) || strings.ContainsAny(e.Line(), "\n\x1b") {
		t.Errorf("%q", e.Line())
	}
	for _, h := range slices.Concat(e.Headers(Verify), e.Headers(Passthrough)) {
		if strings.ContainsAny(h.Value, "\r\n\x1b\"") {
			t.Errorf("%q", h)
		}
	}
}

func FuzzCertificate(f *testing.F) {
	text, err := os.ReadFile(filepath.Join("testdata", "client.pem"))
	if err != nil {
		f.Fatal(err)
	}
	block, _ := pem.Decode(text)
	f.Add(block.Bytes)
	b := &Balancer{Options: Options{Mode: Verify}.withDefaults(), roots: x509.NewCertPool()}
	f.Fuzz(func(t *testing.T, der []byte) {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return
		}
		b.check([]*x509.Certificate{c})
		e := Entry{Status: success, Trace: trace(), Balancer: "tlsfloor"}
		e.shown(tls.ConnectionState{Version: tls.VersionTLS12, CipherSuite: 0xc02f, PeerCertificates: []*x509.Certificate{c}})
		if strings.ContainsAny(e.Line(), "\r\n") || strings.Count(e.Line(), `"`) > 2 {
			t.Errorf("%q", e.Line())
		}
		for _, h := range slices.Concat(e.Headers(Verify), e.Headers(Passthrough)) {
			if strings.ContainsAny(h.Value, "\r\n\x00") {
				t.Errorf("%q", h)
			}
		}
	})
}
