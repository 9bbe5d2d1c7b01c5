package command

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tlsfloor/tlsfloor/verify"
	"github.com/tlsfloor/tlsfloor/verify/advice"
	"github.com/tlsfloor/tlsfloor/verify/wire"
)

// explains holds `explain` against a text that a real client printed.
func explains(t *testing.T, want, text string) {
	t.Helper()
	if got := advice.Explain(text); len(got) == 0 || got[0].ID != want {
		t.Errorf("%v, not %s, of\n%s", got, want, text)
	}
}

// meanings are the reasons that the cases of client libraries end with.
var meanings = map[string]string{
	"TLSV1_ALERT_PROTOCOL_VERSION": "TLSV1_ALERT_PROTOCOL_VERSION", "INVALID_STATUS_RESPONSE": "INVALID_STATUS_RESPONSE", "SSLV3_ALERT_HANDSHAKE_FAILURE": "SSLV3_ALERT_HANDSHAKE_FAILURE",
	"PEM_LIB": "PEM_LIB", "PRIVATE_KEY": "PEM_LIB", "HOST_NAME_MISMATCH": "CERTIFICATE_VERIFY_FAILED/hostname", "CertificateError": "CERTIFICATE_VERIFY_FAILED/hostname",
	"SERVER_WITHOUT_TLS": "SERVER_WITHOUT_TLS",
}

// byCode are the kinds of CERTIFICATE_VERIFY_FAILED, by X509_verify_cert's code; libpq says none.
var byCode = map[int]string{0: "", 9: "/not yet valid", 10: "/expired", 20: "/unknown CA", 23: "/revoked", 62: "/hostname"}

// explainsAll holds `explain` against what the libraries said in a proof. It returns the entries that were
// met.
func explainsAll(t *testing.T, p *verify.Proof) map[string]bool {
	t.Helper()
	met := map[string]bool{}
	for _, f := range p.Findings {
		trials, offers := append([]verify.Trial{f.Trial}, f.Controls...), []verify.Offer{f.Case.Offer}
		for _, c := range f.Case.Controls {
			offers = append(offers, c.Offer)
		}
		for i, trial := range trials {
			r := trial.Report
			if offers[i].Setup.Library == "" || offers[i].Who != verify.Python || r.OK || r.Text == "" {
				continue
			}
			want := meanings[r.Reason]
			if r.Reason == "CERTIFICATE_VERIFY_FAILED" {
				want = r.Reason + byCode[r.Verify]
				if a := trial.Got.Alert; offers[i].Setup.Library == verify.PyMongoOCSP || a == nil || a.Description == wire.BadStatusResponse {
					continue
				}
			}
			if want != "" {
				met[want] = true
				explains(t, want, r.Text)
			}
		}
	}
	return met
}

// explainHand are errors that no case of the judge ends with.
func (r *real) explainHand(t *testing.T, python string) {
	run := func(program string, args ...string) string {
		cmd := exec.Command(python, append([]string{"-c", program}, args...)...)
		cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8"}
		out, err := cmd.CombinedOutput()
		if err == nil {
			t.Errorf("%q ends well", program)
		}
		return string(out)
	}
	// Nobody listens: what urllib3 wraps is no TLS.
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	explains(t, "MaxRetryError", run(`import sys, urllib3; urllib3.PoolManager().request("GET", sys.argv[1], retries=1)`, "https://"+l.Addr().String()+"/"))

	const connects = `import ssl, socket, sys
context = ssl.create_default_context(cafile=sys.argv[2])
if len(sys.argv) > 3:
    context.load_cert_chain(sys.argv[3], sys.argv[4])
with context.wrap_socket(socket.create_connection(("localhost", int(sys.argv[1]))), server_hostname="localhost") as s:
    s.sendall(b"GET / HTTP/1.0\r\n\r\n")
    while s.recv(1024):
        pass
`
	careless := carelessAuthority(t)
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, careless.pem(), 0o644); err != nil {
		t.Fatal(err)
	}
	explains(t, "CERTIFICATE_VERIFY_FAILED/strict", run(connects, greet(t, careless), file))

	// The server knows no CA of the client's certificate: it is the server's own here, which its list does
	// not hold.
	openssl := filepath.Join(r.site().Dir(1), "openssl", "bin", "openssl")
	addr, cert := r.page(t, openssl, "-Verify", "1", "-verify_return_error", "-CAfile", file)
	explains(t, "TLSV1_ALERT_UNKNOWN_CA", run(connects, addr[strings.LastIndexByte(addr, ':')+1:], cert, cert, filepath.Join(filepath.Dir(cert), "key.pem")))
}

// carelessAuthority is a CA as many are made by hand: without keyUsage.
func carelessAuthority(t *testing.T) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "careless"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{cert, key}
}
