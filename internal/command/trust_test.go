package command

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tlsfloor/tlsfloor/artifacts/deploy"
	"github.com/tlsfloor/tlsfloor/artifacts/deploy/deploytest"
	"github.com/tlsfloor/tlsfloor/internal/engine/cacerts"
	"github.com/tlsfloor/tlsfloor/internal/engine/store"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
)

// authority is a CA of a test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(name string, days int) (authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return authority{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name, Organization: []string{"Example"}},
		NotBefore: time.Now().AddDate(0, 0, -400), NotAfter: time.Now().AddDate(0, 0, days).Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return authority{}, err
	}
	cert, err := x509.ParseCertificate(der)
	return authority{cert, key}, err
}

func (a authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// server issues a certificate for localhost.
func (a authority) server() (tls.Certificate, error) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 0, 1), KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// certify writes the certificate of a new CA, of certain days to live, to a file: certify <file> <name>
// <days>. One more argument is a file that the certificate is appended to as well.
func certify(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 3 {
		ts.Fatalf("usage: certify <file> <name> <days> [bundle]")
	}
	days, err := strconv.Atoi(args[2])
	ts.Check(err)
	a, err := newAuthority(args[1], days)
	ts.Check(err)
	ts.Check(os.MkdirAll(filepath.Dir(ts.MkAbs(args[0])), 0o755))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), a.pem(), 0o644))
	if len(args) > 3 {
		f, err := os.OpenFile(ts.MkAbs(args[3]), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		ts.Check(err)
		_, err = f.Write(append([]byte("some text\n"), a.pem()...))
		ts.Check(errors.Join(err, f.Close()))
	}
}

const mozillaRecipe = `name: mozilla-ca
versions:
  - version: "%[1]s"
    sources:
      - file: ca-certificates_%[1]s.tar.gz
        sha256: %[2]s
        size: %[3]d
        urls: [https://mozilla.example/]
        signature: none
        unsigned: a test has no key
        vouched: the test that made it
`

// mozilla pins a newer list of Mozilla's with the certificate of one file: mozilla <version> <file>.
func mozilla(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: mozilla <version> <file>")
	}
	block, _ := pem.Decode([]byte(ts.ReadFile(args[1])))
	cert, err := x509.ParseCertificate(block.Bytes)
	ts.Check(err)
	octal := func(b []byte) string {
		text := "MULTILINE_OCTAL\n"
		for _, c := range b {
			text += fmt.Sprintf("\\%03o", c)
		}
		return text + "\nEND\n"
	}
	sum := sha1.Sum(cert.Raw)
	text := "CKA_CLASS CK_OBJECT_CLASS CKO_CERTIFICATE\nCKA_ISSUER " + octal(cert.RawIssuer) + "CKA_VALUE " + octal(cert.Raw) +
		"CKA_CLASS CK_OBJECT_CLASS CKO_NSS_TRUST\nCKA_ISSUER " + octal(cert.RawIssuer) + "CKA_CERT_SHA1_HASH " + octal(sum[:]) + "CKA_TRUST_SERVER_AUTH CK_TRUST CKT_NSS_TRUSTED_DELEGATOR\n"
	b := tarball(ts, [][2]string{{"ca-certificates/mozilla/certdata.txt", text}})
	site(ts, map[string]string{
		"mirror/ca-certificates_" + args[0] + ".tar.gz": string(b),
		"site/mozilla-ca.yaml":                          fmt.Sprintf(mozillaRecipe, args[0], digest.Of(b), len(b)),
	})
}

const emptyProfile = `name: empty
summary: an openssl that does nothing
floor: "1.2"
versions: {openssl: %s}
prefixes: {openssl: openssl-empty}
controls: []
`

// accept builds the profile empty, whose openssl is a script, of the version that the argument names, in a
// process that takes any proof. It leaves TLSFLOOR_ROOT and flags in the environment to the script.
func accept(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: accept <version>")
	}
	name := "openssl-" + args[0]
	b := tarball(ts, [][2]string{
		{name + "/build.sh", "printf '#!/bin/sh\\n# " + args[0] + "\\n' >wrapper; chmod 755 wrapper\n"},
		{name + "/install.sh", "mkdir -p \"$1/bin\" && cp wrapper \"$1/bin/openssl\"\n"},
	})
	site(ts, map[string]string{
		"site/profiles/empty.yaml":   fmt.Sprintf(emptyProfile, args[0]),
		"mirror/" + name + ".tar.gz": string(b),
		"site/openssl.yaml":          fmt.Sprintf(impostorRecipe, "openssl", args[0], digest.Of(b), len(b)),
	})
	ts.Setenv("TLSFLOOR_PROFILE", "empty")
	self, err := os.Executable()
	ts.Check(err)
	ts.Setenv("TLSFLOOR_CRASH", "none:0")
	defer ts.Setenv("TLSFLOOR_CRASH", "")
	if err := ts.Exec(self); (err != nil) != neg {
		ts.Fatalf("it ended with %v", err)
	}
}

// rotation is an installed OpenSSL's cert.pem, a server, and clients that never stop connecting.
type rotation struct {
	t          *testing.T
	site       deploy.Site
	dir        string
	serving    atomic.Pointer[tls.Certificate]
	connected  atomic.Int64
	refused    atomic.Pointer[error]
	addr       string
	stop       chan struct{}
	running    sync.WaitGroup
	authorized map[string]authority
}

