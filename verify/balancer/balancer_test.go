package balancer

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

// authority is a CA of a test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

var serials int64 = 0xA0

// issue signs a certificate; a nil authority signs its own.
func (a *authority) issue(t testing.TB, name string, public crypto.PublicKey, signer *ecdsa.PrivateKey, change func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	serials++
	template := &x509.Certificate{SerialNumber: big.NewInt(serials), Subject: pkix.Name{CommonName: name, Organization: []string{"Example, Ltd."}, Country: []string{"US"}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	if change != nil {
		change(template)
	}
	parent := template
	if a != nil {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func asCA(c *x509.Certificate) {
	c.IsCA, c.KeyUsage, c.ExtKeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign, nil
}

func newCA(t testing.TB, name string, by *authority) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{by.issue(t, name, key.Public(), key, asCA), key}
}

// identity is what a client shows.
type identity struct {
	chain []*x509.Certificate
	key   crypto.Signer
}

func (i identity) tls() tls.Certificate {
	c := tls.Certificate{PrivateKey: i.key}
	for _, one := range i.chain {
		c.Certificate = append(c.Certificate, one.Raw)
	}
	return c
}

// fixture is one trust store and a client for each way to be refused.
type fixture struct {
	root    *authority
	clients map[string]identity
	codes   map[string]string
	revoked []*x509.RevocationList
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{root: newCA(t, "Root", nil), clients: map[string]identity{}, codes: map[string]string{}}
	other := newCA(t, "Other", nil)
	add := func(name, code string, by *authority, change func(*x509.Certificate), between ...*x509.Certificate) {
		f.clients[name] = identity{append([]*x509.Certificate{by.issue(t, name, key.Public(), nil, change)}, between...), key}
		f.codes[name] = code
	}
	add("right", "", f.root, nil)
	add("expired", ClientCertExpired, f.root, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	add("not yet valid", ClientCertNotYetValid, f.root, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(30 * time.Minute) })
	add("revoked", ClientCertCrlHit, f.root, nil)
	add("purpose", ClientCertPurposeInvalid, f.root, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })
	add("untrusted", ClientCertUntrusted, other, nil)
	a := newCA(t, "A", f.root)
	b := newCA(t, "B", a)
	c := newCA(t, "C", b)
	add("deep enough", "", a, nil, a.cert)
	add("too deep", ClientCertMaxChainDepthExceeded, c, nil, c.cert, b.cert, a.cert)
	add("too long", ClientCertMaxChainDepthExceeded, f.root, nil, a.cert, b.cert, c.cert, other.cert)
	add("too large", ClientCertMaxSizeExceeded, f.root, func(c *x509.Certificate) {
		for i := range 1500 {
			c.DNSNames = append(c.DNSNames, fmt.Sprintf("a-name-that-fills-a-certificate-%d.example", i))
		}
	})
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	f.clients["small key"] = identity{[]*x509.Certificate{f.root.issue(t, "small key", small.Public(), nil, nil)}, small}
	public, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	f.clients["edwards"] = identity{[]*x509.Certificate{f.root.issue(t, "edwards", public, nil, nil)}, edwards}
	f.codes["small key"], f.codes["edwards"] = ClientCertTypeUnsupported, ClientCertTypeUnsupported
	f.revoked = []*x509.RevocationList{f.list(t, time.Hour, f.clients["revoked"].chain[0].SerialNumber)}
	return f
}

// list is the root's, valid for so long.
func (f *fixture) list(t testing.TB, life time.Duration, serials ...*big.Int) *x509.RevocationList {
	t.Helper()
	template := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now().Add(-2 * time.Hour), NextUpdate: time.Now().Add(life)}
	for _, s := range serials {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: s, RevocationTime: time.Now().Add(-time.Hour)})
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, f.root.cert, f.root.key)
	if err != nil {
		t.Fatal(err)
	}
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// running is a balancer and what it has logged.
type running struct {
	*Balancer
	mu  sync.Mutex
	log []Entry
	ca  *x509.CertPool
}

