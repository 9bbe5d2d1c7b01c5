package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/tlsfloor/tlsfloor/verify/wire"
)

// running is a server of a test, with what it reports.
type running struct {
	*Server
	visits chan Visit
	end    func() // interrupts it, and waits
}

// begin starts and serves what o says.
func begin(t testing.TB, o Options) *running {
	t.Helper()
	r := &running{visits: make(chan Visit, 4096)}
	o.Dir = t.TempDir()
	if o.Report == nil {
		o.Report = func(v Visit) { r.visits <- v }
	}
	if o.Patience == 0 {
		o.Patience = 150 * time.Millisecond
	}
	s, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	r.Server = s
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() { s.Serve(ctx); close(over) }()
	r.end = func() { cancel(); <-over }
	t.Cleanup(r.end)
	return r
}

func (r *running) place(t testing.TB, name string) Place {
	t.Helper()
	i := slices.IndexFunc(r.places, func(p Place) bool { return p.Name == name })
	if i < 0 {
		t.Fatalf("scenario %s is not there", name)
	}
	return r.places[i]
}

func (r *running) address(t testing.TB, name string) string {
	return r.place(t, name).listeners[0].Addr().String()
}

// next is the next visit that is reported.
func (r *running) next(t testing.TB) Visit {
	t.Helper()
	select {
	case v := <-r.visits:
		return v
	case <-time.After(20 * time.Second):
		t.Fatal("no visit was reported")
		return Visit{}
	}
}

// config is a crypto/tls client's that trusts the run's CA.
func (r *running) config(t testing.TB, least uint16) *tls.Config {
	t.Helper()
	text, err := os.ReadFile(r.Files().CA)
	if err != nil {
		t.Fatal(err)
	}
	c := &tls.Config{ServerName: "localhost", MinVersion: least, MaxVersion: tls.VersionTLS13, RootCAs: x509.NewCertPool()}
	c.RootCAs.AppendCertsFromPEM(text)
	return c
}

// get asks for a path of a scenario, and returns what the client got of it.
func (r *running) get(t testing.TB, name, path string, c *tls.Config) (string, error) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: c, DisableKeepAlives: true}, Timeout: 10 * time.Second}
	answer, err := client.Get(strings.TrimSuffix(r.place(t, name).URL, "/") + path)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return string(text), err
}

// The one with the floor, crypto/tls from 1.2 on, at every scenario. It knows no revocation lists, looks at
// no staple and at no renegotiation_info: the server must say so.
func TestHardenedClient(t *testing.T) {
	r := begin(t, Options{})
	not := map[string]Verdict{"cert-revoked": Careless, "ocsp-revoked": Careless, "ocsp-malformed": Careless, "no-renegotiation-info": Below}
	for _, p := range r.Places() {
		_, err := r.get(t, p.Name, "/", r.config(t, tls.VersionTLS12))
		v := r.next(t)
		if want, listed := not[p.Name]; listed {
			if v.Verdict != want {
				t.Errorf("%s: %s (%v)", p.Name, v.Line(), err)
			}
			continue
		}
		if v.Verdict != AsItMust || v.Scenario != p.Name {
			t.Errorf("%s: %s (%v)", p.Name, v.Line(), err)
		}
		if connects := strings.HasPrefix(p.Must, "connects") && p.Name != "client-cert"; connects != (err == nil) || connects != (v.Request == "GET /") {
			t.Errorf("%s: %v, request %q", p.Name, err, v.Request)
		}
		if v.Offered == nil || v.Offered.SNI != "localhost" || !slices.Equal(v.Offered.Versions, []string{"TLS 1.3", "TLS 1.2"}) || v.Offered.Size < 200 {
			t.Errorf("%s: offered %+v", p.Name, v.Offered)
		}
	}
}