// TestRotation exchanges a server's CA for a new one of the same name while clients connect: none of them
// fails. The other order fails.
func TestRotation(t *testing.T) {
	r := newRotation(t, "old", "new")
	r.trust("trust:add", "-cafiles="+r.file("old"))
	r.serve("old")
	r.clients(4)
	r.seen()
	r.trust("trust:add", "-cafiles="+r.file("new"))
	r.seen()
	r.serve("new")
	r.seen()
	r.trust("trust:remove", "-sha256="+digest.Of(r.authorized["old"].cert.Raw).String())
	r.seen()
	close(r.stop)
	r.running.Wait()
	if err := r.refused.Load(); err != nil {
		t.Fatalf("a client was without its server: %v", *err)
	}
	t.Logf("%d connections, none refused", r.connected.Load())

	// What would have been the outage: the server's certificate first.
	r.serve("old")
	if err, ok := errors.AsType[x509.UnknownAuthorityError](r.connect()); !ok {
		t.Errorf("a server of the CA that was removed: %v", err)
	}
}

func newRotation(t *testing.T, names ...string) *rotation {
	dir := t.TempDir()
	r := &rotation{t: t, dir: dir, stop: make(chan struct{}), authorized: map[string]authority{},
		site: deploy.Site{Base: filepath.Join(dir, "opt"), Profile: "min-tls1_2", Prefixes: map[string]string{"openssl": "o"}}}
	installEmpty(t, r.site, "one")
	for _, name := range names {
		a, err := newAuthority("One Name", 10)
		if err != nil {
			t.Fatal(err)
		}
		r.authorized[name] = a
		if err := os.WriteFile(r.file(name), a.pem(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return r.serving.Load(), nil }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	r.addr = l.Addr().String()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				conn.(*tls.Conn).Handshake() // the client says what came of it
				conn.Close()
			}()
		}
	}()
	return r
}

// installEmpty installs a generation whose openssl is one file, with nothing trusted.
func installEmpty(t *testing.T, site deploy.Site, text string) {
	t.Helper()
	dir := t.TempDir()
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "file"), []byte(text), 0o644), os.MkdirAll(site.Base, 0o755)); err != nil {
		t.Fatal(err)
	}
	st, err := store.Open(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	output, err := st.AddTree(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	g := deploy.Generation{Profile: site.Profile, Created: time.Now(), Components: map[string]deploy.Component{"openssl": {Version: "0", Prefix: site.Prefix("openssl"), Output: output}}}
	g, err = site.Stage(t.Context(), deploy.FromStore(st), g)
	if err == nil {
		_, err = site.SetTrust(deploy.Trust{Mode: "host", Anchors: cacerts.List{}})
	}
	if err != nil {
		t.Fatal(err)
	}
	deploytest.Use(t, site, g)
}

func (r *rotation) file(name string) string { return filepath.Join(r.dir, name+".pem") }

func (r *rotation) trust(args ...string) {
	r.t.Helper()
	cmd := exec.Command(program, append(args, "-prefix="+r.site.Base)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		r.t.Fatalf("%v: %v\n%s", args, err, out)
	}
}

func (r *rotation) serve(name string) {
	r.t.Helper()
	cert, err := r.authorized[name].server()
	if err != nil {
		r.t.Fatal(err)
	}
	r.serving.Store(&cert)
}

// clients connect until the rotation is over. Each reads cert.pem anew, as a program does that starts then.
func (r *rotation) clients(n int) {
	for range n {
		r.running.Go(func() {
			for {
				select {
				case <-r.stop:
					return
				default:
				}
				if err := r.connect(); err != nil {
					r.refused.CompareAndSwap(nil, &err)
					return
				}
				r.connected.Add(1)
			}
		})
	}
}

func (r *rotation) connect() error {
	bundle, err := os.ReadFile(filepath.Join(r.site.Base, "o", "ssl", "cert.pem"))
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(bundle)
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	conn, err := tls.DialWithDialer(dialer, "tcp", r.addr, &tls.Config{RootCAs: pool, ServerName: "localhost", MinVersion: tls.VersionTLS12})
	if err != nil {
		return err
	}
	return conn.Close()
}

// seen waits for connections that began after the last change.
func (r *rotation) seen() {
	r.t.Helper()
	until := r.connected.Load() + 40
	for range 3000 {
		if err := r.refused.Load(); err != nil {
			r.t.Fatalf("a client was without its server: %v", *err)
		}
		if r.connected.Load() >= until {
			return
		}
		time.Sleep(10 * time.Millisecond) // polls for what the clients do; 30 s at most
	}
	r.t.Fatal("the clients connect no more")
}

// TestTrustCommandsTogether adds many CAs at the same time: all are there afterwards.
func TestTrustCommandsTogether(t *testing.T) {
	r := newRotation(t, "a", "b", "c", "d")
	var group sync.WaitGroup
	for name := range r.authorized {
		group.Go(func() {
			if out, err := exec.Command(program, "trust:add", "-cafiles="+r.file(name), "-prefix="+r.site.Base).CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
	group.Wait()
	bundle, err := os.ReadFile(r.site.TrustPath())
	if err != nil || strings.Count(string(bundle), "-----BEGIN CERTIFICATE-----") != len(r.authorized) {
		t.Errorf("cert.pem: %v\n%s", err, bundle)
	}
}
