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
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
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

// get asks for the page as a client with an identity, and returns the page, the client's error and the log's
// entry.
func (r *running) get(t testing.TB, i identity, version uint16, name string) (body string, e Entry,
	err error) {
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
			return body, e, err
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
			body, e, err := r.get(t, client, version, "localhost")
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
		if _, e, err := r.get(t, identity{}, version, "localhost"); err == nil ||
			e.Status != failed+UnmappedConnectionError || e.Subject != "" {
			t.Errorf("%s, no certificate: %s, %v", spoken, e.Line(), err)
		}
	}
}

func TestPassthrough(t *testing.T) {
	f := newFixture(t)
	r := start(t, Options{Mode: Passthrough})
	for name, client := range f.clients {
		body, e, err := r.get(t, client, tls.VersionTLS13, "localhost")
		if err != nil || e.Status != success {
			t.Errorf("%s: %s, %v", name, e.Line(), err)
		}
		_, rest, _ := strings.Cut(body, "X-Amzn-Mtls-Clientcert: ")
		value, _, _ := strings.Cut(rest, "\n")
		if got := decoded(t, value); len(got) != len(client.chain) || !got[0].Equal(client.chain[0]) {
			t.Errorf("%s: %d certificates in the header, not %d", name, len(got), len(client.chain))
		}
	}
	if body, e, err := r.get(t, identity{}, tls.VersionTLS13, "localhost"); err != nil ||
		e.Status != success || !strings.Contains(body, "none: the client showed no certificate") {
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

// Two names are never written as one.
func TestNamesStayApart(t *testing.T) {
	f := newFixture(t)
	key := f.clients["right"].key
	seen := map[string]string{}
	for _, name := range []string{`a"b`, `a\22b`, `a\"b`, `a\b`, "a\nb", `a,b`, `a\,b`, "aüb"} {
		text := distinguished(f.root.issue(t, name, key.Public(), nil, nil).RawSubject)
		if other, ok := seen[text]; ok {
			t.Errorf("%q and %q are both %s", name, other, text)
		}
		if seen[text] = name; strings.ContainsAny(text, "\n\"") {
			t.Errorf("%q is %s", name, text)
		}
	}
}

// Each name has its certificate, and a client that asks for none, or for another, gets the first.
func TestNames(t *testing.T) {
	r := start(t, Options{Mode: Passthrough, Names: []string{"a.example", "b.example"}})
	for name, works := range map[string]bool{"localhost": true, "a.example": true, "b.example": true, "c.example": false} {
		if _, e, err := r.get(t, identity{}, tls.VersionTLS13, name); (err == nil) != works {
			t.Errorf("%s: %v, %s", name, err, e.Line())
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
	if _, e, err := r.get(t, f.clients["right"], tls.VersionTLS13, "localhost"); err != nil {
		t.Errorf("%v, %s", err, e.Line())
	}
	wait.Wait()
}
