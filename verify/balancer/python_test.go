package balancer

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// python connects with an identity at one version, and prints how that ended.
const python = `import ssl, socket, sys, warnings
warnings.simplefilter("ignore")
port, version, ca, chain, key, password = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, version)
try:
    if chain:
        context.load_cert_chain(chain, key, password or None)
    with context.wrap_socket(socket.create_connection(("localhost", int(port))), server_hostname="localhost") as s:
        s.sendall(b"GET / HTTP/1.0\r\n\r\n")
        got = b""
        while part := s.recv(4096):
            got += part
        print("page" if b"X-Amzn-Mtls-Clientcert-Leaf: " in got else got)
except ssl.SSLError as e:
    print(e.reason or "PEM_LIB" if "PEM lib" in str(e) else e.reason)
`

// TestRealPython is the built Python with every kind of certificate, at both versions: what it says, and what
// the balancer logs.
func TestRealPython(t *testing.T) {
	interpreter := os.Getenv("TLSFLOOR_TEST_PYTHON")
	if interpreter == "" {
		t.Skip("TLSFLOOR_TEST_PYTHON names no Python")
	}
	f := newFixture(t)
	r := start(t, Options{Mode: Verify, Trust: []*x509.Certificate{f.root.cert}, Revoked: f.revoked})
	dir := t.TempDir()
	for version, spoken := range map[string]string{"TLSv1_2": "TLSv1.2", "TLSv1_3": "TLSv1.3"} {
		for _, name := range []string{"", "right", "expired", "not yet valid", "revoked", "purpose", "untrusted", "too deep", "deep enough"} {
			chain, key := f.clients[name].write(t, dir, "")
			r.connect(t, interpreter, version, name, []string{chain, key, ""}, func(said string, e Entry) bool {
				switch code := f.codes[name]; {
				case name == "":
					// At TLS 1.2 crypto/tls refuses with handshake_failure, at 1.3 the alert comes after the
					// client has connected.
					return e.Status == failed+UnmappedConnectionError && (said == "TLSV13_ALERT_CERTIFICATE_REQUIRED" || said == "SSLV3_ALERT_HANDSHAKE_FAILURE")
				case code == "":
					return e.Status == success && said == "page" && e.Protocol == spoken
				default:
					return e.Status == failed+code && said == "SSLV3_ALERT_BAD_CERTIFICATE" && e.Protocol == spoken
				}
			})
		}
		chain, key := f.clients["right"].write(t, dir, "right")
		r.connect(t, interpreter, version, "right password", []string{chain, key, "right"}, func(said string, e Entry) bool { return said == "page" && e.Status == success })
		if out, err := exec.Command(interpreter, "-c", python, fmt.Sprint(r.Port()), version, r.Files().CA, chain, key, "wrong").Output(); err != nil || strings.TrimSpace(string(out)) != "PEM_LIB" {
			t.Errorf("a wrong password: %q, %v", out, err)
		}
	}
}

// write puts an identity's files into dir; a password encrypts the key.
func (i identity) write(t *testing.T, dir, password string) (chain, key string) {
	t.Helper()
	if i.chain == nil {
		return "", ""
	}
	der, err := x509.MarshalECPrivateKey(i.key.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	block := &pem.Block{Type: "EC PRIVATE KEY", Bytes: der}
	if password != "" {
		if block, err = x509.EncryptPEMBlock(rand.Reader, block.Type, der, []byte(password), x509.PEMCipherAES256); err != nil {
			t.Fatal(err)
		}
	}
	var text bytes.Buffer
	for _, c := range i.chain {
		pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
	}
	chain, key = filepath.Join(dir, "chain.pem"), filepath.Join(dir, "key.pem")
	for path, data := range map[string][]byte{chain: text.Bytes(), key: pem.EncodeToMemory(block)} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return chain, key
}

// connect runs the Python once, and holds what it says and what was logged against want.
func (r *running) connect(t *testing.T, interpreter, version, name string, files []string, want func(said string, e Entry) bool) {
	t.Helper()
	r.mu.Lock()
	before := len(r.log)
	r.mu.Unlock()
	out, err := exec.Command(interpreter, append([]string{"-c", python, fmt.Sprint(r.Port()), version, r.Files().CA}, files...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	said := strings.TrimSpace(string(out))
	if len(r.log) <= before {
		t.Errorf("%s, %q: nothing was logged; it says %s", version, name, said)
	} else if e := r.log[before]; !want(said, e) {
		t.Errorf("%s, %q: it says %s, and the log %s", version, name, said, e.Line())
	}
}