func start(t testing.TB, o Options) *running {
	t.Helper()
	r := &running{ca: x509.NewCertPool()}
	o.Dir, o.Report = t.TempDir(), func(e Entry) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.log = append(r.log, e)
	}
	var err error
	if r.Balancer, err = Start(o); err != nil {
		t.Fatal(err)
	}
	r.ca.AddCert(r.peer.CA())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { r.Serve(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	return r
}

// get asks for the page as a client with an identity, and returns the page, the client's error and the log's entry.
func (r *running) get(t testing.TB, i identity, version uint16, name string) (body string, err error, e Entry) {
	t.Helper()
	config := &tls.Config{RootCAs: r.ca, ServerName: name, MinVersion: tls.VersionTLS12, MaxVersion: version}
	if i.chain != nil {
		own := i.tls()
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &own, nil }
	}
	r.mu.Lock()
	before := len(r.log)
	r.mu.Unlock()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp4", fmt.Sprintf("127.0.0.1:%d", r.Port()))
	}}, Timeout: 10 * time.Second}
	answer, err := client.Get(fmt.Sprintf("https://%s:%d/", name, r.Port()))
	if err == nil {
		b, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		body = string(b)
	}
	for range 1000 {
		r.mu.Lock()
		if len(r.log) > before {
			e = r.log[before]
			r.mu.Unlock()
			return body, err, e
		}
		r.mu.Unlock()
		time.Sleep(10 * time.Millisecond) // polls for the log's line; 10 s at most
	}
	t.Fatal("nothing was logged")
	return
}

var bothVersions = map[uint16]string{tls.VersionTLS12: "TLSv1.2", tls.VersionTLS13: "TLSv1.3"}

func TestVerify(t *testing.T) {
	f := newFixture(t)
	r := start(t, Options{Mode: Verify, Trust: []*x509.Certificate{f.root.cert}, Revoked: f.revoked})
	for version, spoken := range bothVersions {
		for name, client := range f.clients {
			if version == tls.VersionTLS12 && (name == "edwards") {
				continue // crypto/tls does not offer it there
			}
			body, err, e := r.get(t, client, version, "localhost")
			want := success
			if f.codes[name] != "" {
				want = failed + f.codes[name]
			}
			if e.Status != want || (err == nil) != (want == success) || e.Protocol != spoken || e.Cipher == "" || e.Serial == "" || e.KeyExchange == "" || e.Latency <= 0 {
				t.Errorf("%s, %s: %s, %v", spoken, name, e.Line(), err)
			}
			if want == success && !strings.Contains(body, "X-Amzn-Mtls-Clientcert-Serial-Number: "+e.Serial+"\n") {
				t.Errorf("%s, %s: the page is %s", spoken, name, body)
			}
		}
		if _, err, e := r.get(t, identity{}, version, "localhost"); err == nil || e.Status != failed+UnmappedConnectionError || e.Subject != "" {
			t.Errorf("%s, no certificate: %s, %v", spoken, e.Line(), err)
		}
	}
}

func TestPassthrough(t *testing.T) {
	f := newFixture(t)
	r := start(t, Options{Mode: Passthrough})
	for name, client := range f.clients {
		body, err, e := r.get(t, client, tls.VersionTLS13, "localhost")
		if err != nil || e.Status != success {
			t.Errorf("%s: %s, %v", name, e.Line(), err)
		}
		_, rest, _ := strings.Cut(body, "X-Amzn-Mtls-Clientcert: ")
		value, _, _ := strings.Cut(rest, "\n")
		if got := decoded(t, value); len(got) != len(client.chain) || !got[0].Equal(client.chain[0]) {
			t.Errorf("%s: %d certificates in the header, not %d", name, len(got), len(client.chain))
		}
	}
	if body, err, e := r.get(t, identity{}, tls.VersionTLS13, "localhost"); err != nil || e.Status != success || !strings.Contains(body, "none: the client showed no certificate") {
		t.Errorf("no certificate: %s, %v", e.Line(), err)
	}
}

// decoded reads a header as a backend does.
func decoded(t testing.TB, value string) (chain []*x509.Certificate) {
	t.Helper()
	if strings.ContainsAny(value, " \n") {
		t.Errorf("%q is no header", value)
	}
	text, err := url.PathUnescape(value)
	if err != nil {
		t.Fatal(err)
	}
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return chain
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		chain = append(chain, c)
	}
}

