package verify

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"golang.org/x/crypto/ocsp"

	"github.com/tlsfloor/tlsfloor/verify/wire"
)

var everyLibrary = []Installed{{URLLib3, "2.3.0"}, {Botocore, "1.37.9"}, {PyMongo, "4.10.1"},
	{PyMongoOCSP, "4.10.1"}, {Psycopg2, "2.9.10 (libpq 17.11)"}, {Psql, "17.11 (libpq 17.11)"}}

func TestLibraries(t *testing.T) {
	plain := len(CasesOf(KindPython, TLS12, "3.5.7", "3.13.15"))
	for _, floor := range []Floor{TLS12, TLS13} {
		names := map[string]bool{}
		for _, c := range CasesOf(KindPython, floor, "3.5.7", "3.13.15", everyLibrary...) {
			if names[c.Name] || c.Why == "" || len(c.Controls) == 0 {
				t.Errorf("floor %s: %s: twice, or without why or control", floor, c.Name)
			}
			names[c.Name] = true
		}
		for _, name := range []string{"urllib3-tls13", "urllib3-tls11-perm", "botocore-tls11", "mongo-tls10-perm", "mongo-crl-hit", "mongo-ocsp-endpoint-revoked", "pg-wronghost", "pg-declined-prefer"} {
			if !names[name] {
				t.Errorf("floor %s: no case %s", floor, name)
			}
		}
	}
	if n := len(CasesOf(KindPython, TLS12, "3.5.7", "3.13.15", everyLibrary[0])); n <= plain {
		t.Errorf("%d cases with a library, and %d without", n, plain)
	}
	for _, bad := range []struct {
		kind Kind
		lib  Installed
	}{{KindPython, Installed{"other", "1"}}, {KindToolchain, everyLibrary[0]}} {
		if n := len(CasesOf(bad.kind, TLS12, "3.5.7", "3.13.15", bad.lib)); n != 0 {
			t.Errorf("%v has %d cases: a proof of it could be complete", bad, n)
		}
	}
	for _, bad := range [][]string{{"other"}, {"urllib3", "urllib3"}, {""}, {"urllib3, botocore"}} {
		if list, err := ParseLibraries(bad); err == nil {
			t.Errorf("%q is read as %q", bad, list)
		}
	}
}

// The name is compared by OpenSSL, or after the handshake: what is expected differs.
func TestExpectationsByVersion(t *testing.T) {
	want := func(version string) (w Want) {
		for _, c := range CasesOf(KindPython, TLS12, "3.5.7", "3.13.15", Installed{URLLib3, version}) {
			if c.Name == "urllib3-wronghost" {
				w = c.Want
			}
		}
		return w
	}
	if old, current := want("1.26.12"), want("2.3.0"); old.Alert != 0 || current.Alert == 0 || old.Reason == current.Reason {
		t.Errorf("1.26 %+v, 2 %+v", old, current)
	}
}

// dialled has use on the server's side of a TLS connection, and talk on the client's.
func dialled(t *testing.T, use func(*tls.Conn), talk func(*tls.Conn)) {
	t.Helper()
	p, err := NewPeer(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(p.Files().CA)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if conn, err := l.Accept(); err == nil {
			p.Meet(t.Context(), conn, Offer{Act: Serve, Version: wire.TLS13}, use)
		}
	}()
	conn, err := tls.Dial("tcp4", l.Addr().String(), &tls.Config{RootCAs: roots, ServerName: "localhost", MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	talk(conn)
	conn.Close()
	<-done
}

func TestCloud(t *testing.T) {
	const signed = "Authorization: AWS4-HMAC-SHA256 Credential=x\r\n"
	for _, test := range []struct{ request, want string }{
		{"POST / HTTP/1.1\r\nHost: localhost\r\n" + signed + "Content-Length: 43\r\n\r\nAction=GetCallerIdentity&Version=2011-06-15", "<Account>123456789012</Account>"},
		{"GET / HTTP/1.1\r\nHost: localhost\r\n" + signed + "\r\n", "<Bucket><Name>ok</Name>"},
		{"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", ""}, // nobody asked as AWS's clients do
		{"GET /bucket HTTP/1.1\r\nHost: localhost\r\n" + signed + "\r\n", ""},
		{"nonsense\r\n\r\n", ""},
	} {
		dialled(t, cloud, func(c *tls.Conn) {
			io.WriteString(c, test.request)
			c.CloseWrite()
			got, _ := io.ReadAll(c)
			if test.want == "" && len(got) > 0 || !strings.Contains(string(got), test.want) {
				t.Errorf("%q is answered %q", test.request, got)
			}
		})
	}
}

func TestRelay(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() { // says everything twice, and hangs up
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		b := make([]byte, 5)
		if _, err := io.ReadFull(conn, b); err == nil {
			conn.Write(append(b, b...))
		}
	}()
	tools := Toolchain{Backends: map[Library]string{PyMongo: l.Addr().String()}}
	c := &court{Options: Options{Toolchain: tools}.withDefaults()}
	dialled(t, c.manners(t.Context(), Offer{Setup: Setup{Library: PyMongo}}), func(s *tls.Conn) {
		io.WriteString(s, "hello")
		if got, _ := io.ReadAll(s); string(got) != "hellohello" {
			t.Errorf("what came back is %q", got)
		}
	})
	// Nobody listens there any more: the client is hung up on, and nothing waits.
	l.Close()
	dialled(t, c.manners(t.Context(), Offer{Setup: Setup{Library: PyMongo}}), func(s *tls.Conn) {
		if got, _ := io.ReadAll(s); len(got) > 0 {
			t.Errorf("a backend that is gone said %q", got)
		}
	})
}

func TestResponder(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p, err := newPeer(t.TempDir(), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer respond(l, p.first).Close()
	for leaf, want := range map[Leaf]int{EndpointGoodLeaf: ocsp.Good, EndpointRevokedLeaf: ocsp.Revoked, EndpointErrorLeaf: -1, EndpointMalformedLeaf: -1} {
		cert := p.leaves[leaf].Leaf
		request, err := ocsp.CreateRequest(cert, p.first.cert, nil)
		if err != nil || len(cert.OCSPServer) != 1 {
			t.Fatal(cert.OCSPServer, err)
		}
		response, err := ocsp.ParseResponse(post(t.Context(), t, cert.OCSPServer[0], request), p.first.cert)
		if got := -1; err == nil {
			if got = response.Status; got != want || response.SerialNumber.Cmp(cert.SerialNumber) != 0 {
				t.Errorf("%s: status %d of %s", leaf, got, response.SerialNumber)
			}
		} else if want != -1 {
			t.Errorf("%s: %v", leaf, err)
		}
	}
	if got := post(t.Context(), t, "http://"+l.Addr().String()+"/good", []byte("nonsense")); !bytes.HasPrefix(got, []byte("no OCSP request")) {
		t.Errorf("nonsense is answered %q", got)
	}
}

func post(ctx context.Context, t *testing.T, url string, body []byte) []byte {
	t.Helper()
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	got, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return got
}