// The planted fault: the same client without the floor is found at every scenario.
func TestWeakClient(t *testing.T) {
	r := begin(t, Options{})
	for _, p := range r.Places() {
		r.get(t, p.Name, "/", r.config(t, tls.VersionTLS10))
		if v := r.next(t); v.Verdict != Below {
			t.Errorf("%s: %s", p.Name, v.Line())
		}
	}
	for name, note := range map[string]string{"tls11": "completed at TLS 1.1", "tls10": "completed at TLS 1.0", "max11": "completed at TLS 1.1", "hello-0302": "goes on at TLS 1.1", "tls13": "offers TLS 1.1"} {
		r.get(t, name, "/", r.config(t, tls.VersionTLS10))
		if v := r.next(t); !strings.Contains(v.Note, note) {
			t.Errorf("%s: %s", name, v.Line())
		}
	}
}

// A client that gets the certificates wrong in no way: with a staple checked and an own certificate.
func TestCarefulClient(t *testing.T) {
	r := begin(t, Options{})
	c := r.config(t, tls.VersionTLS12)
	c.VerifyConnection = func(s tls.ConnectionState) error {
		if s.OCSPResponse == nil {
			return nil
		}
		response, err := ocsp.ParseResponseForCert(s.OCSPResponse, s.PeerCertificates[0], nil)
		if err == nil && response.Status != ocsp.Good {
			err = errors.New("revoked")
		}
		return err
	}
	own, err := tls.LoadX509KeyPair(r.Files().Client, r.Files().Key)
	if err != nil {
		t.Fatal(err)
	}
	c.Certificates = []tls.Certificate{own}
	for name, connects := range map[string]bool{"ocsp-good": true, "ocsp-absent": true, "ocsp-revoked": false, "ocsp-malformed": false, "client-cert": true} {
		text, err := r.get(t, name, "/", c)
		if v := r.next(t); v.Verdict != AsItMust || connects != (err == nil) {
			t.Errorf("%s: %s (%v)", name, v.Line(), err)
		}
		if name == "client-cert" && !strings.Contains(text, "CN=a client") {
			t.Errorf("the client's certificate is not shown: %s", text)
		}
	}
}

// What says nothing about the client must not count for it.
func TestUnclear(t *testing.T) {
	r := begin(t, Options{Timeout: 2 * time.Second})
	stranger := r.config(t, tls.VersionTLS12)
	stranger.RootCAs = x509.NewCertPool()
	lazy := r.config(t, tls.VersionTLS12)
	lazy.InsecureSkipVerify = true
	old := r.config(t, tls.VersionTLS12)
	old.MaxVersion = tls.VersionTLS12
	for _, test := range []struct {
		name, note string
		act        func()
	}{
		{"tls12", "given ca.pem", func() { r.get(t, "tls12", "/", stranger) }},
		{"cert-untrusted", "sent nothing", func() { shake(t, r.address(t, "cert-untrusted"), lazy) }},
		{"sentinel12", "does not offer TLS 1.3", func() { r.get(t, "sentinel12", "/", old) }},
		{"tls11", "no whole ClientHello", func() { say(t, r.address(t, "tls11"), []byte("GET / HTTP/1.1\r\n\r\n")) }},
		{"hello-0302", "no whole ClientHello", func() { say(t, r.address(t, "hello-0302"), nil) }},
		{"hello-0302", "without an alert", func() { say(t, r.address(t, "hello-0302"), hardenedHello(t)) }},
		{"tls12", "no whole ClientHello", func() {
			say(t, r.address(t, "tls12"), wire.Alert{Level: wire.Fatal, Description: wire.HandshakeFailure}.Record(wire.TLS12).Bytes())
		}},
	} {
		test.act()
		v := r.next(t)
		if v.Verdict != Unclear || !strings.Contains(v.Note, test.note) || v.Scenario != test.name {
			t.Errorf("%s: %s", test.name, v.Line())
		}
	}
}

// shake completes a handshake, and says nothing more.
func shake(t testing.TB, address string, c *tls.Config) {
	t.Helper()
	conn, err := tls.Dial("tcp", address, c)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

// say sends bytes and reads an answer, and hangs up.
func say(t testing.TB, address string, data []byte) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.Write(data)
	conn.(*net.TCPConn).CloseWrite()
	io.Copy(io.Discard, conn)
}