// A list that decides nothing lets nobody through.
func TestLists(t *testing.T) {
	f := newFixture(t)
	forged := *f.list(t, time.Hour)
	forged.Signature = bytes.Clone(forged.Signature)
	forged.Signature[10] ^= 1
	later := *f.list(t, time.Hour)
	later.ThisUpdate = time.Now().Add(time.Hour)
	other := newCA(t, "Other", nil)
	foreign := *f.list(t, time.Hour, f.clients["right"].chain[0].SerialNumber)
	foreign.RawIssuer = other.cert.RawSubject
	for name, test := range map[string]struct {
		lists []*x509.RevocationList
		want  string
	}{
		"none":            {nil, ""},
		"empty":           {[]*x509.RevocationList{f.list(t, time.Hour)}, ""},
		"it is in it":     {[]*x509.RevocationList{f.list(t, time.Hour, f.clients["right"].chain[0].SerialNumber)}, ClientCertCrlHit},
		"of yesterday":    {[]*x509.RevocationList{f.list(t, -time.Hour)}, ClientCertCrlProcessingError},
		"of tomorrow":     {[]*x509.RevocationList{&later}, ClientCertCrlProcessingError},
		"forged":          {[]*x509.RevocationList{&forged}, ClientCertCrlProcessingError},
		"of another CA's": {[]*x509.RevocationList{&foreign}, ""},
	} {
		b := &Balancer{Options: Options{Revoked: test.lists}.withDefaults(), roots: x509.NewCertPool()}
		b.roots.AddCert(f.root.cert)
		got := ""
		if r := b.check(f.clients["right"].chain); r != nil {
			got = r.code
		}
		if got != test.want {
			t.Errorf("a list, %s: %q, not %q", name, got, test.want)
		}
	}
	// The list of the root names an authority below it.
	between := newCA(t, "Between", f.root)
	key := f.clients["right"].key
	leaf := between.issue(t, "below", key.Public(), nil, nil)
	b := &Balancer{Options: Options{Revoked: []*x509.RevocationList{f.list(t, time.Hour, between.cert.SerialNumber)}}.withDefaults(), roots: x509.NewCertPool()}
	b.roots.AddCert(f.root.cert)
	if r := b.check([]*x509.Certificate{leaf, between.cert}); r == nil || r.code != ClientCertCrlHit {
		t.Errorf("below a CA that was revoked: %v", r)
	}
}

// Each name has its certificate, and a client that asks for none, or for another, gets the first.
func TestNames(t *testing.T) {
	r := start(t, Options{Mode: Passthrough, Names: []string{"a.example", "b.example"}})
	for name, works := range map[string]bool{"localhost": true, "a.example": true, "b.example": true, "c.example": false} {
		if _, err, e := r.get(t, identity{}, tls.VersionTLS13, name); (err == nil) != works {
			t.Errorf("%s: %v, %s", name, err, e.Line())
		}
	}
}

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

// Peers that are not clients cost a line each, and nobody else anything.
func TestHostilePeers(t *testing.T) {
	f := newFixture(t)
	r := start(t, Options{Mode: Verify, Trust: []*x509.Certificate{f.root.cert}, Timeout: 2 * time.Second})
	var wait sync.WaitGroup
	for i := range 40 {
		wait.Go(func() {
			conn, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", r.Port()))
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(10 * time.Second))
			switch i % 4 {
			case 0:
				conn.Write([]byte("GET / HTTP/1.0\r\n\r\n"))
			case 1:
				conn.Write(bytes.Repeat([]byte{0x16, 3, 1, 0xff, 0xff}, 1000))
			case 2: // says nothing
			case 3:
				return
			}
			io.Copy(io.Discard, conn)
		})
	}
	if _, err, e := r.get(t, f.clients["right"], tls.VersionTLS13, "localhost"); err != nil {
		t.Errorf("%v, %s", err, e.Line())
	}
	wait.Wait()
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

// TestRealPython is the built Python with every kind of certificate, at both versions: what it says, and what the balancer logs.
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
					// At TLS 1.2 crypto/tls refuses with handshake_failure, at 1.3 the alert comes after the client has connected.
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
