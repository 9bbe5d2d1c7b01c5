package advice

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tlsfloor/tlsfloor/verify/server"
)

func TestEntriesAreWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range entries {
		if seen[e.ID] || e.Means == "" || e.Fault == "" || len(e.Do) == 0 {
			t.Errorf("%s: twice, or without meaning, side or advice", e.ID)
		}
		seen[e.ID] = true
	}
}

func TestUnknownTextGetsNoAnswer(t *testing.T) {
	for _, text := range []string{"", "ok", "HTTP/1.1 200 OK", "Traceback (most recent call last): KeyError: 'verify'", "certificate"} {
		if got := Explain(text); len(got) > 0 {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// The wrapper counts only where nothing else is known, and the exact entry stands for the general one.
func TestMostTelling(t *testing.T) {
	const wrapped = "urllib3.exceptions.MaxRetryError: HTTPSConnectionPool(host='localhost', port=4433): Max retries exceeded with url: / (Caused by "
	for text, want := range map[string]string{
		wrapped + "SSLError(SSLError(1, '[SSL: UNSUPPORTED_PROTOCOL] unsupported protocol (_ssl.c:1108)')))":                                                                   "UNSUPPORTED_PROTOCOL",
		wrapped + "SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local issuer certificate (_ssl.c:1032)')))": "CERTIFICATE_VERIFY_FAILED/unknown CA",
		"code: 'CERT_HAS_EXPIRED'":                                                    "CERTIFICATE_VERIFY_FAILED/expired",
		"code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'":                                     "CERTIFICATE_VERIFY_FAILED/unknown CA",
		"code: 'ERR_TLS_CERT_ALTNAME_INVALID'":                                        "CERTIFICATE_VERIFY_FAILED/hostname",
		"PKIX path building failed: unable to find valid":                             "CERTIFICATE_VERIFY_FAILED/unknown CA",
		"SSLHandshakeException: No appropriate protocol":                              "NO_PROTOCOLS_AVAILABLE",
		"Received fatal alert: protocol_version":                                      "TLSV1_ALERT_PROTOCOL_VERSION",
		"AttributeError: module service_identity has no attribute SICertificateError": "CERTIFICATE_VERIFY_FAILED/hostname",
		wrapped + "NewConnectionError('<urllib3.connection.HTTPSConnection object at 0x7f>: Failed to establish a new connection: [Errno 111] Connection refused'))": "MaxRetryError",
	} {
		got := Explain(text)
		if len(got) != 1 || got[0].ID != want {
			t.Errorf("%q: %v, not %s", text, got, want)
		}
	}
}

// client is a Python that connects and ends with its error, as a program of a user would. What it does to
// itself is the third argument.
const client = `
import os, ssl, sys, urllib.request
url, folder, own = sys.argv[1:]
context = ssl.create_default_context(cafile=os.path.join(folder, "ca.pem"))
if own == "max11":
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_1
elif own == "ciphers":
    context.set_ciphers("NOSUCH")
elif own == "crl":
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
elif own == "revoked":
    context.load_verify_locations(os.path.join(folder, "crl.pem"))
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
elif own in ("stranger", "small"):
    context.load_cert_chain(os.path.join(folder, own + ".pem"))
elif own == "key":
    context.load_cert_chain(os.path.join(folder, "client.pem"), os.path.join(folder, "sealed-key.pem"), "not the password")
with urllib.request.urlopen(url, context=context, timeout=10) as answer:
    answer.read()
`

// provoked are the scenarios of verify/server, with what the client does to itself there, and what has to be
// found. A Python without a floor may stop earlier, for another reason.
var provoked = []struct{ scenario, own, want, weak string }{
	{"cert-expired", "", "CERTIFICATE_VERIFY_FAILED/expired", ""},
	{"cert-not-yet-valid", "", "CERTIFICATE_VERIFY_FAILED/not yet valid", ""},
	{"cert-other-name", "", "CERTIFICATE_VERIFY_FAILED/hostname", ""},
	{"cert-untrusted", "", "CERTIFICATE_VERIFY_FAILED/unknown CA", ""},
	{"cert-revoked", "revoked", "CERTIFICATE_VERIFY_FAILED/revoked", ""},
	{"any", "crl", "CERTIFICATE_VERIFY_FAILED/no CRL", ""},
	{"tls11", "", "TLSV1_ALERT_PROTOCOL_VERSION", "LEGACY_SIGALG_DISALLOWED_OR_UNSUPPORTED"},
	{"hello-0302", "", "UNSUPPORTED_PROTOCOL", "UNEXPECTED_EOF_WHILE_READING"},
	{"any", "max11", "NO_PROTOCOLS_AVAILABLE", "LEGACY_SIGALG_DISALLOWED_OR_UNSUPPORTED"},
	{"no-renegotiation-info", "", "UNSAFE_LEGACY_RENEGOTIATION_DISABLED", ""},
	{"null", "", "WRONG_CIPHER_RETURNED", ""},
	{"sentinel12", "", "INAPPROPRIATE_FALLBACK", ""},
	{"client-cert", "", "TLSV13_ALERT_CERTIFICATE_REQUIRED", ""},
	{"hello-sv0302", "", "BAD_PROTOCOL_VERSION_NUMBER", ""},
	{"client-cert", "stranger", "TLSV1_ALERT_UNKNOWN_CA", ""},
	{"any", "small", "EE_KEY_TOO_SMALL", ""},
	{"any", "ciphers", "NO_CIPHER_MATCH", ""},
	{"any", "key", "PEM_LIB", ""},
}

// elsewhere are entries that the tests of the built toolchain provoke, with urllib3, PyMongo, psycopg2 and
// psql.
var elsewhere = []string{"CERTIFICATE_VERIFY_FAILED", "CERTIFICATE_VERIFY_FAILED/strict", "INVALID_STATUS_RESPONSE", "SSLV3_ALERT_HANDSHAKE_FAILURE", "SSLV3_ALERT_BAD_CERTIFICATE", "MaxRetryError",
	"SERVER_WITHOUT_TLS", "NO_ENCRYPTION", "ROOT_CERTIFICATE"}

// TestUntestedAreNamed holds what docs/errors.md says of entries that no real client was made to print.
func TestUntestedAreNamed(t *testing.T) {
	tested := map[string]bool{"WRONG_VERSION_NUMBER": true} // of a server in the clear
	for _, p := range provoked {
		tested[p.want], tested[p.weak] = true, true
	}
	for _, id := range elsewhere {
		tested[id] = true
	}
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "errors.md"))
	if err != nil {
		t.Fatal(err)
	}
	said, _, _ := strings.Cut(string(text), "<!-- entries -->")
	for _, e := range entries {
		if named := strings.Contains(said, "`"+e.ID+"`"); named == tested[e.ID] {
			t.Errorf("%s: tested %v, and named as untested %v", e.ID, tested[e.ID], named)
		}
	}
}

// TestRealClients has real Pythons fail in every way that a server of ours makes them fail, and explains what
// they printed.
func TestRealClients(t *testing.T) {
	tried := 0
	for _, python := range []string{os.Getenv("TLSFLOOR_TEST_PYTHON"), "/usr/bin/python3"} {
		if python == "" || exec.Command(python, "-c", "import ssl, urllib.request").Run() != nil {
			continue
		}
		tried++
		t.Run(python, func(t *testing.T) {
			weak := exec.Command(python, "-c", "import ssl; assert ssl.HAS_TLSv1_1").Run() == nil
			ports := started(t)
			for _, p := range provoked {
				want := p.want
				if weak && p.weak != "" {
					want = p.weak
				}
				text := failure(t, python, ports[p.scenario], p.own)
				if got := Explain(text); len(got) == 0 || got[0].ID != want {
					t.Errorf("%s %s: %v, not %s, of\n%s", p.scenario, p.own, got, want, text)
				}
			}
			text := failure(t, python, ports[""], "")
			if got := Explain(text); len(got) == 0 || got[0].ID != "WRONG_VERSION_NUMBER" {
				t.Errorf("a server in the clear: %v, of\n%s", got, text)
			}
		})
	}
	if tried == 0 {
		t.Skip("no Python with ssl here, and TLSFLOOR_TEST_PYTHON is not set")
	}
}

// place is where a client of a test goes, and where its files are.
type place struct{ url, folder string }

// started runs all scenarios, and as the one without a name a server that speaks no TLS.
func started(t *testing.T) map[string]place {
	t.Helper()
	dir := t.TempDir()
	s, err := server.Start(server.Options{Scenarios: server.Scenarios(0), Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan struct{})
	go func() {
		s.Serve(ctx)
		close(served)
	}()
	for name, bits := range map[string]int{"stranger": 2048, "small": 1024} {
		if err := os.WriteFile(filepath.Join(dir, name+".pem"), selfSigned(t, bits), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(func() {
		cancel()
		s.Close()
		<-served
		plain.Close()
	})
	places := map[string]place{"": {strings.Replace(plain.URL, "http:", "https:", 1), dir}}
	for _, p := range s.Places() {
		places[p.Name] = place{p.URL, dir}
	}
	return places
}

// selfSigned is a key of so many bits with a certificate of its own, in one file.
func selfSigned(t *testing.T, bits int) []byte {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a stranger"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
}

// TestCurl has curl fail, whose words are others.
func TestCurl(t *testing.T) {
	if exec.Command("curl", "--version").Run() != nil {
		t.Skip("no curl here")
	}
	places := started(t)
	for scenario, want := range map[string]string{"cert-expired": "CERTIFICATE_VERIFY_FAILED/expired", "cert-other-name": "CERTIFICATE_VERIFY_FAILED/hostname", "cert-untrusted": "CERTIFICATE_VERIFY_FAILED/unknown CA",
		"client-cert": "TLSV13_ALERT_CERTIFICATE_REQUIRED", "": "WRONG_VERSION_NUMBER"} {
		at := places[scenario]
		out, err := exec.CommandContext(t.Context(), "curl", "-sS", "-m", "20", "--cacert", filepath.Join(at.folder, "ca.pem"), at.url).CombinedOutput()
		if got := Explain(string(out)); err == nil || len(got) == 0 || got[0].ID != want {
			t.Errorf("%s: %v, %v, not %s, of\n%s", scenario, err, got, want, out)
		}
	}
}

// failure is what a client prints that must fail.
func failure(t *testing.T, python string, at place, own string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, python, "-I", "-c", client, at.url, at.folder, own)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8"}
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Errorf("%s %s: it connects", at.url, own)
	}
	return string(out)
}