// hardenedHello is a hello of TLS 1.2 and 1.3, as a flight.
func hardenedHello(t testing.TB) []byte {
	t.Helper()
	message, err := wire.ClientHello{Version: wire.TLS12, Suites: []wire.Suite{wire.AES128GCM, wire.ECDHERSAAES128GCM}, Compression: []byte{0},
		Extensions: []wire.Extension{wire.Name("localhost"), wire.Offer(wire.TLS13, wire.TLS12), wire.Groups(29), wire.Schemes(0x0804), wire.ClientShare(29, make([]byte, 32))}}.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return wire.Flight(message, 1<<14, wire.TLS10)
}

// A hello in SSLv2's format asks for an old version in an old way.
func TestSSL2Hello(t *testing.T) {
	r := begin(t, Options{})
	say(t, r.address(t, "any"), wire.SSL2Hello{Version: wire.TLS12, Specs: wire.Specs(wire.RSAAES128SHA)}.Bytes())
	if v := r.next(t); v.Verdict != Below || !strings.Contains(v.Note, "SSLv2") || v.Offered == nil || v.Offered.Suites != 1 {
		t.Errorf("%s", v.Line())
	}
}

func TestScenarios(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range Scenarios(0) {
		if seen[s.Name] || s.Name == "" || s.Must == "" || s.Why == "" {
			t.Errorf("scenario %+v", s)
		}
		seen[s.Name] = true
	}
	if len(seen) < 26 {
		t.Errorf("%d scenarios", len(seen))
	}
	for _, s := range Scenarios(wire.TLS11) {
		if lowest(s.Offer) > wire.TLS11 || s.Offer.Says == 0 && s.Offer.Version > wire.TLS11 || !s.want.refuse {
			t.Errorf("-max=1.1: %s: %+v, %s", s.Name, s.Offer, s.Must)
		}
	}
	for max, want := range map[wire.Version]string{0: "connects at TLS 1.2 or 1.3", wire.TLS12: "connects at TLS 1.2", wire.TLS11: "refuses: alert 70 protocol_version"} {
		if s := Scenarios(max)[0]; s.Name != "any" || s.Must != want {
			t.Errorf("at most %s: %s %s", max, s.Name, s.Must)
		}
	}
	picked, err := Pick(Scenarios(0), []string{"tls10", "any"})
	if err != nil || len(picked) != 2 || picked[0].Name != "any" {
		t.Errorf("%v, %v", picked, err)
	}
	_, err = Pick(Scenarios(wire.TLS11), []string{"any", "tls12"})
	if unknown, ok := errors.AsType[*UnknownError](err); !ok || unknown.Name != "tls12" || slices.Contains(unknown.Have, "tls12") {
		t.Errorf("%v", err)
	}
}

// Ports count up from the first, on both addresses, and on no others.
func TestPorts(t *testing.T) {
	free, err := Bind(0)
	if err != nil {
		t.Fatal(err)
	}
	first := free[0].Addr().(*net.TCPAddr).Port
	if _, err := Start(Options{Dir: t.TempDir(), Port: first, Scenarios: Scenarios(0)[:1]}); err == nil {
		t.Error("a port that is taken was bound")
	}
	for _, l := range free {
		l.Close()
	}
	r := begin(t, Options{Port: first, Scenarios: Scenarios(0)[:1]})
	p := r.Places()[0]
	if p.Port != first {
		t.Errorf("port %d, not %d", p.Port, first)
	}
	for _, l := range p.listeners {
		if a := l.Addr().(*net.TCPAddr); !a.IP.IsLoopback() || a.Port != first {
			t.Errorf("listens at %s", a)
		}
	}
	if len(p.listeners) == 2 {
		conn, err := net.Dial("tcp6", p.listeners[1].Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
		r.next(t)
	}
	r.end()
	if conn, err := net.Dial("tcp", p.listeners[0].Addr().String()); err == nil {
		conn.Close()
		t.Error("it still listens after its end")
	}
}
